"""Runs that are killed outright, at random times and between any two writes, and resumed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")]


@pytest.mark.parametrize("options", [("--count", "6"), ("--writes", "--count", "12", "--steps", "4")])
def test_a_killed_run_is_resumed_to_the_same_weights_and_rows(root: Path, options: tuple[str, ...]) -> None:
    paths = [str(root / name) for name in ("core", "assemblers", "backends", "plugins")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "kills", *options],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
