"""The ranges in which the whole numbers of a key column lie, none of which fewer than k rows back.

Numbers are cut where many rows are on either side, at the roundest number near by, so that no edge shows the number
of a row; wide gaps between them are left out. The outer edges are those of the k-th lowest and highest row, rounded
outwards.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.transforms.holders import groups_needed

__all__ = ["NumberRange", "distance", "fit_ranges"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Backed = Callable[[int, int], bool]

_RANGES = 32
_MOST_GAPS = 48
_MOST_LOOKED_AT = 4_096
_WIDE = 2.0
"""A gap is wide when it is so many times as wide as the k numbers on either side of it."""
_GROUPS_BEYOND = 2
"""So many groups are at or beyond either end, where rows are grouped."""
_FINENESS = 8
"""Outer edges are rounded to the greatest power of ten of which a range has so many."""


@frozen
class NumberRange:
    """Consecutive numbers.

    Attributes:
        low: The first.
        size: How many there are.
        weight: How many keys of the training table lie there.
    """

    low: int
    size: int
    weight: int

    @property
    def end(self) -> int:
        """The number after the last."""
        return self.low + self.size

    @property
    def crowded(self) -> float:
        """Keys for each number."""
        return self.weight / self.size


def fit_ranges(
    numbers: Sequence[int], groups: Ints | None, k: int, bounds: tuple[int, int]
) -> tuple[NumberRange, ...] | None:
    """Find the ranges of a column's numbers.

    Args:
        numbers: Distinct numbers, ascending.
        groups: The group of each, where rows are grouped: then a range is backed by enough of these, too.
        k: The fewest rows that back a range.
        bounds: The least and the greatest number that may be made.

    Returns:
        The ranges, ascending; None where there are too few rows.
    """
    needed = 1 if groups is None else groups_needed(len(np.unique(groups)), k)
    backed = _backing(groups, k, needed)
    ends = _outer_rows(len(numbers), _backing(groups, k, min(needed, _GROUPS_BEYOND)))
    if ends is None or numbers[ends[0]] == numbers[ends[1]]:
        return None
    first, last = numbers[ends[0]], numbers[ends[1]]
    clipped = [min(max(number, first), last) for number in numbers]
    cuts = [cut for begin, end in _parts(clipped, k, backed) for cut in _cuts(clipped, begin, end, k, bounds)]
    return tuple(_joined(_counted(clipped, cuts), backed))


def distance(ranges: Sequence[NumberRange], weights: Floats, numbers: Sequence[int]) -> float:
    """The Kolmogorov-Smirnov distance of numbers drawn evenly in weighted ranges to given ones.

    Args:
        ranges: At least one, ascending.
        weights: The weight of each.
        numbers: At least one, ascending.
    """
    edges = [edge for each in ranges for edge in (each.low, each.end)]
    total = np.cumsum(weights) / weights.sum()
    heights = [height for low, high in zip([0.0, *total[:-1]], total, strict=True) for height in (low, high)]
    model = np.interp(np.array(numbers, dtype=np.float64), np.array(edges, dtype=np.float64), heights)
    above = np.arange(1, len(numbers) + 1) / len(numbers) - model
    return float(max(above.max(), (1 / len(numbers) - above).max()))


def _backing(groups: Ints | None, k: int, needed: int) -> Backed:
    groups_of = [] if groups is None or needed <= 1 else groups.tolist()

    def backed(begin: int, end: int) -> bool:
        """Whether enough rows, and groups of them, are from one index to another."""
        return end - begin >= k and (not groups_of or _several(groups_of, begin, end, needed))

    return backed


def _several(groups: Sequence[int], begin: int, end: int, needed: int) -> bool:
    seen: set[int] = set()
    for index in range(begin, end):
        seen.add(groups[index])
        if len(seen) >= needed:
            return True
    return False


def _outer_rows(rows: int, backed: Backed) -> tuple[int, int] | None:
    """The first row at or below which enough are, and the last at or above which enough are; None if they cross."""
    low = bisect_left(range(rows), True, key=lambda row: backed(0, row + 1))
    high = rows - 1 - bisect_left(range(rows), True, key=lambda row: backed(rows - 1 - row, rows))
    return (low, high) if low < high else None


def _parts(numbers: Sequence[int], k: int, backed: Backed) -> list[tuple[int, int]]:
    """The indices between which numbers lie without wide gaps, each part backed by enough rows."""
    gaps = np.array([after - before for before, after in pairwise(numbers)], dtype=np.float64)
    splits = [0, len(numbers)]
    for before in np.argsort(-gaps, kind="stable")[:_MOST_LOOKED_AT].tolist():
        at = before + 1
        if len(splits) > _MOST_GAPS + 1 or gaps[before] <= _WIDE:
            break
        sides = numbers[max(at - k, 0) : at], numbers[at : at + k]
        if gaps[before] <= _WIDE * max(side[-1] - side[0] for side in sides):
            continue
        right = bisect_left(splits, at)
        if at not in splits and backed(splits[right - 1], at) and backed(at, splits[right]):
            splits.insert(right, at)
    return list(pairwise(splits))


def _cuts(numbers: Sequence[int], begin: int, end: int, k: int, bounds: tuple[int, int]) -> list[int]:
    """The edges of the ranges of one part: its ends, and between them numbers between ranges of equally many rows."""
    rows, reach = end - begin, max(1, k // 2)
    pieces = max(1, min(rows // (2 * k), round(_RANGES * rows / len(numbers))))
    inner = []
    for piece in range(1, pieces):
        at = begin + rows * piece // pieces
        below, above = numbers[max(begin, at - reach)], numbers[min(end - 1, at + reach - 1)]
        if below < above:
            inner.append(_roundest(below, above))
    first, last = numbers[begin], numbers[end - 1] + 1
    low = _floor(first, _grain((inner[0] if inner else last) - first))
    high = -_floor(-last, _grain(last - (inner[-1] if inner else first)))
    # Beyond a gap lie the numbers of another part, which are not to be met.
    low = max(low, bounds[0], _roundest(numbers[begin - 1], first) if begin else low)
    high = min(high, bounds[1] + 1, _roundest(last - 1, numbers[end]) if end < len(numbers) else high)
    return sorted({low, *(cut for cut in inner if low < cut < high), high})


def _counted(numbers: Sequence[int], cuts: Sequence[int]) -> list[NumberRange]:
    """The ranges between edges, without those of no number."""
    found = []
    for low, end in pairwise(cuts):
        weight = bisect_left(numbers, end) - bisect_left(numbers, low)
        if weight:
            found.append(NumberRange(low, end - low, weight))
    return found


def _joined(ranges: Sequence[NumberRange], backed: Backed) -> list[NumberRange]:
    """The same, ranges of too few rows joined to the one before, or else after."""
    found: list[NumberRange] = []
    begin = end = 0
    for each in ranges:
        end += each.weight
        if found and not backed(begin, end - each.weight):
            found[-1] = _merged(found[-1], each)
        else:
            begin = end - each.weight
            found.append(each)
    if len(found) > 1 and not backed(begin, end):
        found[-2:] = [_merged(*found[-2:])]
    return found


def _merged(one: NumberRange, two: NumberRange) -> NumberRange:
    return NumberRange(one.low, two.end - one.low, one.weight + two.weight)


def _roundest(below: int, above: int) -> int:
    """The number above one and up to another that ends with the most zeros, the middle one of these."""
    if below < 0 <= above:
        return 0
    power = 1
    while _floor(above, power * 10) > below:
        power *= 10
    middle = _floor((below + above) // 2 + power // 2, power)
    return middle if below < middle <= above else _floor(above, power)


def _grain(width: int) -> int:
    """The power of ten to which the edges of a range of some width are rounded."""
    power = 1
    while power * 10 * _FINENESS <= width:
        power *= 10
    return power


def _floor(number: int, power: int) -> int:
    return number // power * power
