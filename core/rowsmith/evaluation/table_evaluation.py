"""The contract of evaluations that compare tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from rowsmith.evaluation.measure import Evaluated, EvaluationKind
from rowsmith.evaluation.tables import EvaluationTables

__all__ = ["TableEvaluation"]


class TableEvaluation(ABC):
    """Compares a synthetic table with the real one.

    A subclass is stateless but for its options, draws at random from ``tables.generator`` alone and changes nothing.
    It samples rows, columns or pairs where there are too many, and says so in ``Measure.sampled``.

    Attributes:
        name: Words in lower case joined by '-'.
        kind: Question that it answers.
        explanation: A sentence for readers of a report: what its main measure says, and what it hides.
        needs_holdout: Whether it is skipped, with the reason, without real rows that the model never saw.
        needs_groups: Whether it is skipped where rows are independent.
    """

    name: ClassVar[str]
    kind: ClassVar[EvaluationKind]
    explanation: ClassVar[str] = ""
    needs_holdout: ClassVar[bool] = False
    needs_groups: ClassVar[bool] = False

    @abstractmethod
    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare the tables.

        Args:
            tables: Real, synthetic and, where there are some, held-out rows.

        Returns:
            Measures, and findings for what is wrong beyond a threshold that real rows do not reach by chance.

        Raises:
            RowsmithError: It cannot be computed; other evaluations go on.
        """
