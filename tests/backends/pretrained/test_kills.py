"""A fine-tuning that is killed outright at several points, and resumed, against one without a break."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from safetensors.torch import load_file

from ...shared.base_models import make_base
from ...shared.fine_tuning import settings

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")]

POINTS = (3, 8, 14)
STEPS = 18


def test_a_killed_training_ends_with_the_weights_of_an_unbroken_one(
    root: Path, tmp_path: Path, frame: pd.DataFrame
) -> None:
    base = make_base(tmp_path / "base", width=256, layers=4, vocab_size=4_096)
    assert sum(weight.numel() for weight in load_file(base / "model.safetensors").values()) > 3_000_000
    frame.to_csv(tmp_path / "table.csv", index=False)
    training = {"max_steps": STEPS, "checkpoint_every": 0, "validation_ratio": 0.1}
    table = {"data": {"source": str(tmp_path / "table.csv")}}
    config, whole, broken = tmp_path / "config.json", tmp_path / "whole", tmp_path / "broken"
    config.write_text(json.dumps(settings(base, training, table, rank=16, dropout=0.1)))
    finish(start(root, config, whole), whole)
    for number, point in enumerate(POINTS):
        kill_after(start(root, config, broken, *["--resume"][:number]), broken, point)
    finish(start(root, config, broken, "--resume"), broken)
    assert log(broken).read_text().count("training goes on from step") == len(POINTS)
    assert adapter(whole) == adapter(broken)
    assert report(whole) == report(broken)


def start(root: Path, config: Path, run: Path, *more: str) -> subprocess.Popen[bytes]:
    paths = [str(root / name) for name in (".", "core", "assemblers", "backends", "plugins")]
    with log(run).open("ab") as told:
        return subprocess.Popen(
            [sys.executable, "-m", "rowsmith.cli", "train", "--config", str(config), "--run-dir", str(run), *more],
            cwd=root,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
            stderr=told,
        )


def finish(process: subprocess.Popen[bytes], run: Path) -> None:
    assert process.wait() == 0, log(run).read_text()


def kill_after(process: subprocess.Popen[bytes], run: Path, step: int) -> None:
    """Kill a training without a warning, once it has saved a state of that step or a later one."""
    while saved_step(run) < step:
        assert process.poll() is None, log(run).read_text()
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def saved_step(run: Path) -> int:
    """The step of the newest state that is whole; 0 before there is one."""
    states = sorted((run / "checkpoints").glob("[0-9]*/state.json"))
    try:
        return int(json.loads(states[-1].read_text())["step"]) if states else 0
    except FileNotFoundError:
        return 0


def log(run: Path) -> Path:
    return run.with_suffix(".log")


def adapter(run: Path) -> bytes:
    return (run / "bundle" / "model" / "adapter_model.safetensors").read_bytes()


def report(run: Path) -> dict[str, Any]:
    """What the bundle says of the training, but for the time that it took."""
    found = json.loads((run / "bundle" / "bundle.json").read_text())["report"]
    return {name: value for name, value in found.items() if name != "seconds"}
