"""Slopes of time series (measure ``series-trend``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rowsmith.evaluation import Evaluated, EvaluationKind, EvaluationTables, Finding, Measure, Part, TableEvaluation
from rowsmith_plugins.evaluations.sequences.distances import difference, mean_measure
from rowsmith_plugins.evaluations.sequences.jackknife import Estimate, block_sums, blocks_of, excess, jackknife
from rowsmith_plugins.evaluations.sequences.ordered_rows import MOST_ROWS
from rowsmith_plugins.evaluations.sequences.series import (
    Floats,
    Readings,
    lag_one,
    prepared,
    readings,
    series_columns,
    unknown,
)

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["SeriesTrend", "build", "effective"]

_LEAST = 0.5
_BLOCKS_OF_LINES = 30
_UNIT_ROOT = 21.8


class SeriesTrend(TableEvaluation):
    """The difference of the mean slopes of series, over the time of a real one, in its standard deviation.

    A slope is that of a straight line through a series. The measure is the mean over the number columns.
    """

    name = "series-trend"
    kind = EvaluationKind.SEQUENCES

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare the slopes of each column."""
        reason = prepared(tables)
        if reason:
            return unknown(self.name, reason)
        sampled = tables.sampled(MOST_ROWS)
        parts, findings = list[Measure](), list[Finding]()
        for column in series_columns(sampled):
            read = {part: readings(sampled, column, part) for part in sampled.sizes}
            real = read[Part.REAL]
            if real is None or read[Part.SYNTHETIC] is None:
                continue
            slopes = {part: _slope(each, real) for part, each in read.items() if each is not None}
            sizes = {part.value: each.count for part, each in read.items() if each is not None}
            name = f"{self.name}-{len(parts) + 1}"
            parts.append(
                difference(
                    name, slopes, sizes, sampled=sampled is not tables, columns=(column.name,), most=float("inf")
                )
            )
            beyond, _ = excess(slopes[Part.SYNTHETIC], slopes[Part.REAL], _LEAST)
            if beyond > 1:
                findings.append(
                    Finding(
                        defect="trend-differs",
                        message=f"Column {column.name!r}: over a real series' time, synthetic series move by "
                        f"{slopes[Part.SYNTHETIC].number:+.2f} of its standard deviations, real ones by "
                        f"{slopes[Part.REAL].number:+.2f}",
                        columns=(column.name,),
                        excess=beyond,
                    )
                )
        return Evaluated(
            measures=(mean_measure(self.name, parts, "no series has enough rows"),), findings=tuple(findings)
        )


def build(context: BuildContext, options: None) -> SeriesTrend:
    """Build the evaluation."""
    return SeriesTrend()


def effective(count: Floats, real: Readings) -> Floats:
    """So many independent readings say as much as ``count`` that depend on each other as those of a real series do.

    ``n (1 - r) / (1 + r)``, at least 1, with the real autocorrelation ``r`` of lag one, so that a series that wanders
    where the real one does not is no excuse. 0 where the real one may be a random walk itself, ``n (1 - r) < 21.8``
    (Dickey & Fuller 1979, with a trend): then another path is as good.
    """
    again = max(lag_one(real.residuals, real.series), 0.0)
    if len(real.values) * (1 - again) < _UNIT_ROOT:
        return np.zeros_like(count)
    return np.asarray(np.maximum(count * (1 - again) / (1 + again), 1.0), dtype=np.float64)


def _slope(made: Readings, real: Readings) -> Estimate:
    scale = float(np.median(real.spreads)) or float(real.spreads.max()) or 1.0
    steps = made.slopes * float(np.median(real.spans)) / scale
    if real.count > 1:
        sums = block_sums(blocks_of(np.arange(made.count)), steps, np.ones(made.count))
        return jackknife(sums, lambda each: each[..., :1] / each[..., 1:])
    # The error of a line through n readings at equal times is sqrt(12 / n) of what is left without it.
    left = np.sqrt(np.mean((real.values - real.fitted) ** 2)) / scale
    longer = float(np.median(real.spans)) / np.maximum(made.spans, 1e-300)
    with np.errstate(divide="ignore"):
        errors = left * longer * np.sqrt(12 / effective(made.lengths.astype(np.float64), real))
    error = np.sqrt(np.sum(errors**2)) / made.count
    return Estimate(np.array([steps.mean()]), np.array([error]), _BLOCKS_OF_LINES)
