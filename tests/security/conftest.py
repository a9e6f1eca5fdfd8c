"""A small saved model to be tampered with."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

TINY: dict[str, Any] = {
    "training": {"max_steps": 2},
    "model": {"name": "scratch", "options": {"width": 32, "layers": 1, "dtype": "float32", "batch_size": 32}},
}


def seal(run: Path) -> None:
    """Make the bundle's manifest agree with its files, as one who builds a hostile bundle would."""
    path = run / "bundle" / "bundle.json"
    try:
        state = json.loads(path.read_text())
    except (ValueError, RecursionError):
        return
    if not isinstance(state, dict):
        return
    model = run / "bundle" / "model"
    state["files"] = {
        each.relative_to(model).as_posix(): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(model.rglob("*"))
        if each.is_file()
    }
    rest = {name: value for name, value in state.items() if name != "checksum"}
    if "checksum" in state:
        rest["checksum"] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(rest))


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with a model of an ordinary table; not to be changed."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    from rowsmith import Synthesizer

    chance = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "city": chance.choice(["Ulm", "Rome"], 60),
            "age": chance.integers(18, 30, 60),
            "note": ["".join(chance.choice(list("ab c"), 5)) for _ in range(60)],
        }
    )
    root = tmp_path_factory.mktemp("saved") / "run"
    Synthesizer(**TINY).fit(frame).save(root)
    return root


@pytest.fixture
def bundle(saved: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    shutil.copytree(saved, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def canary(tmp_path: Path) -> Callable[[], bool]:
    """Whether the file that every planted piece of code would write is there."""
    return lambda: (tmp_path / "canary").exists()
