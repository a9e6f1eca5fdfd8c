"""What a model is fitted on, and for how long."""

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
    """How long a fit goes on.

    Attributes:
        total_steps: Optimizer steps planned; with a time limit, until a tenth of it or half of the steps has been
            measured.
        most_steps: The most optimizer steps, however much time there is.
        warmup: Steps over which the learning rate rises.
        decayed: Whether the rate then falls along a cosine; constant otherwise.
        evaluate_every: Steps between held-out evaluations; 0 for none.
        epoch: Steps of a pass over the examples, where evaluations go by the steps that are planned in the end; 0 where
            they do not.
        patience: Evaluations without a better loss before the learning rate is taken down and the fit ends.
        max_seconds: Wall-clock guard; None for none.
        reason: What set the number of steps, when that is worth telling.
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
    """What to fit on.

    Attributes:
        train: Training examples.
        validation: Held-out examples; None for none.
        course: How long.
    """

    train: Examples
    validation: Examples | None
    course: Course

    @property
    def evaluated(self) -> bool:
        """Whether there are held-out evaluations."""
        return self.validation is not None and self.course.evaluate_every > 0
