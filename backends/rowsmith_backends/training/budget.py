"""How a budget of time or steps becomes the course of one fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rowsmith_backends.training.examples import SomeExamples
from rowsmith_backends.training.plan import Course, evaluation_steps

if TYPE_CHECKING:
    from rowsmith.config import TrainingConfig
    from rowsmith_backends.training.examples import Examples
    from rowsmith_backends.training.state import TrainingState

__all__ = ["budgeted", "held_out_in_time"]

_LEAST_STEPS = 1_000
# Of the time for training, what one held-out evaluation may take; there are about eight.
_EVALUATION_SHARE = 0.03


def budgeted(
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
        step_seconds: What a step takes; not looked at for a number of steps.
        spent: Seconds of the budget that are gone.
        most_epochs: The most passes over the examples, whatever the time.
    """
    epoch = max(1, len(train) // batch_size)
    most, seconds = max(most_epochs * epoch, _LEAST_STEPS), None
    if training.max_steps is not None:
        steps = most = training.max_steps
    elif training.max_time is not None:
        seconds = training.max_time - spent
        # A validation row costs about a third of a training row: no backward pass.
        held_out = 0.0 if validation is None else step_seconds / 3 * len(validation) / batch_size
        # One step would be the last before it could tell how many more there is time for.
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


def held_out_in_time(
    validation: Examples,
    train: Examples,
    *,
    batch_size: int,
    step_seconds: float,
    seed: int,
    state: TrainingState,
) -> Examples:
    """As many held-out examples as an evaluation has time for, the same in a training that is taken up.

    Args:
        validation: All held-out examples.
        train: Training examples.
        batch_size: Training examples a step.
        step_seconds: What a step takes; 0 if unknown.
        seed: Of the choice.
        state: The training, with its budget; how many there are is kept in it.
    """
    most, seconds = state.calibration.get("held_out"), state.job.training.max_time
    if most is None and seconds is not None and step_seconds:
        # Without a backward pass, a third of a training step.
        each = step_seconds / 3 / batch_size * float(validation.lengths.mean() / train.lengths.mean())
        most = state.calibration["held_out"] = max(1, int(_EVALUATION_SHARE * seconds / each))
        if most < len(validation):
            state.job.note(
                f"the held-out loss is that of {most:,} of {len(validation):,} held-out examples: there is no time for "
                "more"
            )
    if most is None or most >= len(validation):
        return validation
    return SomeExamples(validation, np.random.default_rng(seed).permutation(len(validation))[:most])
