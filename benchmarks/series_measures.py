"""How alike the time series of two tables are, be it one long series or many.

A trend is a straight line fitted to each series. ``trend`` is the difference of the mean slopes over the time
that a training series takes, as a share of the spread of the training values. All but ``values KS`` look at
what is left when the trend is taken away: ``change KS`` is the distance of the distributions of changes from
reading to reading, ``acf`` the mean difference of autocorrelations up to half a series. ``profile`` is the
difference of the means of each part of the calendar (month, weekday, hour: those that vary) as a share of the
spread, and ``by part`` 1 less the distance of the distributions of part and decile together. ``forward`` is the
share of steps in time that go forward, in the order of the file, ``interval kept`` of those that are the
commonest training step. All are means over the numeric columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from attrs import frozen
from scipy.stats import ks_2samp

from benchmarks.measures import overlap
from benchmarks.reports import Scores
from benchmarks.sequence_measures import are_dates, in_time

MEASURES = ("forward", "interval kept", "values KS", "change KS", "trend", "profile", "by part", "acf")
LAGS = (1, 2, 3, 7, 12, 24, 52)
PARTS = ("month", "day_of_week", "hour")
_DECILES = 10

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@frozen(eq=False)
class Series:
    """The series of a table: rows of a series stand together, in the order of time.

    Attributes:
        steps: Steps in time from row to row of a series, in the order of the file.
        span: The mean time that a series takes.
        starts: Where each series starts; the last is the number of rows.
        values: Numbers by column.
        slopes: The mean slope of a series by column.
        around: Numbers by column, their trend taken away.
        parts: Codes by part of the calendar.
    """

    steps: Floats
    span: float
    starts: Codes
    values: dict[str, Floats]
    slopes: dict[str, float]
    around: dict[str, Floats]
    parts: dict[str, Codes]


def series_of(
    table: pd.DataFrame, keys: Sequence[str], time: str, names: Sequence[str], dates: bool, parts: Sequence[str]
) -> Series:
    """The series of a table.

    Args:
        table: The table.
        keys: The columns that tell series apart; none for a single one.
        time: The column of time.
        names: The numeric columns.
        dates: Whether time is dates.
        parts: Parts of the calendar to tell apart.
    """
    numbers = table.groupby(list(keys)).ngroup().to_numpy() if keys else np.zeros(len(table), dtype=np.int64)
    times = in_time(table[time], dates).to_numpy(float)
    steps = pd.Series(times).groupby(numbers).diff().dropna().to_numpy(float)
    rows = np.lexsort((times, numbers))
    times, numbers = times[rows], numbers[rows]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(numbers)) + 1, [len(rows)]])
    values = {name: pd.to_numeric(table[name], errors="coerce").to_numpy(float)[rows] for name in names}
    lines = {name: _lines(times, values[name], starts) for name in names}
    calendar = pd.to_datetime(table[time], errors="coerce").iloc[rows].dt if dates else None
    return Series(
        steps=steps,
        span=float(np.mean([times[stop - 1] - times[start] for start, stop in _bounds(starts)])),
        starts=starts,
        values=values,
        slopes={name: float(np.mean(slopes)) for name, (slopes, _) in lines.items()},
        around={name: values[name] - fitted for name, (_, fitted) in lines.items()},
        parts={part: getattr(calendar, part).fillna(-1).to_numpy(dtype=np.int64) for part in parts},
    )


def _bounds(starts: Codes) -> list[tuple[int, int]]:
    return list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))


def _lines(times: Floats, values: Floats, starts: Codes) -> tuple[list[float], Floats]:
    """The slope of each series, and the line at each row."""
    slopes, fitted = [], np.full(len(values), np.nan)
    for start, stop in _bounds(starts):
        known = ~np.isnan(values[start:stop]) & ~np.isnan(times[start:stop])
        x, y = times[start:stop][known], values[start:stop][known]
        if not len(y):
            continue
        spread = float(np.sum((x - x.mean()) ** 2))
        slope = float(np.sum((x - x.mean()) * (y - y.mean()))) / spread if spread > 0 else 0.0
        slopes.append(slope)
        fitted[start:stop] = y.mean() + slope * (times[start:stop] - x.mean())
    return slopes or [np.nan], fitted


def autocorrelation(values: Floats, starts: Codes, lag: int) -> float:
    """Of all series together; NaN where none is longer than the lag."""
    products = [values[start + lag : stop] * values[start : max(start, stop - lag)] for start, stop in _bounds(starts)]
    joined = np.concatenate(products)
    return _ratio(_known_mean(joined), _known_mean(values * values))


@frozen(eq=False)
class SeriesScorer:
    """Scores tables of series against a real one.

    Attributes:
        keys: The columns that tell series apart.
        time: The column of time.
        names: The numeric columns.
        dates: Whether time is dates.
        parts: Parts of the calendar that vary.
        real: The real series.
    """

    keys: tuple[str, ...]
    time: str
    names: tuple[str, ...]
    dates: bool
    parts: tuple[str, ...]
    real: Series

    @classmethod
    def of(cls, real: pd.DataFrame, keys: Sequence[str], time: str) -> SeriesScorer:
        """A scorer of a real table.

        Raises:
            SystemExit: It has no numeric column.
        """
        names = [name for name in real.columns if name not in (*keys, time) and _is_numeric(real[name])]
        if not names:
            raise SystemExit(
                "the table has no numeric column beside its keys and its time, so there is nothing to score"
            )
        dates = are_dates(real[time])
        calendar = pd.to_datetime(real[time], errors="coerce").dt if dates else None
        parts = [part for part in PARTS if calendar is not None and getattr(calendar, part).nunique() > 1]
        return cls(
            tuple(keys), time, tuple(names), dates, tuple(parts), series_of(real, keys, time, names, dates, parts)
        )

    def score(self, table: pd.DataFrame) -> Scores:
        """All measures of a table; NaN where one is not known."""
        mine = series_of(table, self.keys, self.time, self.names, self.dates, self.parts)
        steps, usual = mine.steps, _commonest(self.real.steps)
        columns = [self._column(name, mine) for name in self.names]
        return {
            "forward": float(np.mean(steps > 0)) if len(steps) else np.nan,
            "interval kept": float(np.mean(np.isclose(steps, usual))) if len(steps) else np.nan,
            **{name: _known_mean(np.array([column[name] for column in columns])) for name in MEASURES[2:]},
        }

    def _column(self, name: str, mine: Series) -> Scores:
        real, left, right = self.real, self.real.around[name], mine.around[name]
        spread = float(np.nanstd(left))
        profiles = [_profile_difference(real.parts[part], left, mine.parts[part], right) for part in self.parts]
        by_part = [_by_part(real.parts[part], left, mine.parts[part], right) for part in self.parts]
        slope = abs(mine.slopes[name] - real.slopes[name])
        return {
            "values KS": _apart(real.values[name], mine.values[name]),
            "change KS": _apart(_changes(left, real.starts), _changes(right, mine.starts)),
            "trend": _ratio(slope * real.span, float(np.nanstd(real.values[name]))),
            "profile": _ratio(_known_mean(np.array(profiles)), spread),
            "by part": _known_mean(np.array(by_part)),
            "acf": _known_mean(np.array([self._acf_difference(name, mine, lag) for lag in LAGS])),
        }

    def _acf_difference(self, name: str, mine: Series, lag: int) -> float:
        if 2 * lag > float(np.median(np.diff(self.real.starts))):
            return np.nan
        found = [autocorrelation(each.around[name], each.starts, lag) for each in (self.real, mine)]
        return abs(found[0] - found[1])


def _is_numeric(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _commonest(steps: Floats) -> float:
    values, counts = np.unique(steps, return_counts=True)
    return float(values[counts.argmax()]) if len(values) else np.nan


def _changes(values: Floats, starts: Codes) -> Floats:
    return np.concatenate([np.diff(values[start:stop]) for start, stop in _bounds(starts)])


def _apart(left: Floats, right: Floats) -> float:
    left, right = left[~np.isnan(left)], right[~np.isnan(right)]
    return float(ks_2samp(left, right).statistic) if len(left) and len(right) else np.nan


def _profile_difference(real_parts: Codes, real: Floats, my_parts: Codes, mine: Floats) -> float:
    """The root of the mean square of the differences of the means of each part that both have."""
    means = [pd.Series(values).groupby(parts).mean() for values, parts in ((real, real_parts), (mine, my_parts))]
    return float(np.sqrt(_known_mean(((means[0] - means[1]) ** 2).to_numpy(float))))


def _by_part(real_parts: Codes, real: Floats, my_parts: Codes, mine: Floats) -> float:
    if np.isnan(real).all() or np.isnan(mine).all():
        return np.nan
    edges = np.unique(np.nanquantile(real, np.linspace(0, 1, _DECILES + 1)))[1:-1]
    codes = [
        parts[~np.isnan(values)] * (_DECILES + 1) + np.digitize(values[~np.isnan(values)], edges)
        for parts, values in ((real_parts, real), (my_parts, mine))
    ]
    return overlap(*codes)


def _known_mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan


def _ratio(value: float, by: float) -> float:
    return value / by if by > 0 else np.nan
