"""Time series of a table: rows of each series in the order of time, and what is left of them without a trend."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.evaluation import ColumnKind, Direction, Evaluated, EvaluatedColumn, EvaluationTables, Measure, Part
from rowsmith_plugins.evaluations.sequences.jackknife import MOST_BLOCKS
from rowsmith_plugins.evaluations.sequences.ordered_rows import compared_columns, ordered_rows

__all__ = [
    "LONGEST_PERIOD",
    "Readings",
    "blocks_in_time",
    "compared_readings",
    "lag_one",
    "period",
    "prepared",
    "remainder",
    "unknown",
]

SHORTEST = 8
"""Rows of a series that is looked at."""
LONGEST_PERIOD = 400
_BLOCKS_OF_ONE = 10
_LEAST_PEAK = 0.3

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@frozen(eq=False)
class Readings:
    """One number column of all series of a part that are long enough.

    Attributes:
        values: The readings, those of a series together and in the order of time.
        times: Their times.
        series: The number of each one's series, from 0 without gaps.
        count: Number of series.
        fitted: The straight line through each series.
        slopes: Its slope for each series, by unit of time.
        spans: Time that each series takes.
        spreads: Standard deviation of each series.
    """

    values: Floats
    times: Floats
    series: Ints
    count: int
    fitted: Floats
    slopes: Floats
    spans: Floats
    spreads: Floats

    @property
    def residuals(self) -> Floats:
        """What is left of the readings without the line of their series, in its own standard deviation.

        Zero for a series that follows its line.
        """
        left = self.values - self.fitted
        spread = np.sqrt(
            np.bincount(self.series, left * left, self.count) / np.bincount(self.series, minlength=self.count)
        )
        scale = np.where(spread > 1e-9 * (self.spreads + 1e-300), spread, np.inf)
        return np.asarray(left / scale[self.series], dtype=np.float64)

    @property
    def standardised(self) -> Floats:
        """The readings without the mean of their series, in its standard deviation; 0 for a constant series."""
        means = np.bincount(self.series, self.values, self.count) / self.lengths
        scale = np.where(self.spreads > 1e-9 * (np.abs(means) + 1e-300), self.spreads, np.inf)
        return np.asarray((self.values - means[self.series]) / scale[self.series], dtype=np.float64)

    @property
    def through(self) -> Floats:
        """How far through its series each reading is, from 0 to 1."""
        first = np.full(self.count, np.inf)
        np.minimum.at(first, self.series, self.times)
        spans = np.where(self.spans > 0, self.spans, 1.0)
        return np.asarray(np.clip((self.times - first[self.series]) / spans[self.series], 0.0, 1.0), dtype=np.float64)

    @property
    def lengths(self) -> Ints:
        """Readings of each series."""
        return np.bincount(self.series, minlength=self.count).astype(np.int64)


def series_columns(tables: EvaluationTables) -> tuple[EvaluatedColumn, ...]:
    """The number columns besides those of groups, order and time."""
    return tuple(column for column in compared_columns(tables) if column.kind is ColumnKind.NUMBER)


def prepared(tables: EvaluationTables) -> str:
    """Why the table has no time series to compare; empty where it has."""
    if tables.time_column is None:
        return "it needs a column of times"
    if tables.column(tables.time_column).positions is None:
        return f"column {tables.time_column!r} holds neither numbers nor times"
    if not series_columns(tables):
        return "no column of numbers besides the times"
    return ""


def unknown(name: str, reason: str, direction: Direction = Direction.LOWER) -> Evaluated:
    """A measure that has no value."""
    return Evaluated(measures=(Measure(name=name, value=None, direction=direction, reason=reason),))


def readings(tables: EvaluationTables, column: EvaluatedColumn, part: Part) -> Readings | None:
    """The readings of a column; None where no series has enough."""
    if tables.time_column is None:
        return None
    order = ordered_rows(tables, part)
    values, times = column.numbers(part)[order.rows], tables.column(tables.time_column).numbers(part)[order.rows]
    groups = order.groups
    sorted_rows = np.lexsort((times, groups))
    values, times, groups = values[sorted_rows], times[sorted_rows], groups[sorted_rows]
    known = np.isfinite(values) & np.isfinite(times)
    long = np.bincount(groups[known], minlength=int(groups.max()) + 1) >= SHORTEST
    known &= long[groups]
    if not known.any():
        return None
    values, times = values[known], times[known]
    _, series = np.unique(groups[known], return_inverse=True)
    return _fitted(values, times, series.astype(np.int64))


def compared_readings(tables: EvaluationTables) -> Iterator[tuple[EvaluatedColumn, dict[Part, Readings]]]:
    """The number columns with readings in the real and the synthetic series, and the readings of each part."""
    for column in series_columns(tables):
        read = {part: readings(tables, column, part) for part in tables.sizes}
        known = {part: each for part, each in read.items() if each is not None}
        if Part.REAL in known and Part.SYNTHETIC in known:
            yield column, known


def period(left: Floats, series: Ints, longest: int) -> int:
    """The lag, of at least 2 and at most ``longest``, at which autocorrelation has its highest peak; 0 without one."""
    whole = float(np.sum(left * left))
    if longest < 3 or not whole:
        return 0
    correlations = np.ones(longest + 2)
    for lag in range(1, longest + 2):
        same = series[lag:] == series[:-lag]
        correlations[lag] = float(np.sum((left[lag:] * left[:-lag])[same])) / whole
    inner = correlations[2 : longest + 1]
    peaks = (inner > correlations[1:longest]) & (inner > correlations[3:]) & (inner > _LEAST_PEAK)
    return int(np.flatnonzero(peaks)[inner[peaks].argmax()]) + 2 if peaks.any() else 0


def remainder(values: Floats) -> Floats:
    """A lone series without a curved trend and without its season, whose period follows from its changes."""
    line = np.linspace(-1.0, 1.0, len(values))
    left = values - np.polyval(np.polyfit(line, values, 2), line)
    changes = np.diff(left)
    changes = changes - changes.mean()
    cycle = period(changes, np.zeros(len(changes), dtype=np.int64), min(len(changes) // 3, LONGEST_PERIOD))
    if not cycle:
        return np.asarray(left, dtype=np.float64)
    phases = np.arange(len(left)) % cycle
    return np.asarray(left - (np.bincount(phases, left) / np.bincount(phases))[phases], dtype=np.float64)


def lag_one(left: Floats) -> float:
    """The autocorrelation of lag one of a lone series."""
    whole = float(np.sum(left**2))
    return float(np.sum(left[1:] * left[:-1])) / whole if whole > 0 else 0.0


def blocks_in_time(made: Readings) -> Ints:
    """The block of each reading, whose errors do not depend on each other: a series, or tenths of a lone one."""
    if made.count > 1:
        return made.series % MOST_BLOCKS
    return np.arange(len(made.series)) * _BLOCKS_OF_ONE // len(made.series)


def _fitted(values: Floats, times: Floats, series: Ints) -> Readings:
    count = int(series.max()) + 1
    sizes = np.bincount(series, minlength=count).astype(np.float64)

    def mean(each: Floats) -> Floats:
        return np.asarray(np.bincount(series, each, count) / sizes, dtype=np.float64)

    middle, level = mean(times), mean(values)
    away, around = times - middle[series], values - level[series]
    spread = mean(away * away)
    slopes = np.divide(mean(away * around), spread, out=np.zeros(count), where=spread > 0)
    first, last = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(first, series, times)
    np.maximum.at(last, series, times)
    return Readings(
        values=values,
        times=times,
        series=series,
        count=count,
        fitted=np.asarray(level[series] + slopes[series] * away, dtype=np.float64),
        slopes=slopes,
        spans=last - first,
        spreads=np.sqrt(mean(around * around)),
    )
