"""How a budget of time or steps becomes the course of one fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith_backends.fit_plan import Course, evaluation_steps

if TYPE_CHECKING:
    from rowsmith.config import TrainingConfig
    from rowsmith_backends.examples import Examples

__all__ = ["budgeted"]

_LEAST_STEPS = 1_000


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
