"""Segments of consecutive records: how series are split, sampled and cut into examples."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from rowsmith.assembly.ranges import Rows
from rowsmith.assembly.token_store import Ints
from rowsmith.table.row_ranges import range_indices
from rowsmith_assemblers.groups import Groups
from rowsmith_assemblers.packing import windows
from rowsmith_assemblers.sampling import share_of, split_groups, test_count, whole_and_part

__all__ = ["MAX_FILL_RATIO", "MIN_FILL_RATIO", "Segments", "budgets", "cut", "find_segments", "passes", "split"]

MIN_FILL_RATIO = 0.7
MAX_FILL_RATIO = 1.0
"""Bounds of the share of the context that a training example fills; drawn for each example."""


@frozen(eq=False)
class Segments:
    """Segments of consecutive records of one group.

    Attributes:
        begins: Where in the order each begins, ascending; int64 ``[k]``.
        stops: Where it ends, exclusive; int64 ``[k]``.
        groups: The number of its group; int64 ``[k]``.
    """

    begins: Ints
    stops: Ints
    groups: Ints

    @property
    def indices(self) -> Ints:
        """Indices into the order of all their records."""
        return range_indices(self.begins, self.stops - self.begins)

    @property
    def count(self) -> int:
        """Number of records."""
        return int((self.stops - self.begins).sum())

    @property
    def ends(self) -> Ints:
        """Where in the order the last segment of each group ends, exclusive; ascending."""
        last = np.append(self.groups[1:] != self.groups[:-1], True)[: len(self.groups)]
        ends: Ints = self.stops[last]
        return ends

    def of(self, groups: Ints) -> Segments:
        """The segments of some groups."""
        chosen = np.isin(self.groups, groups)
        return Segments(self.begins[chosen], self.stops[chosen], self.groups[chosen])

    def within(self, start: int, stop: int) -> Segments:
        """The parts between two indices."""
        begins, stops = np.maximum(self.begins, start), np.minimum(self.stops, stop)
        chosen = begins < stops
        return Segments(begins[chosen], stops[chosen], self.groups[chosen])

    def counted(self, first: int, last: int) -> Segments:
        """The parts with the records from ``first`` to ``last``, exclusive, counted over all segments."""
        lengths = self.stops - self.begins
        before = np.cumsum(lengths) - lengths
        begins = self.begins + np.clip(first - before, 0, lengths)
        stops = self.begins + np.clip(last - before, 0, lengths)
        chosen = begins < stops
        return Segments(begins[chosen], stops[chosen], self.groups[chosen])

    def joined(self, others: Segments) -> Segments:
        """The union with other segments, in order."""
        begins = np.concatenate([self.begins, others.begins])
        order = np.argsort(begins)
        stops, groups = np.concatenate([self.stops, others.stops]), np.concatenate([self.groups, others.groups])
        return Segments(begins[order], stops[order], groups[order])


def find_segments(groups: Groups, fits: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[Rows, Segments]:
    """Leave records out; a record that is left out ends a segment.

    Args:
        groups: All records.
        fits: Mask of the records to retain, by record number; bool ``[n]``.

    Returns:
        The retained records, in order, and their segments.
    """
    indices = np.flatnonzero(fits[groups.order])
    numbers = np.searchsorted(groups.bounds, indices, side="right") - 1
    cuts = np.flatnonzero((np.diff(indices) > 1) | (np.diff(numbers) > 0)) + 1
    begins = np.concatenate([np.zeros(min(1, len(indices)), dtype=np.int64), cuts])
    order = groups.order if len(indices) == len(groups.order) else groups.order[indices]
    return order, Segments(begins, np.append(begins[1:], len(indices))[: len(begins)], numbers[begins])


def split(whole: Segments, test_size: float | None, random: np.random.Generator) -> tuple[Segments, Segments]:
    """Split off whole groups for validation, or the end of a single series.

    Args:
        whole: All segments.
        test_size: As in ``sampling.test_count``, in records.
        random: Draws the validation groups.

    Returns:
        The segments to train on and those for validation, both in order.

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


def passes(whole: Segments, fraction: float, random: np.random.Generator) -> list[Segments]:
    """The passes over segments, each in order.

    Args:
        whole: All segments.
        fraction: 1 is one pass; 2.5 two whole ones and half of the records: random groups, and of the last of them a
            random segment.
        random: Draws groups and segments.

    Raises:
        ParameterError: ``fraction`` is not a finite number above 0.
    """
    times, part = whole_and_part(fraction)
    if not part:
        return [whole] * times
    return [*[whole] * times, _share(whole, share_of(whole.count, part), random)]


def _share(whole: Segments, wanted: int, random: np.random.Generator) -> Segments:
    """A number of records: random groups, and a random segment of the last one."""
    numbers, sizes = _sizes(whole)
    order = random.permutation(len(numbers))
    held = np.cumsum(sizes[order])
    last = int(np.searchsorted(held, wanted))
    rest = wanted - (int(held[last - 1]) if last else 0)
    partly = whole.of(numbers[order[last : last + 1]])
    first = int(random.integers(partly.count - rest + 1))
    return whole.of(numbers[order[:last]]).joined(partly.counted(first, first + rest))


def cut(
    lengths: Ints, whole: Segments, room: int, cap: int | None, random: np.random.Generator | None = None
) -> tuple[Ints, Ints]:
    """Cut segments into consecutive examples.

    Args:
        lengths: Tokens of each record in order.
        whole: The segments.
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
        count: Number of examples.
        room: The largest.
        random: Draws them; None gives the largest.

    Returns:
        int64 ``[count]``, at least 1.
    """
    if random is None:
        return np.full(count, room, dtype=np.int64)
    drawn = room * random.uniform(MIN_FILL_RATIO, MAX_FILL_RATIO, count)
    return np.maximum(drawn.astype(np.int64), 1)


def _sizes(whole: Segments) -> tuple[Ints, Ints]:
    """The groups, and the number of records of each."""
    numbers, indices = np.unique(whole.groups, return_inverse=True)
    sizes = np.bincount(indices, weights=whole.stops - whole.begins, minlength=len(numbers))
    return numbers, sizes.astype(np.int64)
