"""New whole numbers for keys that lie as those of the training table do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from rowsmith.errors import GenerationError
from rowsmith.randomness.draws import Draws
from rowsmith.transforms.numbering import BLOCK, place_of
from rowsmith_plugins.transforms.keys.base import KeyMaker
from rowsmith_plugins.transforms.keys.filter import KeyFilter, fit_filter
from rowsmith_plugins.transforms.keys.number_ranges import NumberRange, distance, fit_ranges
from rowsmith_plugins.transforms.keys.permutation import LARGEST, permuted
from rowsmith_plugins.transforms.keys.tiers import Tier, expected_keys, tiers, with_gaps

__all__ = ["Spread", "check_spread", "fit_spread"]

Turns = npt.NDArray[np.uint64]

_AT_ONCE = 256
_MOST_FAILED = 65_536
_STRIDE = 4
"""Turns that are set aside for a key, since the filter takes half of all numbers for taken."""
_COUNTED = 65_536
"""Up to so many keys made before, turns are gone through rather than set aside."""
_CLOSE = 0.1


@frozen
class Spread(KeyMaker):
    """Makes whole numbers in weighted ranges, and others near by once these are used up.

    All numbers that the column can hold have one fixed order that looks like chance: any part of it has each range as
    often as its weight says, and the numbers of a range evenly; where a range is used up, its neighbours take over (see
    ``tiers``). They are handed out in that order, from a turn that the generation's first number gives, so that
    generations do not meet and none needs to know what others made.

    Attributes:
        ranges: Where numbers lie, in steps, ascending.
        offset: The number of step 0.
        step: The distance of two numbers.
        salt: What the order depends on.
        taken: Lets none of the training keys pass, and half of all others; None where numbers are so many that no two
            draws are alike.
        low: The least number that the column can hold.
        high: The greatest.
        distance: The Kolmogorov-Smirnov distance of what is made to the training keys.
    """

    kind: ClassVar[str] = "spread"
    ranges: tuple[NumberRange, ...]
    offset: int
    step: int
    salt: str
    taken: KeyFilter | None
    low: int
    high: int
    distance: float

    def make(self, draws: Draws, carry: dict[str, Any], column: str) -> list[str]:
        """Hand out the next numbers that are not taken."""
        if "turn" not in carry:
            carry["begin"], carry["turn"] = self._begin(draws.first)
        found: list[str] = []
        for turn, text in self._free(carry["begin"], carry["turn"], len(draws)):
            found.append(text)
            carry["turn"] = turn + 1
        if len(found) < len(draws):
            raise GenerationError(
                f"column {column!r}: no new key was found for {len(draws) - len(found)} rows; generate fewer rows, or "
                "list the column in the `exclude` option of transform 'keys'"
            )
        return found

    def avoiding(self, values: Sequence[str]) -> Spread:
        """Let none of these pass."""
        return self if self.taken is None else evolve(self, taken=fit_filter(values, self.salt))

    def describe(self) -> str:
        """The ranges and the filter."""
        held = "" if self.taken is None else f"; {self.taken.describe()}"
        return f"{len(self.ranges)} ranges of numbers, each of several rows, and how many keys lie in each{held}"

    def caveat(self) -> str | None:
        """That numbers are distributed otherwise, by how much."""
        if self.distance <= _CLOSE:
            return None
        return (
            f"as many new keys as there are rows are distributed differently (Kolmogorov-Smirnov distance "
            f"{self.distance:.2f}), since too few numbers near those of the table are free or too few rows are near "
            "each other"
        )

    @property
    def _all(self) -> tuple[NumberRange, ...]:
        """The ranges and the gaps beside them, as far as the column can hold numbers."""
        least = _least(self.ranges[0].low, self.offset, self.step, self.low)
        return with_gaps(self.ranges, least, (self.high - self.offset) // self.step)

    def _begin(self, first: int) -> tuple[int, int]:
        """Where the order begins, and the turn from which a generation goes on."""
        turns = next(tiers(self._all)).size
        if self.taken is None:
            return place_of(first, turns), 0
        if first >= BLOCK:
            return place_of(first, turns, _STRIDE), 0
        if first > _COUNTED and first * _STRIDE < turns:
            return 0, first * _STRIDE
        # Of few numbers none is to be left out: the turns of all keys made before are gone through again.
        return 0, max((turn + 1 for turn, _ in self._free(0, 0, first)), default=0)

    def _free(self, begin: int, turn: int, count: int) -> Iterator[tuple[int, str]]:
        """The next turns whose numbers are not taken, at most some; fewer where no number is left."""
        failed = 0
        while count and failed < _MOST_FAILED:
            turns = np.arange(turn, turn + max(_AT_ONCE, 2 * count), dtype=np.uint64)
            texts = [str(self.offset + self.step * number) for number in self._numbers(begin, turns)]
            if not texts:
                return
            taken = np.zeros(len(texts), np.bool_) if self.taken is None else self.taken.holds(texts, self.salt)
            free = np.flatnonzero(~taken)[:count].tolist()
            yield from ((turn + index, texts[index]) for index in free)
            failed = 0 if free else failed + len(texts)
            count, turn = count - len(free), turn + len(texts)

    def _numbers(self, begin: int, turns: Turns) -> list[int]:
        """The numbers of consecutive turns, in steps; fewer where no number is left."""
        found: list[int] = []
        ranges, start = self._all, 0
        for index, tier in enumerate(tiers(ranges)):
            within = turns[(turns >= start) & (turns < start + tier.size)] - np.uint64(start)
            if len(within):
                if index == 0:
                    within = (within + np.uint64(begin)) % np.uint64(tier.size)
                found += self._of_tier(ranges, tier, within, f"{self.salt}/{index}")
            start += tier.size
            if len(turns) and start > int(turns[-1]):
                break
        return found

    def _of_tier(self, ranges: Sequence[NumberRange], tier: Tier, turns: Turns, key: str) -> list[int]:
        starts = np.array([0, *accumulate(tier.slots)], dtype=np.uint64)
        order = permuted(turns, tier.size, key)
        which = np.searchsorted(starts, order, side="right") - 1
        found = [0] * len(turns)
        for index in np.unique(which).tolist():
            rows, range_ = np.flatnonzero(which == index), ranges[index]
            inner = order[rows] - starts[index] + np.uint64(tier.used[index])
            numbers = permuted(inner, range_.size, f"{self.salt}/range/{index}")
            for row, number in zip(rows.tolist(), numbers.tolist(), strict=True):
                found[row] = range_.low + number
        return found


def fit_spread(
    values: Sequence[str], groups: npt.NDArray[np.int64] | None, k: int, salt: str, bounds: tuple[int, int]
) -> Spread | None:
    """Where the whole numbers of a column lie; None where there are too few of them.

    Args:
        values: Distinct spelled whole numbers.
        groups: The group of each, where rows are grouped.
        k: The fewest rows that back a range.
        salt: What the order of new numbers and their filter depend on.
        bounds: The numbers that the column can hold.
    """
    numbers = np.array([int(value) for value in values], dtype=object)
    order = np.argsort(numbers, kind="stable")
    ascending: list[int] = numbers[order].tolist()
    step = math.gcd(*(after - before for before, after in pairwise(ascending))) or 1
    offset = ascending[0] % step
    steps = [number // step for number in ascending]
    low, high = bounds
    limits = (_least(steps[0], offset, step, low), (high - offset) // step)
    ranges = fit_ranges(steps, None if groups is None else groups[order], k, limits)
    if ranges is None:
        return None
    sparse = sum(each.size for each in ranges) > LARGEST
    taken = None if sparse else fit_filter(values, salt)
    all_ = with_gaps(ranges, *limits)
    expected = expected_keys(all_, 1.0 if taken is None else taken.passing, len(values))
    return Spread(ranges, offset, step, salt, taken, low, high, round(distance(all_, expected, steps), 3))


def check_spread(spread: Spread) -> None:
    """Refuse a state of which no numbers can be made.

    Raises:
        ValueError: It has no ranges, or they are empty or overlap, or numbers do not go on.
    """
    ranges = spread.ranges
    sound = all(each.size >= 1 and 1 <= each.weight <= LARGEST for each in ranges)
    apart = all(one.end <= two.low for one, two in pairwise(ranges))
    if not ranges or not sound or not apart or spread.step < 1:
        raise ValueError("the ranges of numbers of keys do not follow each other")
    first, last = (spread.offset + spread.step * step for step in (ranges[0].low, ranges[-1].end - 1))
    if not -(2**63) <= spread.low <= first <= last <= spread.high < 2**64:
        raise ValueError("the ranges of numbers of keys are beyond what the column can hold")


def _least(first: int, offset: int, step: int, low: int) -> int:
    return 0 if first >= 0 else -((offset - low) // step)
