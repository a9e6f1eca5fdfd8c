"""Date-times as calendar parts and back, with NumPy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

__all__ = ["BOUNDS", "PARTS", "days_at_end", "join_parts", "split_parts"]

Instants = npt.NDArray[np.datetime64]
Numbers = npt.NDArray[np.int64]

PARTS = ("year", "month", "day", "hour", "minute", "second", "nanosecond")
"""The parts of a date-time, the coarsest first."""

BOUNDS = {
    "year": (1, 9999),
    "month": (1, 12),
    "day": (1, 31),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
    "nanosecond": (0, 999_999_999),
}
"""Minimum and maximum of each part."""

_SECOND = 1_000_000_000
_MONTH = np.timedelta64(1, "M")
_DAY = np.timedelta64(1, "D")


def split_parts(instants: Instants) -> dict[str, Numbers]:
    """The parts of date-times.

    Args:
        instants: ``datetime64`` of any unit, no NaT.

    Returns:
        ``int64[n]`` by part; nanoseconds are within the second.
    """
    months, days = instants.astype("datetime64[M]"), instants.astype("datetime64[D]")
    time_of_day = (instants - days).astype("timedelta64[ns]").astype(np.int64)
    return {
        "year": months.astype(np.int64) // 12 + 1970,
        "month": months.astype(np.int64) % 12 + 1,
        "day": (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "hour": time_of_day // (3600 * _SECOND),
        "minute": time_of_day // (60 * _SECOND) % 60,
        "second": time_of_day // _SECOND % 60,
        "nanosecond": time_of_day % _SECOND,
    }


def join_parts(parts: Mapping[str, Numbers], unit: str) -> Instants:
    """Date-times from their parts.

    Args:
        parts: ``int64[n]`` for every part, within ``BOUNDS``; a day that its month does not have becomes
            the month's last.
        unit: ``us`` or ``ns``; the years must fit it.

    Returns:
        ``datetime64[unit]``.
    """
    months = ((parts["year"] - 1970) * 12 + parts["month"] - 1).astype("datetime64[M]")
    first = months.astype("datetime64[D]")
    length = ((months + _MONTH).astype("datetime64[D]") - first).astype(np.int64)
    days = first + (np.minimum(parts["day"], length) - 1).astype("timedelta64[D]")
    seconds = (parts["hour"] * 60 + parts["minute"]) * 60 + parts["second"]
    instants = days.astype(f"datetime64[{unit}]") + seconds.astype("timedelta64[s]")
    scale = 1 if unit == "ns" else 1000
    joined: Instants = instants + (parts["nanosecond"] // scale).astype(f"timedelta64[{unit}]")
    return joined


def days_at_end(days: Instants, low: np.datetime64, high: np.datetime64) -> tuple[Instants, Instants]:
    """The days of a range that are in the month, or else in the year, of its nearer end.

    Args:
        days: ``datetime64[D]``; those between both ends get the whole range.
        low: The first day of the range.
        high: Its last day.

    Returns:
        For each day, the first and the last day of the range in the month of the nearer end, where the day is in that
        month, or else in its year.
    """
    first, last = np.full(len(days), low), np.full(len(days), high)
    for unit in ("Y", "M"):
        after, before = days > high, days < low
        if unit == "M":
            after &= days.astype("datetime64[M]") == high.astype("datetime64[M]")
            before &= days.astype("datetime64[M]") == low.astype("datetime64[M]")
        start = high.astype(f"datetime64[{unit}]").astype("datetime64[D]")
        stop = (low.astype(f"datetime64[{unit}]") + np.timedelta64(1, unit)).astype("datetime64[D]") - _DAY
        first[after] = max(low, start)
        last[before] = min(high, stop)
    return first, last
