"""Which parts of the calendar are told of every record of a group."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowsmith.group_clock_parts import part_of
from rowsmith.table.columns import from_codes
from rowsmith.table.schema import TimingRole
from rowsmith_plugins.transforms.order_axis import OrderAxis

__all__ = ["fit_parts", "part_column"]

Ints = npt.NDArray[np.int64]

_HOUR, _DAY = 3_600.0, 86_400.0
_SPANS = {
    TimingRole.MONTH: 60 * _DAY,
    TimingRole.WEEKDAY: 14 * _DAY,
    TimingRole.HOUR: 2 * _DAY,
    TimingRole.MINUTE: 2 * _HOUR,
}
"""Seconds that a table must span more than before a part of the calendar comes back."""
_MOST_MINUTES = 12
"""Beyond so many different minutes, they are those of events, not of a clock."""


def fit_parts(axis: OrderAxis, ticks: Ints, steps: Ints) -> tuple[TimingRole, ...]:
    """The parts of the calendar that vary, come back and may matter.

    Args:
        axis: The order axis; numbers have no calendar.
        ticks: Where the records stand.
        steps: The steps between records of a group.
    """
    if axis.kind not in ("moment", "month"):
        return ()
    seconds = axis.seconds(np.unique(ticks))
    span = float(np.ptp(seconds))
    fits = (role for role, least in _SPANS.items() if span > least)
    return tuple(role for role in fits if _matters(role, axis, seconds, steps))


def part_column(role: TimingRole, axis: OrderAxis, ticks: Ints) -> pa.DictionaryArray:
    """The labels of a part of the calendar."""
    numbers, codes = np.unique(part_of(role, axis.seconds(ticks)), return_inverse=True)
    return from_codes([str(number) for number in numbers.tolist()], codes)


def _matters(role: TimingRole, axis: OrderAxis, seconds: npt.NDArray[np.float64], steps: Ints) -> bool:
    if axis.kind == "month" and role is not TimingRole.MONTH:
        return False
    found = len(np.unique(part_of(role, seconds)))
    if role is TimingRole.WEEKDAY and len(steps):
        week = 7 * int(_DAY) * axis.per_second
        return found > 1 and bool((steps % week).any())
    return found > 1 and (role is not TimingRole.MINUTE or found <= _MOST_MINUTES)
