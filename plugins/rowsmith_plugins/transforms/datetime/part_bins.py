"""The numbers of a calendar part that may be told: those that enough rows have, and bins of neighbouring rare ones."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith_plugins.transforms.common.counting import Counted

__all__ = ["PartBins", "fit_bins"]

Numbers = npt.NDArray[np.int64]


@frozen
class PartBins:
    """Ranges of numbers, ascending; most are a single number.

    Attributes:
        lows: The first number of each.
        highs: The last.
    """

    lows: tuple[int, ...]
    highs: tuple[int, ...]

    @property
    def middles(self) -> tuple[int, ...]:
        """The number that names each bin."""
        return tuple((low + high) // 2 for low, high in zip(self.lows, self.highs, strict=True))

    @property
    def numbers(self) -> tuple[int, ...]:
        """All numbers in the bins, ascending."""
        bins = zip(self.lows, self.highs, strict=True)
        return tuple(number for low, high in bins for number in range(low, high + 1))

    @property
    def wide(self) -> npt.NDArray[np.bool_]:
        """Which bins have several numbers."""
        return np.array(self.highs, dtype=np.int64) > np.array(self.lows, dtype=np.int64)

    def find(self, numbers: Numbers) -> Numbers:
        """The bin that each number is in, or that is nearest to it; the lower one on a tie."""
        lows, highs = (np.array(each, dtype=np.int64) for each in (self.lows, self.highs))
        below = (np.searchsorted(lows, numbers, side="right") - 1).clip(0)
        above = np.minimum(below + 1, len(lows) - 1)
        nearer = (numbers > highs[below]) & (np.abs(lows[above] - numbers) < numbers - highs[below])
        return np.where(nearer, above, below)

    def hold(self, numbers: Numbers) -> npt.NDArray[np.bool_]:
        """Which numbers lie in a bin; the others are named by the nearest."""
        lows, highs = (np.array(each, dtype=np.int64)[self.find(numbers)] for each in (self.lows, self.highs))
        return np.asarray((lows <= numbers) & (numbers <= highs), dtype=np.bool_)

    def named(self, bins: Numbers) -> Numbers:
        """The numbers that name bins."""
        return np.array(self.middles, dtype=np.int64)[bins]

    def draw(self, bins: Numbers, uniform: npt.NDArray[np.float64]) -> Numbers:
        """A number in each bin, any as likely as another."""
        lows, highs = (np.array(each, dtype=np.int64)[bins] for each in (self.lows, self.highs))
        return np.minimum(lows + (uniform * (highs - lows + 1)).astype(np.int64), highs)


def fit_bins(numbers: Numbers, counted: Counted, k: int) -> PartBins:
    """Find the bins of a part.

    Args:
        numbers: The number of each of the column's values.
        counted: The column, with at least one value.
        k: A number that fewer rows have is rare, and a bin of rare ones has at least so many.

    Returns:
        The bins; one for all numbers where not even all of them together have enough rows.
    """
    found, inverse = np.unique(numbers, return_inverse=True)
    part = counted.joined(inverse, len(found))
    shared = part.shared(k)
    if shared.all():
        return PartBins(tuple(found.tolist()), tuple(found.tolist()))
    starts = _starts(shared.tolist(), part.counts.tolist(), k)
    bins = np.searchsorted(starts, np.arange(len(found)), side="right") - 1
    kept = np.flatnonzero(part.joined(bins, len(starts)).shared(k))
    ends = [(int(found[first]), int(found[after - 1])) for first, after in pairwise((*starts, len(found)))]
    told = [ends[place] for place in kept.tolist()] or [(int(found[0]), int(found[-1]))]
    return PartBins(tuple(low for low, _ in told), tuple(high for _, high in told))


def _starts(shared: list[bool], counts: list[int], k: int) -> list[int]:
    """Where each bin begins: at every shared number, and wherever the rare ones before have enough rows."""
    starts, rows, alone = list[int](), 0, True
    for place, (common, count) in enumerate(zip(shared, counts, strict=True)):
        if common and not alone and rows < k and len(starts) > 1 and not shared[starts[-2]]:
            # What is left of a run of rare numbers joins the bin of rare ones before it.
            starts.pop()
        if common or alone or rows >= k:
            starts.append(place)
            rows = 0
        rows, alone = rows + count, common
    if not alone and rows < k and len(starts) > 1 and not shared[starts[-2]]:
        starts.pop()
    return starts
