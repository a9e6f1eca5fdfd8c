"""The contract of policies that end training by the rows that a model makes meanwhile."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from rowsmith.errors import PluginContractError
from rowsmith.evaluation.tables import EvaluationTables, Part

__all__ = ["TrainingStopping", "TrainingTrial", "TrialDecision"]


@frozen(kw_only=True, eq=False)
class TrainingTrial:
    """Rows sampled from the weights that a training would save now.

    Attributes:
        step: Optimizer steps done.
        total_steps: Optimizer steps planned.
        seconds: Time since the first step.
        tables: The rows that are trained on (``REAL``), the sampled rows (``SYNTHETIC``), and rows that are neither
            trained on nor part of the run's holdout (``HOLDOUT``).
    """

    step: int
    total_steps: int
    seconds: float
    tables: EvaluationTables

    @property
    def against_held_out(self) -> EvaluationTables:
        """The sampled rows beside the held-out ones, which replace the real table."""
        tables = self.tables
        parts = {Part.REAL: Part.HOLDOUT, Part.SYNTHETIC: Part.SYNTHETIC}
        return evolve(
            tables,
            columns=tuple(
                evolve(column, codes={to: column.codes[of] for to, of in parts.items()}) for column in tables.columns
            ),
            sizes={to: tables.sizes[of] for to, of in parts.items()},
            groups={to: tables.groups[of] for to, of in parts.items()} if tables.groups else {},
        )


@frozen(kw_only=True)
class TrialDecision:
    """What a policy decides of a trial.

    Attributes:
        best: Whether these weights are the best so far. The best ones are saved when training ends.
        stop: Why training ends here, in words; None if it goes on.
        figures: What the decision was made by, as JSON values; they are reported in ``metrics.json``.
    """

    best: bool
    stop: str | None = None
    figures: Mapping[str, Any] = field(factory=dict)


class TrainingStopping(ABC):
    """Decides by sampled rows when training ends, and which weights are saved.

    Attributes:
        rows: Rows that are sampled for a trial. Of grouped tables, whole groups of about as many rows; of series, as
            many series as are held out.
        trials: Trials of a training that does all of its steps, evenly spread over them.
        most_time: The share of the time of training that trials may take under a time budget. A budget of steps is
            not timed, so that it is reproducible: it has all of its trials.
    """

    rows: int = 500
    trials: int = 20
    most_time: float = 0.1

    @abstractmethod
    def decide(self, trial: TrainingTrial) -> TrialDecision:
        """Judge the weights of a moment.

        Args:
            trial: The sampled rows beside real ones.
        """

    def state(self) -> dict[str, Any]:
        """What ``decide`` remembers of earlier trials, as JSON values: a resumed training gets it back."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned; a policy that returns anything implements both.

        Raises:
            PluginContractError: It does not.
        """
        if state:
            raise PluginContractError(f"{type(self).__name__} has a state, and no method restore")
