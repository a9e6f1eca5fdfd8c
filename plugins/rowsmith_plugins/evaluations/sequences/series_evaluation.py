"""What the evaluations of time series have in common: they compare one number column after another."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

from attrs import evolve, field, frozen

from rowsmith.evaluation import (
    Evaluated,
    EvaluatedColumn,
    EvaluationKind,
    EvaluationTables,
    Finding,
    Measure,
    Part,
    TableEvaluation,
)
from rowsmith_plugins.evaluations.sequences.distances import mean_measure
from rowsmith_plugins.evaluations.sequences.ordered_rows import MOST_ROWS
from rowsmith_plugins.evaluations.sequences.series import Readings, compared_readings, prepared, unknown

__all__ = ["ColumnComparison", "SeriesEvaluation"]


@frozen(kw_only=True)
class ColumnComparison:
    """What one comparison of a column gave.

    Attributes:
        measure: The measure; its name is replaced. None where nothing can be said.
        findings: What is wrong.
        details: Further values for the report.
    """

    measure: Measure | None = None
    findings: Iterable[Finding] = ()
    details: Mapping[str, object] = field(factory=dict)


class SeriesEvaluation(TableEvaluation):
    """Compares the number columns of time series; the measure is the mean over all comparisons."""

    kind = EvaluationKind.SEQUENCES
    nothing: ClassVar[str] = "no series has enough rows"
    """Why there is no measure if nothing could be compared."""

    @abstractmethod
    def compare(
        self, column: EvaluatedColumn, known: Mapping[Part, Readings], tables: EvaluationTables, *, sampled: bool
    ) -> Iterable[ColumnComparison]:
        """Compare the readings of a column.

        Args:
            column: The column.
            known: Its readings, by part; there are real and synthetic ones.
            tables: The tables.
            sampled: Whether they are not all rows.
        """

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare each column."""
        reason = prepared(tables)
        if reason:
            return unknown(self.name, reason)
        part = tables.sampled(MOST_ROWS)
        measures, findings, details = list[Measure](), list[Finding](), dict[str, object]()
        for column, known in compared_readings(part):
            for compared in self.compare(column, known, part, sampled=part is not tables):
                if compared.measure is not None:
                    measures.append(evolve(compared.measure, name=f"{self.name}-{len(measures) + 1}"))
                findings += compared.findings
                details |= compared.details
        return Evaluated(
            measures=(mean_measure(self.name, measures, self.nothing),), findings=tuple(findings), details=details
        )
