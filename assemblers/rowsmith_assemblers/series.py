"""Stretches of ordered records: how series are split, sampled and cut into examples."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from rowsmith.assembly.ranges import Rows
from rowsmith.assembly.token_store import Ints
from rowsmith.table.row_ranges import range_indices
from rowsmith_assemblers.groups import Groups
from rowsmith_assemblers.packing import windows
from rowsmith_assemblers.sampling import share_of, split_groups, test_count, whole_and_part

__all__ = ["MAX_FILL_RATIO", "MIN_FILL_RATIO", "Stretches", "budgets", "cut", "passes", "split", "stretches"]

MIN_FILL_RATIO = 0.7
MAX_FILL_RATIO = 1.0
"""A training example takes a share of the context between these, drawn for each anew."""


@frozen(eq=False)
class Stretches:
    """Runs of ordered records that follow one another in one group.

    Attributes:
        begins: Where in the order each begins, rising; int64 ``[k]``.
        stops: Where it ends, exclusive; int64 ``[k]``.
        groups: The number of its group; int64 ``[k]``.
    """

    begins: Ints
    stops: Ints
    groups: Ints

    @property
    def places(self) -> Ints:
        """All places in the order that they cover."""
        return range_indices(self.begins, self.stops - self.begins)

    @property
    def count(self) -> int:
        """Records in all."""
        return int((self.stops - self.begins).sum())

    @property
    def ends(self) -> Ints:
        """Where in the order the last stretch of each group ends, exclusive; rising."""
        last = np.append(self.groups[1:] != self.groups[:-1], True)[: len(self.groups)]
        ends: Ints = self.stops[last]
        return ends

    def of(self, groups: Ints) -> Stretches:
        """Those of some groups."""
        kept = np.isin(self.groups, groups)
        return Stretches(self.begins[kept], self.stops[kept], self.groups[kept])

    def within(self, start: int, stop: int) -> Stretches:
        """What of them lies between two places."""
        begins, stops = np.maximum(self.begins, start), np.minimum(self.stops, stop)
        kept = begins < stops
        return Stretches(begins[kept], stops[kept], self.groups[kept])

    def counted(self, first: int, last: int) -> Stretches:
        """Their records from one number to another, exclusive, counted over all of them."""
        lengths = self.stops - self.begins
        before = np.cumsum(lengths) - lengths
        begins = self.begins + np.clip(first - before, 0, lengths)
        stops = self.begins + np.clip(last - before, 0, lengths)
        kept = begins < stops
        return Stretches(begins[kept], stops[kept], self.groups[kept])

    def joined(self, others: Stretches) -> Stretches:
        """These and others, in order."""
        begins = np.concatenate([self.begins, others.begins])
        order = np.argsort(begins)
        stops, groups = np.concatenate([self.stops, others.stops]), np.concatenate([self.groups, others.groups])
        return Stretches(begins[order], stops[order], groups[order])


def stretches(groups: Groups, fits: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[Rows, Stretches]:
    """Leave records out; the records before and after one that is left out do not follow one another.

    Args:
        groups: All records.
        fits: Which records stay, by record number; bool ``[n]``.

    Returns:
        The records that stay, in order, and their stretches.
    """
    places = np.flatnonzero(fits[groups.order])
    numbers = np.searchsorted(groups.bounds, places, side="right") - 1
    cuts = np.flatnonzero((np.diff(places) > 1) | (np.diff(numbers) > 0)) + 1
    begins = np.concatenate([np.zeros(min(1, len(places)), dtype=np.int64), cuts])
    order = groups.order if len(places) == len(groups.order) else groups.order[places]
    return order, Stretches(begins, np.append(begins[1:], len(places))[: len(begins)], numbers[begins])


def split(whole: Stretches, test_size: float | None, random: np.random.Generator) -> tuple[Stretches, Stretches]:
    """Set whole groups apart for validation, or of a single series the end.

    Args:
        whole: All stretches.
        test_size: As in ``sampling.test_count``, in records.
        random: Draws the validation groups.

    Returns:
        The stretches to train on and those for validation, both in order.

    Raises:
        ParameterError: ``test_size`` is out of range.
    """
    numbers, sizes = _sizes(whole)
    if len(numbers) > 1:
        train, validation = split_groups(sizes, test_size, random)
        return whole.of(numbers[train]), whole.of(numbers[validation])
    count = whole.count
    first = count - test_count(test_size, count)
    return whole.within(0, first), whole.within(first, count)


def passes(whole: Stretches, fraction: float, random: np.random.Generator) -> list[Stretches]:
    """The passes over stretches, each in order.

    Args:
        whole: All stretches.
        fraction: 1 is one pass; 2.5 two whole ones and half of the records: random groups, and of the last of them a
            random stretch.
        random: Draws groups and stretches.

    Raises:
        ParameterError: ``fraction`` is not a finite number above 0.
    """
    times, part = whole_and_part(fraction)
    if not part:
        return [whole] * times
    return [*[whole] * times, _share(whole, share_of(whole.count, part), random)]


def _share(whole: Stretches, wanted: int, random: np.random.Generator) -> Stretches:
    """So many records: groups at random, and of the last of them a random stretch."""
    numbers, sizes = _sizes(whole)
    order = random.permutation(len(numbers))
    held = np.cumsum(sizes[order])
    last = int(np.searchsorted(held, wanted))
    rest = wanted - (int(held[last - 1]) if last else 0)
    partly = whole.of(numbers[order[last : last + 1]])
    first = int(random.integers(partly.count - rest + 1))
    return whole.of(numbers[order[:last]]).joined(partly.counted(first, first + rest))


def cut(
    lengths: Ints, whole: Stretches, room: int, cap: int | None, random: np.random.Generator | None = None
) -> tuple[Ints, Ints]:
    """Cut stretches into examples that follow one another.

    Args:
        lengths: Tokens of each record in order.
        whole: The stretches.
        room: Tokens that the records of one example may take.
        cap: The most records of one example; None for no limit.
        random: Draws how far each example is filled; None fills all of them.

    Returns:
        Where in the order each example begins and where it ends, exclusive.
    """
    return windows(lengths, whole.begins, whole.stops, lambda count: budgets(count, room, random), cap)


def budgets(count: int, room: int, random: np.random.Generator | None) -> Ints:
    """Token budgets of some examples.

    Args:
        count: How many.
        room: The largest.
        random: Draws them; None gives the largest.

    Returns:
        int64 ``[count]``, at least 1.
    """
    if random is None:
        return np.full(count, room, dtype=np.int64)
    drawn = room * random.uniform(MIN_FILL_RATIO, MAX_FILL_RATIO, count)
    return np.maximum(drawn.astype(np.int64), 1)


def _sizes(whole: Stretches) -> tuple[Ints, Ints]:
    """The groups, and records of each."""
    numbers, places = np.unique(whole.groups, return_inverse=True)
    sizes = np.bincount(places, weights=whole.stops - whole.begins, minlength=len(numbers))
    return numbers, sizes.astype(np.int64)
