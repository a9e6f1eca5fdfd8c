"""Seasonal profiles of time series (measure ``series-seasons``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rowsmith.evaluation import (
    ColumnKind,
    Direction,
    Finding,
    Measure,
    Part,
)
from rowsmith_plugins.evaluations.sequences.jackknife import Estimate, block_sums, excess, jackknife
from rowsmith_plugins.evaluations.sequences.series import (
    LONGEST_PERIOD,
    Floats,
    Ints,
    Readings,
    blocks_in_time,
    period,
)
from rowsmith_plugins.evaluations.sequences.series_evaluation import ColumnComparison, SeriesEvaluation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rowsmith.context import BuildContext
    from rowsmith.evaluation import EvaluatedColumn, EvaluationTables

__all__ = ["SeriesSeasons", "build"]

_LEAST = 0.4
_LEAST_CYCLES = 3
_HOUR, _DAY, _WEEK, _YEAR = 3600.0, 86400.0, 604800.0, 31556952.0


class SeriesSeasons(SeriesEvaluation):
    """The difference of seasonal profiles: the mean of readings, without trend, in each part of a season.

    With dates the seasons are year (by month), week (by day) and day (by hour), as far as a real series has three of
    them and readings in several of their parts; with numbers for times, the period where the real autocorrelation
    peaks. The value is the root of the mean square of the differences, in standard deviations of a series around its
    trend; the measure is the mean over seasons and number columns.
    """

    name = "series-seasons"
    explanation = "Whether the seasons of the calendar are alike."
    nothing = "real series are too short for a season, or have none"

    def compare(
        self, column: EvaluatedColumn, known: Mapping[Part, Readings], tables: EvaluationTables, *, sampled: bool
    ) -> Iterator[ColumnComparison]:
        """Compare the profiles of a column, a season at a time."""
        dated = tables.time_column is not None and tables.column(tables.time_column).kind is ColumnKind.MOMENT
        for season, positions in _seasons(known, dated).items():
            count = max(int(each.max()) for each in positions.values()) + 1
            profiles = {part: _profile(known[part], each, count) for part, each in positions.items()}
            yield ColumnComparison(
                measure=_measure(self.name, column.name, profiles, known, sampled),
                findings=_differing(column, season, profiles, count),
                details={
                    f"{column.name}: {season}": {part.value: each.value.tolist() for part, each in profiles.items()}
                },
            )


def build(context: BuildContext, options: None) -> SeriesSeasons:
    """Build the evaluation."""
    return SeriesSeasons()


def _seasons(known: Mapping[Part, Readings], dated: bool) -> dict[str, dict[Part, Ints]]:
    """For each season the part of it that each reading is in."""
    real = known[Part.REAL]
    span = float(np.median(real.spans))
    if not dated:
        step = _step(real)
        longest = min(int(np.median(real.lengths)) // _LEAST_CYCLES, LONGEST_PERIOD)
        cycle = period(real.residuals, real.series, longest)
        if not cycle or not step:
            return {}
        return {
            f"period of {cycle}": {
                part: np.mod(np.rint(each.times / step), cycle).astype(np.int64) for part, each in known.items()
            }
        }
    found = dict[str, dict[Part, Ints]]()
    for season, length, position in (("year", _YEAR, _month), ("week", _WEEK, _weekday), ("day", _DAY, _hour)):
        positions = {part: position(each.times) for part, each in known.items()}
        if span >= _LEAST_CYCLES * length and len(np.unique(positions[Part.REAL])) > 1:
            found[season] = positions
    return found


def _month(times: Floats) -> Ints:
    months = np.floor(times).astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    return np.asarray(np.mod(months, 12), dtype=np.int64)


def _weekday(times: Floats) -> Ints:
    # 1970 began on a Thursday.
    return np.mod(np.floor(times / _DAY).astype(np.int64) + 3, 7)


def _hour(times: Floats) -> Ints:
    return np.floor(np.mod(times, _DAY) / _HOUR).astype(np.int64)


def _step(real: Readings) -> float:
    """The commonest step in time of real series."""
    steps = np.diff(real.times)[real.series[1:] == real.series[:-1]]
    values, counts = np.unique(steps[steps > 0], return_counts=True)
    return float(values[counts.argmax()]) if len(values) else 0.0


def _profile(made: Readings, positions: Ints, count: int) -> Estimate:
    left, flags = made.residuals, [(positions == index).astype(np.float64) for index in range(count)]
    sums = block_sums(blocks_in_time(made), *(left * each for each in flags), *flags)
    with np.errstate(divide="ignore", invalid="ignore"):
        return jackknife(sums, lambda each: each[..., :count] / each[..., count:])


def _differing(column: EvaluatedColumn, season: str, profiles: Mapping[Part, Estimate], count: int) -> list[Finding]:
    made, real = profiles[Part.SYNTHETIC], profiles[Part.REAL]
    beyond, index = excess(made, real, _LEAST)
    if beyond <= 1:
        return []
    return [
        Finding(
            defect="season-differs",
            message=f"Column {column.name!r}: in part {index + 1} of {count} of the {season} synthetic readings lie "
            f"{made.value[index]:+.2f} standard deviations from their trend, real ones {real.value[index]:+.2f}",
            columns=(column.name,),
            excess=beyond,
        )
    ]


def _measure(
    name: str, column: str, profiles: Mapping[Part, Estimate], known: Mapping[Part, Readings], sampled: bool
) -> Measure:
    made, real, held = profiles[Part.SYNTHETIC], profiles[Part.REAL], profiles.get(Part.HOLDOUT)
    value = _root(made.value - real.value)
    errors = np.hypot(made.error, real.error)
    error = 1.96 * _root(errors[np.isfinite(errors)])
    return Measure(
        name=name,
        value=value if np.isfinite(value) else None,
        direction=Direction.LOWER,
        range=(0.0, float("inf")),
        interval=(max(value - error, 0.0), value + error) if np.isfinite(value + error) else None,
        ceiling=_ceiling(held, real),
        sizes={part.value: each.count for part, each in known.items()},
        sampled=sampled,
        columns=(column,),
        reason="" if np.isfinite(value) else "synthetic and real readings share no part of the season",
    )


def _ceiling(held: Estimate | None, real: Estimate) -> float | None:
    root = _root(held.value - real.value) if held is not None else float("nan")
    return root if np.isfinite(root) else None


def _root(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else float("nan")
