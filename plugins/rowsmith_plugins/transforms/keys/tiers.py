"""How numbers of weighted ranges are shared out until none is left, nearly as the weights say all the way.

A *tier* takes so many numbers of each range that the new keys among them are distributed by the weights, and as many
as the fullest range allows. That range is used up then: the next tier gives its weight to the nearest ranges on both
sides that are not. Beside the ranges in which keys lie there are those of the gaps between and beyond them, of no
weight at first, the wider the further away.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith_plugins.transforms.keys.number_ranges import NumberRange
from rowsmith_plugins.transforms.keys.permutation import LARGEST

__all__ = ["Tier", "expected_keys", "tiers", "with_gaps"]

Floats = npt.NDArray[np.float64]

_FULL = 0.9
"""A range with more keys than this for each number has no room for others."""
_WIDER = 4
_SIDE_PIECES = 4


@frozen(eq=False)
class Tier:
    """One share of all numbers.

    Attributes:
        weights: The weight of each range.
        slots: How many numbers it takes of each.
        used: How many the tiers before it have taken.
    """

    weights: Floats
    slots: tuple[int, ...]
    used: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers it takes in all."""
        return sum(self.slots)


def with_gaps(ranges: Sequence[NumberRange], low: int, high: int) -> tuple[NumberRange, ...]:
    """The ranges and those beside and between them, which together leave no number out.

    Args:
        ranges: At least one, ascending.
        low: The least number.
        high: The greatest.
    """
    span = ranges[-1].end - ranges[0].low
    below = [-edge for edge in _edges(-ranges[0].low, -low, span)]
    found = [NumberRange(end, start - end, 0) for start, end in pairwise(below)][::-1]
    found.append(ranges[0])
    for before, after in pairwise(ranges):
        found += [*_gap(before, after), after]
    above = _edges(ranges[-1].end, high + 1, span)
    return (*found, *(NumberRange(start, end - start, 0) for start, end in pairwise(above)))


def tiers(ranges: tuple[NumberRange, ...]) -> Iterator[Tier]:
    """Share the numbers of some ranges out.

    Args:
        ranges: Ascending, at least one of some weight.

    Yields:
        The tiers in order; all together take every number of the ranges that are not full of keys.
    """
    tier = _following(ranges, None)
    while tier is not None:
        yield tier
        tier = _following(ranges, tier)


def expected_keys(ranges: tuple[NumberRange, ...], passing: float, count: int) -> Floats:
    """How many of some new keys lie in each range, about.

    Args:
        ranges: Ascending, at least one of some weight.
        passing: The share of numbers that are no training key's and may be made.
        count: How many keys are made.

    Returns:
        ``float[ranges]``.
    """
    free = np.array([max(0.0, 1 - each.crowded) for each in ranges]) * passing
    found = np.zeros(len(ranges))
    for tier in tiers(ranges):
        keys = np.array(tier.slots, dtype=np.float64) * free
        share = min(1.0, (count - found.sum()) / max(keys.sum(), 1e-9))
        found += keys * share
        if share < 1:
            break
    return found


@lru_cache(maxsize=256)
def _following(ranges: tuple[NumberRange, ...], tier: Tier | None) -> Tier | None:
    """The tier after another, or the first; None where no number is left."""
    free = np.array([1 - each.crowded for each in ranges])
    centres = np.array([each.low + each.size / 2 for each in ranges])
    if tier is None:
        used = (0,) * len(ranges)
        weights = np.array([float(each.weight) for each in ranges])
    else:
        used = tuple(one + two for one, two in zip(tier.used, tier.slots, strict=True))
        weights = tier.weights
    left = [each.size - size for each, size in zip(ranges, used, strict=True)]
    open_ = (free > 1 - _FULL) & (np.array(left, dtype=np.float64) > 0)
    if not open_.any():
        return None
    weights = _moved(weights, open_, centres)
    wanted = np.where(weights > 0, weights / np.maximum(free, 1 - _FULL), 0.0)
    ratios = [size / want if want > 0 else math.inf for size, want in zip(left, wanted.tolist(), strict=True)]
    fullest = int(np.argmin(ratios))
    times = min(ratios[fullest], LARGEST / float(wanted.sum()))
    slots = [min(size, math.floor(times * want)) for size, want in zip(left, wanted.tolist(), strict=True)]
    if times == ratios[fullest]:
        slots[fullest] = left[fullest]
    return Tier(weights, tuple(slots), used)


def _moved(weights: Floats, open_: npt.NDArray[np.bool_], centres: Floats) -> Floats:
    """The weights, those of ranges that are used up shared among the nearest that are not: the nearer gets more."""
    found, others = np.where(open_, weights, 0.0), np.flatnonzero(open_)
    for index in np.flatnonzero((weights > 0) & ~open_).tolist():
        after = int(np.searchsorted(others, index))
        sides = [int(others[side]) for side in (after - 1, after) if 0 <= side < len(others)]
        nearness = np.array([1 / max(abs(centres[side] - centres[index]), 1e-9) for side in sides])
        np.add.at(found, sides, weights[index] * nearness / nearness.sum())
    return found


def _gap(before: NumberRange, after: NumberRange) -> Iterator[NumberRange]:
    """The ranges of the gap between two, the wider the further from either."""
    middle = (before.end + after.low) // 2
    left = _edges(before.end, middle, before.size, _SIDE_PIECES)
    right = [-edge for edge in _edges(-after.low, -middle, after.size, _SIDE_PIECES)][::-1]
    for start, end in (*pairwise(left), *pairwise(right)):
        yield NumberRange(start, end - start, 0)


def _edges(start: int, end: int, width: int, most: int = 64) -> list[int]:
    """Edges from one number to another that are ever further apart; none where there is no room."""
    edges = [start]
    while edges[-1] < end:
        edges.append(end if len(edges) == most else min(end, edges[-1] + width))
        width *= _WIDER
    return edges
