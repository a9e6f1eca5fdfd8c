"""Several processes that train one model together, as a launcher starts them, against one process alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from rowsmith import Synthesizer
from rowsmith.config import load_config
from rowsmith.errors import ConfigError
from rowsmith.model.distributed import DistributedEnv
from rowsmith.runs.stages import Run, train
from rowsmith.runs.validation import registry_for
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.table import from_frame
from rowsmith_backends.training.process_group import ProcessGroup

from ...shared.base_models import make_base
from ...shared.fine_tuning import settings
from .test_kills import log, report, saved_step

LAUNCHED = Path(__file__).with_name("launched.py")
launches = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks processes up in /proc")


def start(root: Path, run: Path, processes: int, *program: str) -> subprocess.Popen[bytes]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ["-m", "torch.distributed.run", f"--nproc_per_node={processes}", f"--master_port={port}"]
    paths = [str(root / name) for name in (".", "core", "assemblers", "backends", "plugins")]
    with log(run).open("ab") as told:
        return subprocess.Popen(
            [sys.executable, *launcher[: len(launcher) if processes > 1 else 0], *program],
            cwd=root,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
            stderr=told,
        )


def finish(process: subprocess.Popen[bytes], run: Path) -> None:
    assert process.wait() == 0, log(run).read_text()


def kill_after(process: subprocess.Popen[bytes], run: Path, step: int) -> None:
    """Kill the launcher and the processes that it started, once a state of that step is saved."""
    while saved_step(run) < step:
        assert process.poll() is None, log(run).read_text()
        time.sleep(0.002)
    started = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for each in (process.pid, *map(int, started)):
        os.kill(each, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    while any(Path(f"/proc/{each}").exists() for each in started):
        time.sleep(0.01)


@pytest.fixture
def config(tmp_path: Path, frame: pd.DataFrame) -> Path:
    """the configuration of a training of 10 steps."""
    frame.to_csv(tmp_path / "table.csv", index=False)
    training = {"max_steps": 10, "checkpoint_every": 0, "validation_ratio": 0.1}
    values = settings(
        make_base(tmp_path / "base"), training, {"data": {"source": str(tmp_path / "table.csv")}}, batch_tokens=2_048
    )
    (tmp_path / "config.json").write_text(json.dumps(values))
    return tmp_path / "config.json"


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "bundle" / "model" / "adapter_model.safetensors")


@launches
@pytest.mark.slow
def test_two_processes_have_the_loss_curve_of_one(root: Path, tmp_path: Path, config: Path) -> None:
    curves: list[dict[str, Any]] = []
    for processes in (1, 2):
        run, curve = tmp_path / f"of{processes}", tmp_path / f"{processes}.json"
        finish(start(root, run, processes, str(LAUNCHED), str(config), str(run), str(curve)), run)
        curves.append(json.loads(curve.read_text()))
    one, two = (curve["losses"] for curve in curves)
    assert list(one) == list(two) == [str(step + 1) for step in range(10)]
    # The last batch of an epoch is filled up, so that every process has a part of it.
    assert list(one.values()) == pytest.approx(list(two.values()), abs=2e-2)
    first_epoch = int(10 / report(tmp_path / "of1")["epochs"])
    assert first_epoch >= 4
    assert list(one.values())[:first_epoch] == pytest.approx(list(two.values())[:first_epoch], abs=1e-4)
    assert list(curves[0]["held_out"].values()) == pytest.approx(list(curves[1]["held_out"].values()), abs=5e-2)
    assert min(one.values()) < one["1"] - 0.2, "or the curve would say nothing"


@launches
@pytest.mark.slow
def test_two_processes_that_are_killed_are_taken_up(root: Path, tmp_path: Path, config: Path) -> None:
    command = ("-m", "rowsmith.cli", "train", "--config", str(config), "--run-dir")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    finish(start(root, whole, 2, *command, str(whole)), whole)
    kill_after(start(root, broken, 2, *command, str(broken)), broken, 4)
    finish(start(root, broken, 2, *command, str(broken), "--resume"), broken)
    assert log(broken).read_text().count("training goes on from step") == 1
    found, expected = weights(broken), weights(whole)
    assert all(torch.equal(weight, expected[name]) for name, weight in found.items())


def test_ranks_are_what_a_launcher_says() -> None:
    assert DistributedEnv.current({}) == DistributedEnv()
    assert DistributedEnv.current({"RANK": "0", "WORLD_SIZE": "1"}) == DistributedEnv()
    assert DistributedEnv.current({"RANK": "x", "WORLD_SIZE": "2"}) == DistributedEnv()
    assert DistributedEnv.current({"RANK": "1", "WORLD_SIZE": "2"}) == DistributedEnv(1, 2)
    assert DistributedEnv(0, 2).is_main
    assert not DistributedEnv(1, 2).is_main


def test_a_single_process_is_a_group_without_communication() -> None:
    group, value = ProcessGroup.init(DistributedEnv()), object()
    assert group.broadcast(value) is value
    group.barrier()
    group.destroy()


def test_what_cannot_be_launched_says_so(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="started 2 processes"):
        Synthesizer(run_directory=tmp_path / "run").fit(frame)


def test_a_model_that_is_trained_by_one_process_says_so(
    frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    config = load_config(overrides=["training.max_steps=1"])
    run = Run(
        config=config, registry=registry_for(config), directory=RunDirectory(tmp_path), ranks=DistributedEnv.current()
    )
    with pytest.raises(ConfigError, match="2 processes cannot train this model together"):
        train(run, from_frame(frame))
