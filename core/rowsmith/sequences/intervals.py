"""Intervals of a regular series: a number of microseconds, or of calendar months."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

__all__ = [
    "MONTH_SECONDS",
    "TICKS",
    "Interval",
    "learn_interval",
    "month_number",
    "month_start",
    "months_between",
    "months_later",
]

Ticks = npt.NDArray[np.int64]

TICKS = 1_000_000
"""Ticks of a second: times are whole microseconds, so that sums are exact."""

MONTH_SECONDS = 2_629_746.0
"""Seconds of a month, on average over 400 years; steps and positions counted in months are multiples of it."""

_JITTER_SHARE = 0.01
_MOST_JITTER = TICKS // 10
_YEARS = (1, 9999)
_MONTH, _DAY = np.timedelta64(1, "M"), np.timedelta64(1, "D")


def _positive(interval: Interval, attribute: object, value: int) -> None:
    if (interval.ticks > 0) == (interval.months > 0) or min(interval.ticks, interval.months) < 0:
        raise ValueError("an interval is either a positive number of ticks or a positive number of months")


@frozen(kw_only=True)
class Interval:
    """The step from one record of a regular series to the next.

    Attributes:
        ticks: Microseconds; 0 for calendar steps.
        months: Months; 0 for steps of equal length. A day that a month does not have becomes its last day.
        month_end: Whether every record is on the last day of its month.
    """

    ticks: int = 0
    months: int = field(default=0, validator=_positive)
    month_end: bool = False

    def after(self, start: int, count: int) -> int:
        """The time of the record that is ``count`` steps after ``start``, in ticks.

        Raises:
            OverflowError: Calendar steps leave the years 1 to 9999.
        """
        if self.ticks:
            return start + count * self.ticks
        return _months_after(start, count * self.months, self.month_end)

    def count(self, start: int, stop: int) -> int:
        """Number of records from ``start`` to ``stop``, both included; 0 when ``stop`` is earlier."""
        if stop < start:
            return 0
        if self.ticks:
            return (stop - start) // self.ticks + 1
        months = months_between(start, stop)
        count = max(0, months // self.months - 1)
        while self.after(start, count) <= stop:
            count += 1
        return count

    @property
    def seconds(self) -> float:
        """Its length in seconds; for months, that of a mean month."""
        return self.ticks / TICKS if self.ticks else self.months * MONTH_SECONDS


def learn_interval(times: Ticks, *, calendar: bool) -> Interval | None:
    """The interval of the times of one group.

    Args:
        times: Ticks ``[n]``, ascending.
        calendar: Whether they are dates, so that steps may be months.

    Returns:
        The interval; None for fewer than two times, and if steps differ.
    """
    steps = np.diff(times)
    if not len(steps) or steps.min() <= 0:
        return None
    # A few steps may fit both, such as one common year; then calendar steps are meant.
    months = _learn_months(times) if calendar else None
    if months is not None:
        return months
    middle = int(np.median(steps))
    even = np.abs(steps - middle).max() <= min(_MOST_JITTER, middle * _JITTER_SHARE)
    return Interval(ticks=middle) if even else None


def _learn_months(times: Ticks) -> Interval | None:
    dates = times.astype("datetime64[us]")
    months = dates.astype("datetime64[M]")
    steps = np.diff(months.astype(np.int64))
    days = dates.astype("datetime64[D]") - months.astype("datetime64[D]")
    lengths = (months + _MONTH).astype("datetime64[D]") - months.astype("datetime64[D]")
    time_of_day = dates - dates.astype("datetime64[D]")
    if steps.min() < 1 or (steps != steps[0]).any() or (time_of_day != time_of_day[0]).any():
        return None
    last = days + _DAY == lengths
    if last.all():
        return Interval(months=int(steps[0]), month_end=True)
    fits = days == np.minimum(days[0], lengths - _DAY)
    return Interval(months=int(steps[0])) if fits.all() else None


def month_number(time: int) -> int:
    """The month of a time in ticks, counted from January 1970."""
    return int(np.datetime64(time, "us").astype("datetime64[M]").astype(np.int64))


def month_start(month: int) -> int:
    """When a month begins, in ticks."""
    return int(np.datetime64(month, "M").astype("datetime64[us]").astype(np.int64))


def months_between(start: int, stop: int) -> int:
    """Months of the calendar from one time to another."""
    return month_number(stop) - month_number(start)


def months_later(start: int, months: int) -> int:
    """The same day so many months later, or the last day of that month; the last day of a month is always the last."""
    if not months:
        return start
    last_day = month_number(start + 86_400 * TICKS) != month_number(start)
    return _months_after(start, months, last_day)


def _months_after(start: int, months: int, month_end: bool) -> int:
    date = np.datetime64(start, "us")
    first = date.astype("datetime64[M]").astype("datetime64[us]")
    month = date.astype("datetime64[M]") + np.timedelta64(months, "M")
    if not _YEARS[0] <= int(month.astype(np.int64)) // 12 + 1970 <= _YEARS[1]:
        raise OverflowError("a calendar step leaves the years 1 to 9999")
    length = int(((month + _MONTH).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64))
    within = int((date - first).astype(np.int64))
    day, time_of_day = divmod(within, int(timedelta(days=1).total_seconds()) * TICKS)
    day = length - 1 if month_end else min(day, length - 1)
    return int(month.astype("datetime64[us]").astype(np.int64)) + day * 86_400 * TICKS + time_of_day
