"""The labels of a timing column and their numbers.

A timing column holds the step from the record before, the position of a record, how a value changed or what it is now,
or a calendar part. Models write labels; the expected next label is computed in numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.sequences.calendar import CALENDAR_ROLES, part_of
from rowsmith.table.schema import Timing, TimingRole

__all__ = ["TimingLabels"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@frozen(eq=False)
class TimingLabels:
    """The labels of one timing column, ascending by number.

    Attributes:
        role: What the column holds.
        of: The column whose value it describes; empty for time.
        labels: The labels.
        amounts: The number of each label: seconds or numbers of the order column, values, or numbers of the calendar.
    """

    role: TimingRole
    of: str
    labels: tuple[str, ...]
    amounts: Floats

    @classmethod
    def of_values(cls, timing: Timing, values: Sequence[str | None]) -> TimingLabels:
        """The labels among the values of a column.

        Args:
            timing: What the column holds.
            values: Its values; null, and labels without a number, are left out.
        """
        known, calendar = dict(timing.amounts), timing.role in CALENDAR_ROLES
        pairs = [
            (float(value) if calendar else known[value], value)
            for value in values
            if value is not None and (calendar or value in known)
        ]
        pairs.sort(key=lambda pair: pair[0])
        amounts = np.array([amount for amount, _ in pairs])
        return cls(timing.role, timing.of, tuple(label for _, label in pairs), amounts)

    def amount(self, label: str) -> float:
        """The number of a label."""
        return float(self.amounts[self.labels.index(label)])

    def nearest(self, amounts: Floats) -> Ints:
        """The index of the label nearest to each amount, the lower one on a tie.

        Args:
            amounts: ``float64[n]``; for a part of the calendar, the timestamps in seconds since 1970.
        """
        wanted = part_of(self.role, amounts).astype(np.float64) if self.role in CALENDAR_ROLES else amounts
        if len(self.amounts) == 1:
            return np.zeros(wanted.shape, dtype=np.int64)
        above = np.searchsorted(self.amounts, wanted).clip(1, len(self.amounts) - 1)
        found: Ints = above - (wanted - self.amounts[above - 1] <= self.amounts[above] - wanted)
        return found

    def label(self, amount: float) -> str:
        """The label nearest to one amount."""
        return self.labels[int(self.nearest(np.array([amount]))[0])]
