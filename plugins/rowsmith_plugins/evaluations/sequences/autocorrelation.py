"""Autocorrelations of time series (measure ``series-autocorrelation``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rowsmith.evaluation import (
    Direction,
    Finding,
    Measure,
    Part,
)
from rowsmith_plugins.evaluations.sequences.jackknife import Estimate, block_sums, excess, jackknife
from rowsmith_plugins.evaluations.sequences.series import (
    Readings,
    blocks_in_time,
)
from rowsmith_plugins.evaluations.sequences.series_evaluation import ColumnComparison, SeriesEvaluation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rowsmith.context import BuildContext
    from rowsmith.evaluation import EvaluatedColumn, EvaluationTables

__all__ = ["SeriesAutocorrelation", "build"]

LAGS = (1, 2, 3, 7, 12, 24, 52)
_LEAST = 0.25


class SeriesAutocorrelation(SeriesEvaluation):
    """The mean difference of the autocorrelations of series without their trend.

    Lags are 1, 2, 3, 7, 12, 24 and 52 readings, as far as half of a real series reaches. Each series counts with a
    variance of 1. The measure is the mean over lags and number columns.
    """

    name = "series-autocorrelation"
    explanation = "Whether values go with the values before them as strongly."

    def compare(
        self, column: EvaluatedColumn, known: Mapping[Part, Readings], tables: EvaluationTables, *, sampled: bool
    ) -> Iterator[ColumnComparison]:
        """Compare the autocorrelations of a column."""
        half = float(np.median(known[Part.REAL].lengths)) / 2
        lags = [lag for lag in LAGS if lag <= half]
        found = {part: _correlations(each, lags) for part, each in known.items()}
        details = {column.name: {"lags": lags, **{part.value: each.value.tolist() for part, each in found.items()}}}
        made, real, held = found[Part.SYNTHETIC], found[Part.REAL], found.get(Part.HOLDOUT)
        apart, error = np.abs(made.value - real.value), float(np.mean(np.hypot(made.error, real.error)))
        if not np.isfinite(apart).all():
            yield ColumnComparison(details=details)
            return
        value = float(apart.mean())
        measure = Measure(
            name=self.name,
            value=value,
            direction=Direction.LOWER,
            range=(0.0, 2.0),
            interval=(max(value - 1.96 * error, 0.0), min(value + 1.96 * error, 2.0)) if np.isfinite(error) else None,
            ceiling=float(np.nanmean(np.abs(held.value - real.value)))
            if held is not None and np.isfinite(held.value).any()
            else None,
            sizes={part.value: each.count for part, each in known.items()},
            sampled=sampled,
            columns=(column.name,),
        )
        yield ColumnComparison(measure=measure, findings=_differing(column, made, real, lags), details=details)


def build(context: BuildContext, options: None) -> SeriesAutocorrelation:
    """Build the evaluation."""
    return SeriesAutocorrelation()


def _differing(column: EvaluatedColumn, made: Estimate, real: Estimate, lags: list[int]) -> list[Finding]:
    beyond, index = excess(made, real, _LEAST)
    if beyond <= 1:
        return []
    return [
        Finding(
            defect="autocorrelation-differs",
            message=f"Column {column.name!r}: the correlation with the reading {lags[index]} before is "
            f"{made.value[index]:.2f}, in the real series {real.value[index]:.2f}",
            columns=(column.name,),
            excess=beyond,
        )
    ]


def _correlations(made: Readings, lags: list[int]) -> Estimate:
    left = made.residuals
    products = []
    for lag in lags:
        later = np.zeros(len(left))
        if lag < len(left):
            same = made.series[lag:] == made.series[:-lag]
            later[:-lag] = left[lag:] * left[:-lag] * same
        products.append(later)
    sums = block_sums(blocks_in_time(made), left * left, *products)
    with np.errstate(divide="ignore", invalid="ignore"):
        return jackknife(sums, lambda each: each[..., 1:] / each[..., :1])
