"""Runs that are killed outright, may no longer write or find no room, at any time, and are resumed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")]


@pytest.mark.parametrize("options", [("--count", "6"), ("--writes", "--count", "12", "--steps", "4")])
def test_a_killed_run_is_resumed_to_the_same_weights_and_rows(root: Path, options: tuple[str, ...]) -> None:
    done = process(root, "-m", "benchmarks", "kills", *options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_that_may_no_longer_write_says_so_and_is_resumed_to_the_same_weights_and_rows(
    root: Path, tmp_path: Path
) -> None:
    done = process(root, "tests/fault_injection/permission_points.py", str(tmp_path), "14")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["problems"] == {}
    assert {"preparing", "training", "saving the model"} <= set(found["stages"])


def test_a_run_that_finds_no_room_says_so_and_is_resumed_to_the_same_weights_and_rows(
    root: Path, tmp_path: Path
) -> None:
    limits = map(str, (0, 1_000, 20_000, 60_000, 71_500, 100_000, 200_000))
    done = process(root, "tests/fault_injection/size_points.py", str(tmp_path), *limits)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["problems"] == {}
    assert {"reading", "saving the model", "generating"} <= set(found["stages"])


def process(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [str(root / name) for name in (".", "core", "assemblers", "backends", "plugins")]
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
