"""Slopes of time series (measure ``series-trend``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rowsmith.evaluation import Finding, Part
from rowsmith_plugins.evaluations.sequences.distances import difference
from rowsmith_plugins.evaluations.sequences.jackknife import Estimate, block_sums, blocks_of, excess, jackknife
from rowsmith_plugins.evaluations.sequences.series import (
    Floats,
    Readings,
    lag_one,
    remainder,
)
from rowsmith_plugins.evaluations.sequences.series_evaluation import ColumnComparison, SeriesEvaluation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rowsmith.context import BuildContext
    from rowsmith.evaluation import EvaluatedColumn, EvaluationTables

__all__ = ["SeriesTrend", "build", "lone_errors"]

_LEAST = 0.5
_BLOCKS_OF_LINES = 30
_UNIT_ROOT = 35.0
"""What ``n (1 - r)`` of a random walk without its curved trend exceeds once in a hundred times."""


class SeriesTrend(SeriesEvaluation):
    """The difference of the mean slopes of series, over the time of a real one, in its standard deviation.

    A slope is that of a straight line through a series. The measure is the mean over the number columns.
    """

    name = "series-trend"
    explanation = "Whether the series rise and fall over the whole range as the real ones do."

    def compare(
        self, column: EvaluatedColumn, known: Mapping[Part, Readings], tables: EvaluationTables, *, sampled: bool
    ) -> Iterator[ColumnComparison]:
        """Compare the slopes of a column."""
        slopes = {part: _slope(each, known[Part.REAL]) for part, each in known.items()}
        sizes = {part.value: each.count for part, each in known.items()}
        measure = difference(self.name, slopes, sizes, sampled=sampled, columns=(column.name,), most=float("inf"))
        yield ColumnComparison(measure=measure, findings=_moved(column, slopes))


def build(context: BuildContext, options: None) -> SeriesTrend:
    """Build the evaluation."""
    return SeriesTrend()


def lone_errors(counts: Floats, real: Readings) -> Floats:
    """Standard errors of means of so many readings that depend on each other as those of a lone real series do.

    ``s sqrt((1 + r) / (1 - r) / n)`` with the spread ``s`` and autocorrelation ``r`` of what is left of the real series
    without trend and season, so that a series that wanders where the real one does not is no excuse. Infinite where
    the real one may be a random walk itself, ``n (1 - r) < 35`` (Dickey & Fuller 1979, here with a curved trend): then
    another path is as good.
    """
    left = remainder(real.values)
    again = max(lag_one(left), 0.0)
    if len(left) * (1 - again) < _UNIT_ROOT:
        return np.full(counts.shape, np.inf)
    independent = np.maximum(counts * (1 - again) / (1 + again), 1.0)
    return np.asarray(np.sqrt(np.mean(left**2) / independent), dtype=np.float64)


def _moved(column: EvaluatedColumn, slopes: Mapping[Part, Estimate]) -> list[Finding]:
    made, real = slopes[Part.SYNTHETIC], slopes[Part.REAL]
    beyond, _ = excess(made, real, _LEAST)
    if beyond <= 1:
        return []
    return [
        Finding(
            defect="trend-differs",
            message=f"Column {column.name!r}: over a real series' time, synthetic series move by {made.number:+.2f} of "
            f"its standard deviations, real ones by {real.number:+.2f}",
            columns=(column.name,),
            excess=beyond,
        )
    ]


def _slope(made: Readings, real: Readings) -> Estimate:
    scale = float(np.median(real.spreads)) or float(real.spreads.max()) or 1.0
    steps = made.slopes * float(np.median(real.spans)) / scale
    if real.count > 1:
        sums = block_sums(blocks_of(np.arange(made.count)), steps, np.ones(made.count))
        return jackknife(sums, lambda each: each[..., :1] / each[..., 1:])
    # The error of a line through n readings at equal times is sqrt(12 / n) of their spread around it.
    longer = float(np.median(real.spans)) / np.maximum(made.spans, 1e-300)
    errors = np.sqrt(12) * longer * lone_errors(made.lengths.astype(np.float64), real) / scale
    return Estimate(np.array([steps.mean()]), np.array([np.sqrt(np.sum(errors**2)) / made.count]), _BLOCKS_OF_LINES)
