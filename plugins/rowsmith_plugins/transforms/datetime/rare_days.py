"""Days of the month that are not learned: those of rare dates in years with few rare dates.

Year, month and day may each be frequent although their date is in one row. A model that learns how the parts depend
on each other may generate that date, unless enough other rare dates are near it.
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
    """Days that are drawn instead of learned.

    Attributes:
        bins: Bins of the coarsest part in which days are drawn.
        kept: Days in these bins with enough dates, which are learned: bin, month and day as one number (``_keys``).
        stand_in: The day that replaces all other days of these bins in training.
        drawn: The days that are drawn for it: all days of the column.
    """

    bins: tuple[int, ...]
    kept: tuple[int, ...]
    stand_in: int
    drawn: tuple[int, ...]

    def hidden(self, bins: Numbers, months: Numbers, days: Numbers) -> Mask:
        """Mask of dates whose day is not learned.

        Args:
            bins: The bin of the coarsest part of each date.
            months: The encoded month of each date; 0 if all have the same.
            days: The encoded day of each date.
        """
        return _are_in(bins, self.bins) & ~_are_in(_keys(bins, months, days), self.kept)

    def draw(self, uniform: npt.NDArray[np.float64]) -> Numbers:
        """Draw days of the month, uniformly."""
        return np.array(self.drawn, dtype=np.int64)[(uniform * len(self.drawn)).astype(np.int64)]


def count_rare_once(counted: Counted, k: int) -> Counted:
    """The same column with one row for each value that fewer than k rows have."""
    return evolve(counted, counts=np.where(counted.shared(k), counted.counts, 1))


def fit_rare_days(
    counted: Counted, wide: Mask, bins: Numbers, months: Numbers, days: Numbers, day_bins: PartBins, k: int
) -> RareDays | None:
    """Find the days that are not learned.

    Args:
        counted: The column, with at least one value.
        wide: Whether each bin of the coarsest part has several numbers.
        bins: The bin of each value.
        months: The encoded month of each value; 0 if all have the same.
        days: The day of each value.
        day_bins: The bins of days.
        k: A value with fewer rows is rare; a rare date counts as one row.

    Returns:
        The rare days; None if no date is rare, or if every bin with rare dates has one number and k rare dates.
    """
    rare, once = ~counted.shared(k), count_rare_once(counted, k)
    found = np.bincount(bins[rare], minlength=len(wide)) > 0
    # Dates that are not rare count in an extra bin.
    enough = once.joined(np.where(rare, bins, len(wide)), len(wide) + 1).shared(k)[:-1]
    sparse = np.flatnonzero(found & (wide | ~enough))
    if not len(sparse):
        return None
    encoded = day_bins.named(day_bins.find(days))
    keys, codes = np.unique(_keys(bins, months, encoded), return_inverse=True)
    frequent = keys[once.joined(codes, len(keys)).shared(k)]
    frequent = frequent[_are_in(frequent // (_MONTHS_AND_NONE * _DAYS_AND_NONE), sparse)]
    return RareDays(
        bins=tuple(sparse.tolist()),
        kept=tuple(frequent.tolist()),
        stand_in=_least_frequent(day_bins.middles, frequent % _DAYS_AND_NONE),
        drawn=day_bins.numbers,
    )


def _least_frequent(names: tuple[int, ...], days: Numbers) -> int:
    """The day that is learned in the fewest months, so that it is rarely both a learned day and the stand-in."""
    return min(names, key=lambda name: int((days == name).sum()))


def _keys(bins: Numbers, months: Numbers, days: Numbers) -> Numbers:
    return (bins * _MONTHS_AND_NONE + months) * _DAYS_AND_NONE + days


def _are_in(numbers: Numbers, some: tuple[int, ...] | Numbers) -> Mask:
    return np.isin(numbers, np.asarray(some, dtype=np.int64))
