"""A small base model, a table, and an adapter trained on it for a few steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rowsmith.model import Bundle

from ...shared.base_models import make_base
from ...shared.fine_tuning import tune


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of random weights whose tokenizer puts BOS first."""
    return make_base(tmp_path_factory.mktemp("base") / "base", adds_bos=True)


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """Text, categories and numbers; some of the text spells control tokens."""
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "city": draw.choice(["Ulm", "Rome", "São"], 300),
            "n": draw.integers(0, 50, 300),
            "note": [f"{'</s>' if i % 3 else '<|endoftext|>'} é{i}" for i in range(300)],
        }
    )


@pytest.fixture(scope="session")
def tuned(base: Path, frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """An adapter on ``base``."""
    return tune(frame, tmp_path_factory.mktemp("tuned") / "run", base)


def program(root: Path, *arguments: str) -> None:
    """Run a program of this folder, or a module with ``-m``, in a process of its own, and expect that it ends well."""
    paths = [str(root / name) for name in (".", "core", "assemblers", "backends", "plugins")]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=Path(__file__).parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def report(run: Path) -> dict[str, Any]:
    """What the bundle says of the training, but for the time that it took."""
    found = json.loads((run / "bundle" / "bundle.json").read_text())["report"]
    return {name: value for name, value in found.items() if name != "seconds"}
