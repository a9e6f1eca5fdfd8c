"""Budget of time or steps, turned into the course of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rowsmith_backends.training.examples import ExampleSubset
from rowsmith_backends.training.plan import Course, evaluation_steps

if TYPE_CHECKING:
    from rowsmith.config import TrainingConfig
    from rowsmith_backends.training.examples import Examples
    from rowsmith_backends.training.state import TrainingState

__all__ = ["course_of_budget", "limit_held_out"]

_MIN_STEPS = 1_000
# Share of the training time for one held-out evaluation; there are about eight.
_EVALUATION_SHARE = 0.03


def course_of_budget(
    training: TrainingConfig,
    train: Examples,
    validation: Examples | None,
    *,
    batch_size: int,
    step_seconds: float,
    spent: float,
    most_epochs: int,
) -> Course:
    """The course of a fit that ends at its budget, or earlier where the held-out loss stops falling.

    Args:
        training: The budget.
        train: Training examples.
        validation: Held-out examples; None for none.
        batch_size: Examples a step.
        step_seconds: Duration of a step; unused for a budget of steps.
        spent: Seconds of the budget used so far.
        most_epochs: The most epochs, whatever the time.
    """
    epoch = max(1, len(train) // batch_size)
    most, seconds = max(most_epochs * epoch, _MIN_STEPS), None
    if training.max_steps is not None:
        steps = most = training.max_steps
    elif training.max_time is not None:
        seconds = training.max_time - spent
        # A validation row costs about a third of a training row: no backward pass.
        held_out = 0.0 if validation is None else step_seconds / 3 * len(validation) / batch_size
        # A single step could not be used to plan how many more there is time for.
        steps = min(most, max(2, int((seconds - 8 * held_out) / (step_seconds * 1.05))))
    else:
        steps = most
    return Course(
        total_steps=steps,
        most_steps=most,
        warmup=min(100, max(1, steps // 5)),
        decayed=True,
        evaluate_every=evaluation_steps(steps, epoch),
        epoch=epoch,
        patience=2,
        max_seconds=seconds,
    )


def limit_held_out(
    validation: Examples,
    train: Examples,
    *,
    batch_size: int,
    step_seconds: float,
    seed: int,
    state: TrainingState,
) -> Examples:
    """Limit the held-out examples to the time for an evaluation; a resumed training uses the same ones.

    Args:
        validation: All held-out examples.
        train: Training examples.
        batch_size: Training examples a step.
        step_seconds: Duration of a step; 0 if unknown.
        seed: Seed of the choice.
        state: The training, with its budget; the number of examples is saved in it.
    """
    most, seconds = state.calibration.get("held_out"), state.job.training.max_time
    if most is None and seconds is not None and step_seconds:
        # Without a backward pass, a third of a training step.
        example_seconds = step_seconds / 3 / batch_size * float(validation.lengths.mean() / train.lengths.mean())
        most = state.calibration["held_out"] = max(1, int(_EVALUATION_SHARE * seconds / example_seconds))
        if most < len(validation):
            state.job.note(
                f"the held-out loss is that of {most:,} of {len(validation):,} held-out examples: there is no time for "
                "more"
            )
    if most is None or most >= len(validation):
        return validation
    return ExampleSubset(validation, np.random.default_rng(seed).permutation(len(validation))[:most])
