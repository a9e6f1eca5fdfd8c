"""Autocorrelations of time series (measure ``series-autocorrelation``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rowsmith.evaluation import (
    Direction,
    Evaluated,
    EvaluationKind,
    EvaluationTables,
    Finding,
    Measure,
    Part,
    TableEvaluation,
)
from rowsmith_plugins.evaluations.sequences.distances import mean_measure
from rowsmith_plugins.evaluations.sequences.jackknife import Estimate, block_sums, excess, jackknife
from rowsmith_plugins.evaluations.sequences.ordered_rows import MOST_ROWS
from rowsmith_plugins.evaluations.sequences.series import (
    Readings,
    blocks_in_time,
    compared_readings,
    prepared,
    unknown,
)

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["SeriesAutocorrelation", "build"]

LAGS = (1, 2, 3, 7, 12, 24, 52)
_LEAST = 0.25


class SeriesAutocorrelation(TableEvaluation):
    """The mean difference of the autocorrelations of series without their trend.

    Lags are 1, 2, 3, 7, 12, 24 and 52 readings, as far as half of a real series reaches. Each series counts with a
    variance of 1. The measure is the mean over lags and number columns.
    """

    name = "series-autocorrelation"
    kind = EvaluationKind.SEQUENCES
    explanation = "Whether values go with the values before them as strongly."

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare the autocorrelations of each column."""
        reason = prepared(tables)
        if reason:
            return unknown(self.name, reason)
        sampled = tables.sampled(MOST_ROWS)
        parts, findings, details = list[Measure](), list[Finding](), dict[str, object]()
        for column, known in compared_readings(sampled):
            half = float(np.median(known[Part.REAL].lengths)) / 2
            lags = [lag for lag in LAGS if lag <= half]
            found = {part: _correlations(each, lags) for part, each in known.items()}
            made, real, held = found[Part.SYNTHETIC], found[Part.REAL], found.get(Part.HOLDOUT)
            apart, error = np.abs(made.value - real.value), float(np.mean(np.hypot(made.error, real.error)))
            details[column.name] = {"lags": lags, **{part.value: each.value.tolist() for part, each in found.items()}}
            if not np.isfinite(apart).all():
                continue
            value = float(apart.mean())
            parts.append(
                Measure(
                    name=f"{self.name}-{len(parts) + 1}",
                    value=value,
                    direction=Direction.LOWER,
                    range=(0.0, 2.0),
                    interval=(max(value - 1.96 * error, 0.0), min(value + 1.96 * error, 2.0))
                    if np.isfinite(error)
                    else None,
                    ceiling=float(np.nanmean(np.abs(held.value - real.value)))
                    if held is not None and np.isfinite(held.value).any()
                    else None,
                    sizes={part.value: each.count for part, each in known.items()},
                    sampled=sampled is not tables,
                    columns=(column.name,),
                )
            )
            beyond, index = excess(made, real, _LEAST)
            if beyond > 1:
                findings.append(
                    Finding(
                        defect="autocorrelation-differs",
                        message=f"Column {column.name!r}: the correlation with the reading {lags[index]} before is "
                        f"{made.value[index]:.2f}, in the real series {real.value[index]:.2f}",
                        columns=(column.name,),
                        excess=beyond,
                    )
                )
        return Evaluated(
            measures=(mean_measure(self.name, parts, "no series has enough rows"),),
            findings=tuple(findings),
            details=details,
        )


def build(context: BuildContext, options: None) -> SeriesAutocorrelation:
    """Build the evaluation."""
    return SeriesAutocorrelation()


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
