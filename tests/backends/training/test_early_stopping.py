"""A training that asks what its weights are worth."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from rowsmith.interruption import Interrupted
from rowsmith.model import EarlyStopping, StoppingDecision, TrainingMoment

from ...shared.interrupted_training import Killed, Training

pytestmark = pytest.mark.usefixtures("no_disk")


@define(eq=False)
class Judge(EarlyStopping):
    """Judges every few steps, and remembers the weights of each judgement.

    Attributes:
        root: A folder for the weights.
        best: Steps whose weights are called best.
        stop: The step at which training is to end.
        every: Steps between judgements.
        seen: Step and weights of each judgement.
    """

    root: Path
    best: tuple[int, ...] = ()
    stop: int | None = None
    every: int = 3
    seen: list[tuple[int, str]] = field(factory=list)

    def due(self, moment: TrainingMoment) -> bool:
        return moment.is_last or moment.step - (self.seen[-1][0] if self.seen else 0) >= self.every

    def decide(self, moment: TrainingMoment, write: Callable[[Path], None]) -> StoppingDecision:
        folder = self.root / f"judged-{moment.step}"
        if not folder.exists():
            write(folder)
        self.seen.append((moment.step, (folder / "model.safetensors").read_bytes().hex()))
        reason = f"enough at step {moment.step}" if moment.step == self.stop else None
        return StoppingDecision(best=moment.step in self.best, stop=reason)

    def state(self) -> dict[str, Any]:
        return {"seen": json.loads(json.dumps(self.seen))}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.seen = [tuple(each) for each in state["seen"]]


class Judged(Training):
    """A training with a judge."""

    judge: Judge

    def __init__(self, root: Path, **options: Any) -> None:
        super().__init__(root, validation=0, stopping=self._new, max_steps=14)
        self.options = options

    def _new(self) -> Judge:
        self.root.mkdir(exist_ok=True)
        self.judge = Judge(self.root, **self.options)
        return self.judge


def test_training_ends_where_it_is_asked_to_with_the_weights_that_were_called_best(tmp_path: Path) -> None:
    training = Judged(tmp_path / "a", best=(3, 6), stop=9)
    report = training.run()
    assert (report.steps, report.best_step, report.stop_reason) == (9, 6, "enough at step 9")
    weights = dict(training.judge.seen)
    assert list(weights) == [3, 6, 9]
    assert training.weights.hex() == weights[6], "the judged weights are those that are saved"
    assert len(set(weights.values())) == 3


def test_without_a_best_judgement_the_last_weights_are_saved(tmp_path: Path) -> None:
    training = Judged(tmp_path / "a")
    report = training.run()
    assert (report.steps, report.stop_reason) == (14, "all steps done")
    assert [step for step, _ in training.judge.seen] == [3, 6, 9, 12, 14]
    assert training.weights.hex() == training.judge.seen[-1][1]


def test_how_often_is_judged_changes_nothing_of_the_training(tmp_path: Path) -> None:
    often, seldom = Judged(tmp_path / "a", every=2), Judged(tmp_path / "b", every=100)
    often.run()
    seldom.run()
    assert often.weights == seldom.weights


@pytest.mark.parametrize("step", [4, 8])
def test_a_killed_training_is_judged_as_one_without_a_break(tmp_path: Path, step: int) -> None:
    whole = Judged(tmp_path / "whole", best=(3,), stop=12)
    report = whole.run()
    broken = Judged(tmp_path / "broken", best=(3,), stop=12)
    with pytest.raises(Killed):
        broken.run(kill=("", step))
    again = broken.run()
    assert (again.steps, again.best_step, again.stop_reason) == (report.steps, report.best_step, report.stop_reason)
    assert broken.judge.seen == whole.judge.seen
    assert broken.weights == whole.weights


def test_an_interrupted_training_is_judged_as_one_without_a_break(tmp_path: Path) -> None:
    whole, broken = (Judged(tmp_path / name, best=(6,)) for name in ("whole", "broken"))
    whole.run()
    with pytest.raises(Interrupted):
        broken.run(stop=("", 7))
    broken.run()
    assert broken.judge.seen == whole.judge.seen
    assert broken.weights == whole.weights
