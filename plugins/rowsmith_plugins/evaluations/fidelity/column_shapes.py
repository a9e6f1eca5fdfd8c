"""The evaluation ``column-shapes``: the distribution of each column by itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.context import BuildContext
from rowsmith.evaluation import (
    ColumnKind,
    Evaluated,
    EvaluatedColumn,
    EvaluationKind,
    EvaluationTables,
    Finding,
    Measure,
    Part,
    TableEvaluation,
)
from rowsmith_plugins.evaluations.fidelity.chance import steps_band, variation_band
from rowsmith_plugins.evaluations.fidelity.clusters import clusters_of
from rowsmith_plugins.evaluations.fidelity.distances import (
    Apart,
    complement_interval,
    shares,
    steps_apart,
    variation_apart,
)
from rowsmith_plugins.evaluations.fidelity.judging import alone, compared_parts, judged, mean_of

__all__ = ["ColumnShapes", "Shape", "build", "shape_of"]

TOLERANCE = 0.06
"""What a distance may be beyond chance: a model that had a minute to learn comes to a third of it on census."""
LENGTH_TOLERANCE = 0.12
"""The same of the lengths of free text."""

Counts = npt.NDArray[np.int64]


@frozen(eq=False, kw_only=True)
class Shape:
    """The distributions of one column.

    Attributes:
        apart: Their distance.
        counts: Rows of each value, ascending where the distance needs it, by part.
        words: What is compared, for messages.
    """

    apart: Apart
    counts: dict[Part, Counts]
    words: str

    def distance(self, part: Part) -> float:
        """The distance of a part from the real rows; 1 where it has none."""
        real, other = self.counts[Part.REAL], self.counts[part]
        return float(self.apart(shares(real), shares(other))) if other.sum() else 1.0

    def band(self, part: Part) -> float:
        """What the distance may be by chance."""
        real, other = self.counts[Part.REAL], self.counts[part]
        if self.apart is steps_apart:
            return steps_band(int(real.sum()), int(other.sum()))
        return variation_band(real, other)


def shape_of(column: EvaluatedColumn, tables: EvaluationTables) -> Shape | None:
    """What is compared of a column: numbers by Kolmogorov-Smirnov, labels by total variation, texts by their lengths.

    Nulls, and labels among numbers, are left out as in SDMetrics; they are for ``null-patterns`` and ``values``.

    Args:
        column: The column; of a key nothing is compared.
        tables: Its tables.

    Returns:
        The distributions; None for keys, and where no real row has a value.
    """
    parts = (Part.REAL, *compared_parts(tables))
    if column.kind is ColumnKind.KEY:
        return None
    counts = {part: column.counts(part) for part in parts}
    words, apart = "total variation", variation_apart
    if column.kind in (ColumnKind.NUMBER, ColumnKind.MOMENT):
        assert column.positions is not None
        order = np.argsort(column.positions)
        order = order[np.isfinite(column.positions[order])]
        counts = {part: each[order] for part, each in counts.items()}
        words, apart = "KS", steps_apart
    elif column.kind is ColumnKind.TEXT:
        lengths = np.array([len(label) for label in column.labels], dtype=np.int64)
        counts = {part: np.bincount(lengths, weights=each).astype(np.int64) for part, each in counts.items()}
        words, apart = "KS of lengths", steps_apart
    return Shape(apart=apart, counts=counts, words=words) if counts[Part.REAL].sum() else None


class ColumnShapes(TableEvaluation):
    """One minus the distance of each column's distributions, as SDMetrics has it, and their mean."""

    name = "column-shapes"
    kind = EvaluationKind.FIDELITY

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare every column that is no key."""
        tables = alone(tables)
        shapes = {
            column.name: (column, shape) for column in tables.columns if (shape := shape_of(column, tables)) is not None
        }
        parts = [self._measure(column, shape, tables) for column, shape in shapes.values()]
        clusters = clusters_of(tables)
        findings = [
            finding
            for column, shape in shapes.values()
            for finding in self._findings(column, shape, tables, clusters.widening(column.name))
        ]
        return Evaluated(measures=(mean_of(self.name, parts, tables),), findings=tuple(findings))

    def _measure(self, column: EvaluatedColumn, shape: Shape, tables: EvaluationTables) -> Measure:
        real, synthetic = shape.counts[Part.REAL], shape.counts[Part.SYNTHETIC]
        value, interval = 1 - shape.distance(Part.SYNTHETIC), None
        if synthetic.sum():
            generator = tables.generator(f"{self.name}.{column.name}")
            low, high = complement_interval(real, synthetic, shape.apart, generator)
            interval = (min(low, value), max(high, value))
        return Measure(
            name="column-shape",
            value=value,
            interval=interval,
            ceiling=1 - shape.distance(Part.HOLDOUT) if tables.has_holdout else None,
            sizes={part.value: int(counts.sum()) for part, counts in shape.counts.items()},
            columns=(column.name,),
        )

    def _findings(
        self, column: EvaluatedColumn, shape: Shape, tables: EvaluationTables, widening: float
    ) -> Iterator[Finding]:
        found, band = shape.distance(Part.SYNTHETIC), shape.band(Part.SYNTHETIC) * widening
        usual = f", of real held-out rows {shape.distance(Part.HOLDOUT):.3f}" if tables.has_holdout else ""
        finding = judged(
            tables,
            "shape-changed",
            (column.name,),
            f"the distribution of {column.name!r} is another: {shape.words} {found:.3f}{usual}, by chance below "
            f"{band:.3f}",
            found=found,
            allowed=band + (LENGTH_TOLERANCE if column.kind is ColumnKind.TEXT else TOLERANCE),
            share=found - band,
        )
        if finding is not None:
            yield finding


def build(context: BuildContext, options: None) -> ColumnShapes:
    """Build the evaluation."""
    return ColumnShapes()
