"""When a training is tried by its rows, and what is remembered of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.components import ComponentRef
from rowsmith.config import RunConfig, TrainingConfig
from rowsmith.evaluation import TrainingStopping, TrainingTrial, TrialDecision
from rowsmith.model import TrainingMoment
from rowsmith.plugins import Registry
from rowsmith.runs.stages import Run
from rowsmith.runs.stages.trials import TrialStopping
from rowsmith.sequences.stopping_rows import StoppingRows
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.table import from_frame

REGISTRY = Registry(entry_points=[])
TABLE = from_frame(pd.DataFrame({"n": range(20)}))


class Counting(TrainingStopping):
    """Counts its trials."""

    def __init__(self, trials: int = 20, most_time: float = 0.1) -> None:
        self.trials, self.most_time, self.count = trials, most_time, 0

    def decide(self, trial: TrainingTrial) -> TrialDecision:
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        return {"count": self.count}

    def restore(self, state: Any) -> None:
        self.count = state["count"]


def stopping(policy: Counting, **training: Any) -> TrialStopping:
    config = RunConfig(training=TrainingConfig(stopping=ComponentRef(name="counting"), **training))
    run = Run(config=config, registry=REGISTRY, directory=RunDirectory("unused"))
    numbers = TABLE.columns.num_rows
    rows = StoppingRows(rows=cast(Any, range(numbers)), table=TABLE, trained=TABLE)
    return TrialStopping(policy, run, run.context(), rows, cast(Any, None))


def tried(made: TrialStopping, steps: int, step_seconds: float, trial_seconds: float) -> list[tuple[int, float]]:
    """Steps and times of the trials of a training whose trials take so long."""
    now, seen = 0.0, []
    for step in range(1, steps + 1):
        now += step_seconds
        if made.due(TrainingMoment(step=step, total_steps=steps, seconds=now, is_last=step == steps)):
            now += trial_seconds
            made.last_step, made.spent, made.latest = step, made.spent + trial_seconds, trial_seconds
            seen.append((step, now))
    return seen


@given(st.integers(1, 400), st.integers(1, 30))
def test_a_budget_of_steps_has_its_trials_however_long_they_take(steps: int, trials: int) -> None:
    seen = tried(stopping(Counting(trials), max_steps=steps), steps, 1.0, 50.0)
    assert seen[-1][0] == steps, "the last weights are judged"
    assert min(steps, trials) <= len(seen) <= 2 * trials + 1
    again = tried(stopping(Counting(trials), max_steps=steps), steps, 0.1, 0.0)
    assert [step for step, _ in seen] == [step for step, _ in again]


@given(st.integers(20, 400), st.floats(0.01, 30), st.floats(0.02, 0.5))
def test_trials_take_their_share_of_a_budget_of_time_and_no_more(steps: int, cost: float, share: float) -> None:
    made = stopping(Counting(20, share), max_time=float(steps))
    seen = tried(made, steps, 1.0, cost)
    assert seen[-1][0] == steps
    between = seen[1:-1]
    for number, (_, now) in enumerate(between):
        assert (number + 2) * cost <= share * now + 1e-6, "all but the first and the last trial"
    assert len(seen) <= 40


def test_the_state_is_plain_and_restores_policy_and_trials(tmp_path: Path) -> None:
    policy = Counting()
    made = stopping(policy, max_steps=10)
    policy.count, made.last_step, made.spent, made.latest = 3, 7, 1.5, 0.5
    made.trials.append({"step": 7, "best": True})
    state = json.loads(json.dumps(made.state()))
    other = stopping(Counting(), max_steps=10)
    other.restore(state)
    assert other.state() == made.state()
    assert cast(Counting, other.policy).count == 3
    assert other.summary(3.0) == {
        "policy": "counting",
        "held_out_rows": 20,
        "seconds": 1.5,
        "share_of_time": 0.5,
        "trials": [{"step": 7, "best": True}],
    }
