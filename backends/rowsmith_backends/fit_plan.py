"""What a model is fitted on, and for how long."""

from __future__ import annotations

from attrs import frozen

from rowsmith_backends.examples import Examples

__all__ = ["Course", "FitPlan"]


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
