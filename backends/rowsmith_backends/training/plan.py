"""Plan of a fit: examples and course."""

from __future__ import annotations

from attrs import frozen

from rowsmith_backends.training.examples import Examples

__all__ = ["Course", "FitPlan", "evaluation_steps"]


def evaluation_steps(steps: int, epoch: int) -> int:
    """Steps between held-out evaluations: about eight in all, or one an epoch where there are fewer of these.

    Args:
        steps: Steps that are planned.
        epoch: Steps of a pass over the examples.
    """
    return max(min(20, steps), min(steps // 8, epoch))


@frozen(kw_only=True)
class Course:
    """Length of a fit: steps, learning rate decay, evaluations and time limit.

    Attributes:
        total_steps: Planned optimizer steps; with a time limit, they are planned again from measured steps.
        most_steps: The most optimizer steps, whatever the time.
        warmup: Steps over which the learning rate rises.
        decayed: Whether the rate then falls along a cosine; constant otherwise.
        evaluate_every: Steps between held-out evaluations; 0 for none.
        epoch: Steps of an epoch, if evaluations depend on the steps planned in the end; 0 otherwise.
        patience: Evaluations without a better loss before the cooldown starts and the fit ends.
        max_seconds: Wall-clock guard; None for none.
        reason: What set the number of steps, if it is worth reporting.
    """

    total_steps: int
    most_steps: int
    warmup: int
    decayed: bool
    evaluate_every: int
    patience: int
    max_seconds: float | None = None
    reason: str | None = None
    epoch: int = 0

    def every(self, steps: int) -> int:
        """Steps between evaluations of a fit of so many steps."""
        return evaluation_steps(steps, self.epoch) if self.epoch and self.evaluate_every else self.evaluate_every


@frozen(kw_only=True)
class FitPlan:
    """Examples and course of a fit.

    Attributes:
        train: Training examples.
        validation: Held-out examples; None for none.
        course: Length of the fit.
    """

    train: Examples
    validation: Examples | None
    course: Course

    @property
    def evaluated(self) -> bool:
        """Whether there are held-out evaluations."""
        return self.validation is not None and self.course.evaluate_every > 0
