"""The range that date-times are clipped to; its ends are not rare if that is possible."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rowsmith.table.types.datetimes import parse_datetimes, spell_datetimes
from rowsmith_plugins.transforms.common.counting import Counted
from rowsmith_plugins.transforms.datetime.parts import split_parts
from rowsmith_plugins.transforms.rare.coarse_means import coarse_mean_datetime

__all__ = ["datetime_range"]

Instants = npt.NDArray[np.datetime64]
Mask = npt.NDArray[np.bool_]

_MOST_TRIED = 4096
_FINER = ("month", "day", "hour", "minute", "second")


def datetime_range(format_: str, counted: Counted, k: int, chances: tuple[float, float]) -> tuple[str, str]:
    """The lowest and highest date-time that may be learned, in the format of the column.

    They are those of the k-th lowest and highest row, if these are in k rows. Otherwise clipped rows would pile up at a
    rare date: then an end is a date-time between that row's and the next one inside the range, with a weekday, month,
    day and time that occur in the column; or that row's if there is none.

    Args:
        format_: The format of the column.
        counted: Its values, at least one.
        k: A value with fewer rows is rare.
        chances: Selects each end among the candidates, from 0 to 1.
    """
    moments = parse_datetimes(counted.values, format_)
    order, shared = np.argsort(moments, kind="stable"), counted.shared(k)
    ends = counted.ends(order, k)
    if ends[0] == ends[1]:
        alone = counted.values[ends[0]] if shared[ends[0]] else coarse_mean_datetime(format_, counted, k)
        return alone, alone
    ascending = moments[order]
    found = [
        moments[end] if shared[end] else _inside(ascending, moments[end], towards, chance)
        for end, towards, chance in zip(ends, (1, -1), chances, strict=True)
    ]
    low, high = spell_datetimes(np.sort(np.array(found)), format_)
    return low, high


def _inside(ascending: Instants, end: np.datetime64, towards: int, chance: float) -> np.datetime64:
    """A date-time between an end and the next one; the end itself if none fits the column."""
    following = ascending[int(np.searchsorted(ascending, end)) + towards]
    between = _between(ascending, end, following, chance)
    fitting = between[_fits_column(between, ascending)]
    return fitting[int(chance * len(fitting))] if len(fitting) else end


def _between(ascending: Instants, first: np.datetime64, second: np.datetime64, chance: float) -> Instants:
    """Date-times between two, in the steps of the column; a subset if they are too many."""
    numbers = ascending.astype(np.int64)
    step = int(np.gcd.reduce(numbers - numbers[0]))
    start, end = sorted((int(first.astype(np.int64)), int(second.astype(np.int64))))
    room = (end - start) // step - 1
    if room <= _MOST_TRIED:
        steps = np.arange(room)
    else:
        steps = ((np.arange(_MOST_TRIED) + chance) * (room / _MOST_TRIED)).astype(np.int64)
    return (start + step * (1 + steps)).astype(ascending.dtype)


def _fits_column(moments: Instants, known: Instants) -> Mask:
    one, two = split_parts(moments), split_parts(known)
    alike = [np.isin(one[part], two[part]) for part in _FINER]
    if (two["day"] != two["day"][0]).any():  # The first of each month is any day of the week.
        alike.append(np.isin(_weekdays(moments), _weekdays(known)))
    found: Mask = np.logical_and.reduce(alike)
    return found


def _weekdays(moments: Instants) -> npt.NDArray[np.int64]:
    return moments.astype("datetime64[D]").astype(np.int64) % 7
