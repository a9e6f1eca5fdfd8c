"""Calendar parts of a timestamp: month, day, weekday, hour, minute.

The transform that makes the calendar columns of grouped tables and the decoder that forces them while sampling must
agree, so both use this module.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rowsmith.table.schema import TimingRole

__all__ = ["CALENDAR_ROLES", "part_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_DAY = 86_400
_HALF_A_MICROSECOND = 5e-7
_MONDAY = 3
"""Weekday of day 0, 1 January 1970: a Thursday, counted from Monday as 0."""


def part_of(role: TimingRole, seconds: Floats) -> Ints:
    """A calendar part of each timestamp.

    Args:
        role: Which part.
        seconds: ``float64[n]``, seconds since 1970 without a zone; half a microsecond below a whole second counts
            as that second, since sums of seconds are not exact.

    Returns:
        ``int64[n]``: month 1 to 12, day of the month 1 to 31, weekday 0 (Monday) to 6, hour 0 to 23, minute 0 to
        59. Its text is the label of the calendar column.

    Raises:
        ValueError: The role is not a calendar part.
    """
    if role not in _PARTS:
        raise ValueError(f"{role.value!r} is not a calendar part; use one of {', '.join(_PARTS)}")
    return _PARTS[role](np.floor(seconds + _HALF_A_MICROSECOND).astype(np.int64))


def _month(seconds: Ints) -> Ints:
    return _months(seconds).astype(np.int64) % 12 + 1


def _day(seconds: Ints) -> Ints:
    start = _months(seconds).astype("datetime64[D]").astype(np.int64)
    return seconds // _DAY - start + 1


def _weekday(seconds: Ints) -> Ints:
    return (seconds // _DAY + _MONDAY) % 7


def _hour(seconds: Ints) -> Ints:
    return seconds // 3600 % 24


def _minute(seconds: Ints) -> Ints:
    return seconds // 60 % 60


def _months(seconds: Ints) -> npt.NDArray[np.datetime64]:
    return (seconds // _DAY).astype("datetime64[D]").astype("datetime64[M]")


_PARTS: dict[TimingRole, Callable[[Ints], Ints]] = {
    TimingRole.MONTH: _month,
    TimingRole.DAY: _day,
    TimingRole.WEEKDAY: _weekday,
    TimingRole.HOUR: _hour,
    TimingRole.MINUTE: _minute,
}

CALENDAR_ROLES = frozenset(_PARTS)
"""The roles of columns that hold a calendar part."""
