"""Days of the month that are not learned: those of dates that few rows have, beside a year of few such dates.

Year, month and day may each be frequent, and the date of all three be in one row. A model that learns how the parts go
together gives such a date back, unless there are enough others beside it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from rowsmith_plugins.transforms.common.counting import Counted

__all__ = ["RareDays", "count_rare_once", "fit_rare_days"]

Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_DAYS = 31
_MONTHS = 12


@frozen
class RareDays:
    """Where a day is not learned but drawn.

    Attributes:
        bins: The bins of the coarsest part beside which days are drawn.
        kept: The days that enough dates there have, and are learned: bin, month and day as one number (``_keys``).
        stand_in: The day that is learned in place of all others.
    """

    bins: tuple[int, ...]
    kept: tuple[int, ...]
    stand_in: int

    def hidden(self, bins: Numbers, months: Numbers, days: Numbers) -> Mask:
        """Which dates have a day that is not learned.

        Args:
            bins: The bin of the coarsest part, by date.
            months: The month by which each is told; 0 where all have the same.
            days: The day by which each is told.
        """
        return _are_in(bins, self.bins) & ~_are_in(_keys(bins, months, days), self.kept)

    def draw(self, uniform: npt.NDArray[np.float64]) -> Numbers:
        """Days of the month, any as likely as another."""
        return 1 + (uniform * _DAYS).astype(np.int64)


def count_rare_once(counted: Counted, k: int) -> Counted:
    """The same column, in which a value that fewer than k rows have counts as one row."""
    return evolve(counted, counts=np.where(counted.shared(k), counted.counts, 1))


def fit_rare_days(
    counted: Counted, wide: Mask, bins: Numbers, months: Numbers, days: Numbers, k: int
) -> RareDays | None:
    """Find the days that are not learned.

    Args:
        counted: The column, with at least one value.
        wide: Whether each bin of the coarsest part has several numbers.
        bins: The bin of each value.
        months: The month by which each value is told; 0 where all have the same.
        days: The day by which each is told.
        k: What fewer rows have is rare; a rare date counts as one row.

    Returns:
        What hides them; None where no date is rare, or each bin with rare ones has a single number and k of them.
    """
    rare, once = ~counted.shared(k), count_rare_once(counted, k)
    found = np.bincount(bins[rare], minlength=len(wide)) > 0
    # What is no rare date counts for a bin of its own.
    enough = once.joined(np.where(rare, bins, len(wide)), len(wide) + 1).shared(k)[:-1]
    sparse = np.flatnonzero(found & (wide | ~enough))
    if not len(sparse):
        return None
    keys, places = np.unique(_keys(bins, months, days), return_inverse=True)
    kept = keys[once.joined(places, len(keys)).shared(k)]
    kept = kept[_are_in(kept // ((_MONTHS + 1) * (_DAYS + 1)), sparse)]
    told, times = np.unique(np.concatenate([days, kept % (_DAYS + 1)]), return_counts=True)
    return RareDays(tuple(sparse.tolist()), tuple(kept.tolist()), int(told[np.argmin(times)]))


def _keys(bins: Numbers, months: Numbers, days: Numbers) -> Numbers:
    return (bins * (_MONTHS + 1) + months) * (_DAYS + 1) + days


def _are_in(numbers: Numbers, some: tuple[int, ...] | Numbers) -> Mask:
    return np.isin(numbers, np.asarray(some, dtype=np.int64))
