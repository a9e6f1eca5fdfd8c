"""The level of time series over time, and how far series wander (measure ``series-level``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rowsmith.evaluation import (
    Direction,
    Finding,
    Measure,
    Part,
)
from rowsmith_plugins.evaluations.sequences.jackknife import Estimate, block_sums, blocks_of, excess, jackknife
from rowsmith_plugins.evaluations.sequences.series import (
    Floats,
    Readings,
)
from rowsmith_plugins.evaluations.sequences.series_evaluation import ColumnComparison, SeriesEvaluation
from rowsmith_plugins.evaluations.sequences.trend import lone_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rowsmith.context import BuildContext
    from rowsmith.evaluation import EvaluatedColumn, EvaluationTables

__all__ = ["SeriesLevel", "build"]

_PARTS = 10
_LEAST_LEVEL = 0.5
_LEAST_WANDER = 0.1
_LEAST_READINGS = 2
_BLOCKS_OF_ONE = 30


class SeriesLevel(SeriesEvaluation):
    """The greatest difference of the mean level in a tenth of the time of a series, in real standard deviations.

    Of many series each is taken around its own mean, and the share of its variance that lies between tenths of its
    time, with its trend and without, is compared as well: that of series that wander is greater, though each wanders
    its own way. The measure is the mean over the number columns.
    """

    name = "series-level"
    explanation = "Whether the series stay at the level of the real ones at every time."

    def compare(
        self, column: EvaluatedColumn, known: Mapping[Part, Readings], tables: EvaluationTables, *, sampled: bool
    ) -> Iterator[ColumnComparison]:
        """Compare the levels of a column."""
        many = known[Part.REAL].count > 1
        levels = {part: _levels(each, known[Part.REAL], many) for part, each in known.items()}
        findings = _moved(column, levels)
        if many:
            findings += _wandering(column, {part: _between(each) for part, each in known.items()})
        yield ColumnComparison(
            measure=_measure(self.name, column, levels, known, sampled),
            findings=findings,
            details={column.name: {part.value: each.value.tolist() for part, each in levels.items()}},
        )


def build(context: BuildContext, options: None) -> SeriesLevel:
    """Build the evaluation."""
    return SeriesLevel()


def _levels(made: Readings, real: Readings, many: bool) -> Estimate:
    """The mean level in each tenth of the time of a series."""
    tenths = np.minimum((made.through * _PARTS).astype(np.int64), _PARTS - 1)
    scale = float(np.median(real.spreads)) or float(real.spreads.max()) or 1.0
    if many:
        means = np.bincount(made.series, made.values, made.count) / made.lengths
        around = (made.values - means[made.series]) / scale
        blocks = blocks_of(made.series)
        sums = np.concatenate(
            [
                block_sums(blocks, *(each * (tenths == tenth) for tenth in range(_PARTS)))
                for each in (around, np.ones(len(around)))
            ],
            axis=1,
        )
        return jackknife(sums, lambda each: _divided(each[..., :_PARTS], each[..., _PARTS:]))
    counts = np.bincount(tenths, minlength=_PARTS).astype(np.float64)
    values = _divided(np.bincount(tenths, made.values, _PARTS).astype(np.float64), counts) / scale
    return Estimate(values, lone_errors(counts, real) / scale, _BLOCKS_OF_ONE)


def _divided(sums: Floats, counts: Floats) -> Floats:
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0), dtype=np.float64)


def _between(made: Readings) -> Estimate:
    """The mean share of a series' variance that lies between tenths of its time; then the same without its trend."""
    lengths = made.lengths
    pieces = np.clip(lengths // _LEAST_READINGS, 1, _PARTS)
    piece = made.series * _PARTS + np.minimum(
        (made.through * pieces[made.series]).astype(np.int64), pieces[made.series] - 1
    )
    counts = np.bincount(piece, minlength=made.count * _PARTS).astype(np.float64)
    shares = []
    for left in (made.standardised, made.residuals):
        totals = np.bincount(piece, left, made.count * _PARTS)
        between = np.divide(totals**2, counts, out=np.zeros(len(totals)), where=counts > 0)
        shares.append(between.reshape(made.count, _PARTS).sum(axis=1) / lengths)
    sums = block_sums(blocks_of(np.arange(made.count)), *shares, np.ones(made.count))
    return jackknife(sums, lambda each: each[..., :2] / each[..., 2:])


def _measure(
    name: str, column: EvaluatedColumn, levels: dict[Part, Estimate], known: Mapping[Part, Readings], sampled: bool
) -> Measure:
    made, real = levels[Part.SYNTHETIC], levels[Part.REAL]
    apart = np.abs(made.value - real.value)
    index = int(np.nanargmax(apart)) if np.isfinite(apart).any() else 0
    error = 1.96 * float(np.hypot(made.error[index], real.error[index]))
    value, held = float(apart[index]), levels.get(Part.HOLDOUT)
    # The rows held out of a lone series are its end, which has another level.
    many = known[Part.REAL].count > 1
    ceiling = float(np.nanmax(np.abs(held.value - real.value))) if held is not None and many else None
    return Measure(
        name=name,
        value=value if np.isfinite(value) else None,
        direction=Direction.LOWER,
        range=(0.0, float("inf")),
        interval=(max(value - error, 0.0), value + error) if np.isfinite(error) else None,
        ceiling=ceiling,
        sizes={part.value: each.count for part, each in known.items()},
        sampled=sampled,
        columns=(column.name,),
        reason="" if np.isfinite(value) else "no part of the time has synthetic and real readings",
    )


def _moved(column: EvaluatedColumn, levels: dict[Part, Estimate]) -> list[Finding]:
    made, real = levels[Part.SYNTHETIC], levels[Part.REAL]
    beyond, index = excess(made, real, _LEAST_LEVEL)
    if beyond <= 1:
        return []
    return [
        Finding(
            defect="series-wanders",
            message=f"Column {column.name!r}: in part {index + 1} of {_PARTS} of their time, synthetic series lie "
            f"{made.value[index] - real.value[index]:+.1f} standard deviations from the real level",
            columns=(column.name,),
            excess=beyond,
        )
    ]


def _wandering(column: EvaluatedColumn, shares: dict[Part, Estimate]) -> list[Finding]:
    made, real = shares[Part.SYNTHETIC], shares[Part.REAL]
    beyond, index = excess(made, real, _LEAST_WANDER)
    if beyond <= 1:
        return []
    wanders = made.value[index] > real.value[index]
    around = " around their trend" if index else ""
    return [
        Finding(
            defect="series-wanders" if wanders else "series-level-steady",
            message=f"Column {column.name!r}: synthetic series {'wander' if wanders else 'hold their level'}: "
            f"{made.value[index]:.0%} of their variance{around} lies between tenths of their time, in the real table "
            f"{real.value[index]:.0%}",
            columns=(column.name,),
            excess=beyond,
        )
    ]
