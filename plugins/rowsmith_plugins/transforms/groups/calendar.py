"""Calendar parts as columns of records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowsmith.sequences.calendar import part_of
from rowsmith.table.columns import from_codes
from rowsmith.table.schema import TimingRole
from rowsmith_plugins.transforms.groups.order_axis import OrderAxis

__all__ = ["fit_parts", "in_phase", "part_column", "phase"]

Ints = npt.NDArray[np.int64]

_HOUR, _DAY = 3_600.0, 86_400.0
_SPANS = {
    TimingRole.MONTH: 60 * _DAY,
    TimingRole.WEEKDAY: 14 * _DAY,
    TimingRole.HOUR: 2 * _DAY,
    TimingRole.MINUTE: 2 * _HOUR,
}
"""Seconds after which a calendar part repeats; a table must span more."""
_PHASES = {TimingRole.WEEKDAY: 86_400, TimingRole.HOUR: 3_600, TimingRole.MINUTE: 60}
_PERIODS = {TimingRole.WEEKDAY: 7 * 86_400, TimingRole.HOUR: 86_400, TimingRole.MINUTE: 3_600}
_MOST_MINUTES = 12
"""With more distinct minutes, times are events rather than a regular schedule."""


def fit_parts(axis: OrderAxis, ticks: Ints, steps: Ints) -> tuple[TimingRole, ...]:
    """Select calendar parts that vary, recur and may be informative.

    Args:
        axis: The order axis; numbers have no calendar.
        ticks: The tick of each record.
        steps: The steps between records of a group.
    """
    if not axis.unit:
        return ()
    seconds = axis.seconds(np.unique(ticks))
    span = float(np.ptp(seconds))
    fits = (role for role, least in _SPANS.items() if span > least)
    return tuple(role for role in fits if _is_informative(role, axis, seconds, steps))


def part_column(role: TimingRole, axis: OrderAxis, ticks: Ints) -> pa.DictionaryArray:
    """The labels of a part of the calendar."""
    numbers, codes = np.unique(part_of(role, axis.seconds(ticks)), return_inverse=True)
    return from_codes([str(number) for number in numbers.tolist()], codes)


def phase(parts: Mapping[TimingRole, Ints]) -> Ints:
    """Seconds since all calendar parts were last at their minimum; -1 where a part is -1.

    Args:
        parts: Numbers of parts, the longest first; months do not count.
    """
    found = {role: numbers for role, numbers in parts.items() if role in _PHASES}
    whole = sum((numbers * _PHASES[role] for role, numbers in found.items()), np.int64(0))
    known = np.all([numbers >= 0 for numbers in found.values()], axis=0)
    return np.where(known, whole, -1)


def in_phase(
    axis: OrderAxis, roles: Sequence[TimingRole], ticks: Ints, wanted: Ints, within: tuple[Ints, Ints], grid: int
) -> Ints:
    """Move times to the nearest ones with the requested calendar parts.

    Args:
        axis: The order axis.
        roles: The parts of the calendar, the longest first.
        ticks: The times.
        wanted: The phase that each should have; -1 for any.
        within: The first and the last allowed tick of each; a time is not moved if none of them is in phase.
        grid: A time is not moved by less than a multiple of this.
    """
    cyclic = [role for role in roles if role in _PHASES]
    if not cyclic:
        return ticks
    seconds = axis.seconds(ticks)
    turn = _PERIODS[cyclic[0]] * axis.per_second
    shift = (wanted - phase({role: part_of(role, seconds) for role in cyclic})) * axis.per_second % turn
    moved = ticks + np.where(shift > turn // 2, shift - turn, shift)
    moved = np.where(moved < within[0], moved + turn, np.where(moved > within[1], moved - turn, moved))
    fits = (wanted >= 0) & (moved >= within[0]) & (moved <= within[1]) & (shift % grid == 0)
    return np.where(fits, moved, ticks)


def _is_informative(role: TimingRole, axis: OrderAxis, seconds: npt.NDArray[np.float64], steps: Ints) -> bool:
    if axis.kind != "moment" and role is not TimingRole.MONTH:
        return False
    found = len(np.unique(part_of(role, seconds)))
    if role is TimingRole.WEEKDAY and len(steps):
        week = 7 * int(_DAY) * axis.per_second
        return found > 1 and bool((steps % week).any())
    return found > 1 and (role is not TimingRole.MINUTE or found <= _MOST_MINUTES)
