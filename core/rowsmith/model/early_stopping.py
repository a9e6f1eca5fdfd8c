"""What a training asks while it runs: whether to end, and which weights are the best so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

__all__ = ["EarlyStopping", "StoppingDecision", "TrainingMoment"]


@frozen(kw_only=True)
class TrainingMoment:
    """A training between two steps.

    Attributes:
        step: Optimizer steps done.
        total_steps: Optimizer steps planned.
        seconds: Time since the first step, with everything that was done meanwhile.
        is_last: Whether training ends here in any case.
    """

    step: int
    total_steps: int
    seconds: float
    is_last: bool = False


@frozen(kw_only=True)
class StoppingDecision:
    """What is decided of the weights of one moment.

    Attributes:
        best: Whether they are the best so far, which the training saves when it ends.
        stop: Why training ends here; None if it goes on.
    """

    best: bool
    stop: str | None = None


class EarlyStopping(ABC):
    """Judges the weights of a training while it runs.

    A model whose ``decides_by_rows`` is true asks after every step whether a judgement is due, and gets one with a
    function that writes the weights as they would be saved. It stores ``state`` with its checkpoints.
    """

    @abstractmethod
    def due(self, moment: TrainingMoment) -> bool:
        """Whether the weights are to be judged now."""

    @abstractmethod
    def decide(self, moment: TrainingMoment, write: Callable[[Path], None]) -> StoppingDecision | None:
        """Judge the weights.

        Args:
            moment: Where training is.
            write: Writes model and tokenizer to a folder, which it creates.

        Returns:
            The decision; None if nothing could be judged, so that training goes on as it was.
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """The state, as plain data."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
