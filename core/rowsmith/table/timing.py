"""What a column encodes that follows from a record's position in its group, or from the record before it."""

from __future__ import annotations

import enum

from attrs import frozen

__all__ = ["Timing", "TimingRole"]


class TimingRole(enum.StrEnum):
    """Role of a column that encodes the position of a record in its group, or the change of a value."""

    STEP = "step"
    POSITION = "place"  # the value is saved in bundles
    MONTH = "month"
    DAY = "day"
    WEEKDAY = "weekday"
    HOUR = "hour"
    MINUTE = "minute"
    CHANGE = "change"
    LEVEL = "level"


@frozen(kw_only=True)
class Timing:
    """Encoding of the position of a record in its group, or of the change of a value.

    A *step* is the distance of a record from the one before it; it is null in the first record of each group, and
    only there. A *position* is its absolute position. The parts of the calendar follow from the position.

    A *change* is the distance of a value from the last one of its group; it is null in the first record of each
    group, and where there is no value. The *level* next to it is a coarse value, or null.

    Attributes:
        role: The role.
        amounts: Steps, positions, changes and levels only: each label with its distance or position, in the column's
            unit (for date-times, seconds since 1970 without a zone).
        of: Changes and levels only: the column of the value, which is the same for both.
    """

    role: TimingRole
    amounts: tuple[tuple[str, float], ...] = ()
    of: str = ""
