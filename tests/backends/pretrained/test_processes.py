"""Several processes that train one model together, as a launcher starts them, against one process alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

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
from .conftest import program, report

needs_fork = pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")


@pytest.fixture(scope="module")
def trainings(root: Path, frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of 10 steps: ``whole`` by one process, ``together`` by two that torchrun starts, ``broken`` by two.

    The last is killed once, and taken up.
    """
    folder = tmp_path_factory.mktemp("trainings")
    frame.to_csv(folder / "table.csv", index=False)
    training = {"max_steps": 10, "checkpoint_every": 0, "validation_ratio": 0.1}
    values = settings(
        make_base(folder / "base"), training, {"data": {"source": str(folder / "table.csv")}}, batch_tokens=2_048
    )
    (folder / "config.json").write_text(json.dumps(values))
    program(root, "kill_points.py", str(folder), "2", "4")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    program(root, *launcher, "launched.py", str(folder / "config.json"), str(folder / "together"))
    return folder


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "bundle" / "model" / "adapter_model.safetensors")


@pytest.mark.slow
@needs_fork
def test_two_processes_have_the_loss_curve_of_one(trainings: Path) -> None:
    curves = [json.loads((trainings / f"{name}.curve").read_text()) for name in ("whole", "together")]
    one, two = (curve["losses"] for curve in curves)
    assert list(one) == list(two) == [str(step + 1) for step in range(10)]
    # The last batch of an epoch is filled up, so that every process has a part of it.
    assert list(one.values()) == pytest.approx(list(two.values()), abs=2e-2)
    first_epoch = int(10 / report(trainings / "whole")["epochs"])
    assert first_epoch >= 4
    assert list(one.values())[:first_epoch] == pytest.approx(list(two.values())[:first_epoch], abs=1e-4)
    assert list(curves[0]["held_out"].values()) == pytest.approx(list(curves[1]["held_out"].values()), abs=5e-2)
    assert min(one.values()) < one["1"] - 0.2, "or the curve would say nothing"


@pytest.mark.slow
@needs_fork
def test_two_processes_that_are_killed_are_taken_up(trainings: Path) -> None:
    assert (trainings / "broken.log").read_text().count("training goes on from step") == 1
    found, expected = weights(trainings / "broken"), weights(trainings / "together")
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
