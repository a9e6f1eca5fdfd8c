"""A training that is broken off and taken up again, against one without a break."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rowsmith.checkpoints import CHECKPOINT_FOLDER, Checkpoints
from rowsmith.config import TrainingConfig
from rowsmith.interruption import Interrupted, StopRequest
from rowsmith.modelling import TrainingJob, TrainingProgress, TrainingReport
from rowsmith.run_directory import RunDirectory
from rowsmith.seeds import Seeds
from rowsmith_backends.scratch import ScratchModel

from .tiny import OPTIONS, closed_table, examples


class Killed(Exception):
    """Stands for a process that ends."""


class Training:
    """A training that can be broken off.

    Args:
        root: Where it is kept.
        rows: Rows of the table.
        validation: Examples held out; 0 has it cross-validated.
        every: Seconds between saved states.
        training: The budget.
    """

    def __init__(
        self, root: Path, *, rows: int = 200, validation: int = 40, every: float = 0, **training: float
    ) -> None:
        self.root, self.validation, self.every, self.training = root, validation, every, training
        self.model = ScratchModel(OPTIONS)
        self.prepared = self.model.prepare(*closed_table(rows))
        self.notes: list[str] = []
        self.seen: list[tuple[str, int]] = []

    def run(self, *, kill: tuple[str, int] | None = None, stop: tuple[str, int] | None = None) -> TrainingReport:
        """Train, up to a phase and step where it is killed or asked to stop."""
        request = StopRequest(requested=stop is not None and stop[1] == 0)

        def progress(where: TrainingProgress) -> None:
            here = (where.phase, where.step)
            self.seen.append(here)
            assert np.isfinite(where.seconds) and where.seconds >= 0
            assert where.seconds_left is None or np.isfinite(where.seconds_left)
            if here == kill:
                raise Killed
            if stop is not None and where.phase == stop[0] and where.step >= stop[1]:
                request.ask()

        job = TrainingJob(
            examples=examples(self.prepared, self.validation),
            training=TrainingConfig(**self.training),
            seeds=Seeds(0),
            directory=self.root / "model",
            progress=progress,
            note=self.notes.append,
            checkpoints=Checkpoints(RunDirectory(self.root), every=self.every, taken_up=True, note=self.notes.append),
            stop=request,
        )
        return self.model.train(self.prepared, job)

    @property
    def weights(self) -> bytes:
        return (self.root / "model" / "model.safetensors").read_bytes()

    @property
    def states(self) -> list[Path]:
        return sorted((self.root / CHECKPOINT_FOLDER).iterdir())


@pytest.fixture(autouse=True, scope="module")
def _no_disk() -> Iterator[None]:
    """Many small states are saved here; that each reaches the disk is no matter in a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Training:
    training = Training(tmp_path_factory.mktemp("whole"), max_steps=14)
    training.report = training.run()
    return training


@pytest.mark.parametrize("step", [2, 6, 14])
def test_a_killed_training_ends_with_the_weights_of_an_unbroken_one(whole, tmp_path, step):
    broken = Training(tmp_path, max_steps=14)
    with pytest.raises(Killed):
        broken.run(kill=("", step))
    assert broken.run().steps == 14
    assert broken.weights == whole.weights
    assert broken.notes[-1] == f"training goes on from step {step - 1}"
    assert len(broken.states) <= 2


def test_a_training_can_be_killed_again_and_again(whole, tmp_path):
    broken = Training(tmp_path, max_steps=14)
    for step in (3, 4, 9):
        with pytest.raises(Killed):
            broken.run(kill=("", step))
    report = broken.run()
    assert broken.weights == whole.weights
    assert (report.steps, report.best_step, report.validation_loss) == (
        whole.report.steps,
        whole.report.best_step,
        whole.report.validation_loss,
    )


def test_a_training_that_is_asked_to_stop_saves_its_last_step(whole, tmp_path):
    broken = Training(tmp_path, max_steps=14)
    with pytest.raises(Interrupted, match="stopped after step 8 of 14"):
        broken.run(stop=("", 7))
    broken.run()
    assert broken.weights == whole.weights
    assert broken.notes == ["training goes on from step 8"]


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["fold 1 of 4", "fold 3 of 4", ""])
def test_cross_validation_is_taken_up_where_it_was(tmp_path, phase):
    unbroken = Training(tmp_path / "unbroken", rows=120, validation=0, every=60, max_steps=9)
    report = unbroken.run()
    broken = Training(tmp_path / "broken", rows=120, validation=0, every=60, max_steps=9)
    with pytest.raises(Interrupted):
        broken.run(stop=(phase, 3))
    before = len(broken.seen)
    assert broken.run().stop_reason == report.stop_reason
    assert broken.weights == unbroken.weights
    assert broken.seen[before][0] == phase, "folds that are done are not done again"


@pytest.mark.slow
def test_a_cool_down_is_taken_up(tmp_path):
    unbroken = Training(tmp_path / "unbroken", rows=300, validation=100, every=60, max_steps=4_000)
    report = unbroken.run()
    assert "stopped falling" in report.stop_reason
    broken = Training(tmp_path / "broken", rows=300, validation=100, every=60, max_steps=4_000)
    with pytest.raises(Interrupted):
        broken.run(stop=unbroken.seen[-2])
    assert broken.run().stop_reason == report.stop_reason
    assert broken.weights == unbroken.weights


def test_a_time_budget_counts_on(tmp_path):
    broken = Training(tmp_path, rows=400, validation=40, every=60, max_time=6.0)
    with pytest.raises(Interrupted, match="after step 1 of"):
        broken.run(stop=("", 0))
    state = json.loads((broken.states[-1] / "state.json").read_text())
    report = broken.run()
    assert report.steps > 1
    assert report.seconds > state["seconds"] > 0, "the time before the break counts"
