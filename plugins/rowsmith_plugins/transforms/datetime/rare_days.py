"""Days of the month that are not learned: those of dates that few rows have, beside a year of few such dates.

Year, month and day may each be frequent, and the date of all three be in one row. A model that learns how the parts go
together gives such a date back, unless there are enough others beside it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from rowsmith_plugins.transforms.common.counting import Counted
from rowsmith_plugins.transforms.datetime.part_bins import PartBins

__all__ = ["RareDays", "count_rare_once", "fit_rare_days"]

Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_MONTHS_AND_NONE = 13
_DAYS_AND_NONE = 32


@frozen
class RareDays:
    """Where a day is not learned but drawn.

    Attributes:
        bins: The bins of the coarsest part beside which days are drawn.
        kept: The days that enough dates there have, and are learned: bin, month and day as one number (``_keys``).
        stand_in: The day that is learned in place of all others.
        drawn: The days that are drawn for it: all in the bins of days.
    """

    bins: tuple[int, ...]
    kept: tuple[int, ...]
    stand_in: int
    drawn: tuple[int, ...]

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
        return np.array(self.drawn, dtype=np.int64)[(uniform * len(self.drawn)).astype(np.int64)]


def count_rare_once(counted: Counted, k: int) -> Counted:
    """The same column, in which a value that fewer than k rows have counts as one row."""
    return evolve(counted, counts=np.where(counted.shared(k), counted.counts, 1))


def fit_rare_days(
    counted: Counted, wide: Mask, bins: Numbers, months: Numbers, days: Numbers, day_bins: PartBins, k: int
) -> RareDays | None:
    """Find the days that are not learned.

    Args:
        counted: The column, with at least one value.
        wide: Whether each bin of the coarsest part has several numbers.
        bins: The bin of each value.
        months: The month by which each value is told; 0 where all have the same.
        days: The day of each.
        day_bins: The bins of days.
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
    told = day_bins.named(day_bins.find(days))
    keys, places = np.unique(_keys(bins, months, told), return_inverse=True)
    kept = keys[once.joined(places, len(keys)).shared(k)]
    kept = kept[_are_in(kept // (_MONTHS_AND_NONE * _DAYS_AND_NONE), sparse)]
    return RareDays(
        bins=tuple(sparse.tolist()),
        kept=tuple(kept.tolist()),
        stand_in=_seldom(day_bins.middles, kept % _DAYS_AND_NONE),
        drawn=day_bins.numbers,
    )


def _seldom(names: tuple[int, ...], kept: Numbers) -> int:
    """The day that is kept in the fewest months, so that it hardly ever stands for itself and others at once."""
    return min(names, key=lambda name: int((kept == name).sum()))


def _keys(bins: Numbers, months: Numbers, days: Numbers) -> Numbers:
    return (bins * _MONTHS_AND_NONE + months) * _DAYS_AND_NONE + days


def _are_in(numbers: Numbers, some: tuple[int, ...] | Numbers) -> Mask:
    return np.isin(numbers, np.asarray(some, dtype=np.int64))
