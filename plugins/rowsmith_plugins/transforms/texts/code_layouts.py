"""Codes such as ``A-017``: a number between a prefix and a suffix that many codes share.

A *layout* is the text before and after the number, and the digits to which it is filled with zeros. The numbers of a
layout are positions: if they fill half of their range, the numbers themselves. If they are few, far apart and repeated,
as names of firms or patients are, positions count them: on inversion each position becomes a different number, the
exact one if enough rows have it, else one between means of neighbouring numbers. So codes repeat as often as in
training, and a code of few rows is replaced by a new one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from rowsmith_plugins.transforms.common.counting import Counted, nearest

__all__ = ["RUNS", "CodeLayout", "Parts", "find_layouts", "parts_of"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Parts = tuple[str, str, str]

RUNS = ("last", "longest")
"""Which digits of a code are its number."""

_DIGITS = re.compile(r"[0-9]+")
_MOST_DIGITS = 15
_COVERED = 0.9
_MOST_LAYOUTS = 64
_FILLED = 0.5
_REPEATED = 1.5


@frozen(kw_only=True)
class CodeLayout:
    """A layout of codes: prefix, number and suffix.

    Attributes:
        prefix: The text before the number.
        suffix: The text after it.
        width: Digits to which it is filled with zeros.
        low: The lowest position.
        high: The greatest.
        slots: Positions with known numbers, empty if positions are the numbers; the name is saved in bundles.
        numbers: The known numbers.
        exact: Positions of numbers of enough rows, which no other number takes.
    """

    prefix: str
    suffix: str
    width: int
    low: int
    high: int
    slots: tuple[float, ...] = ()
    numbers: tuple[float, ...] = ()
    exact: tuple[int, ...] = ()

    def position(self, number: int) -> int | None:
        """The position of a number, the nearest one if it has none; None for a number beyond the ends."""
        position, known = number, number
        if not self.spelled(self.low) <= number <= self.spelled(self.high):
            return None
        if self.slots:
            position = int(nearest(np.array([number], dtype=np.float64), _numbers(self))[0])
            known = int(_numbers(self)[position])
        if position in self.exact and known != number:
            position += 1 if number > known else -1
        return min(max(position, self.low), self.high)

    def spell(self, position: int) -> str:
        """The code at a position, the nearest one within the ends."""
        number = self.spelled(min(max(position, self.low), self.high))
        return f"{self.prefix}{str(number).zfill(self.width)}{self.suffix}"

    def spelled(self, position: int) -> int:
        """The number at a position."""
        return int(_numbers(self)[position]) if self.slots else position

    def writes(self, digits: str) -> bool:
        """Whether the layout writes a number with these digits."""
        return len(digits) <= _MOST_DIGITS and str(int(digits)).zfill(self.width) == digits


@functools.lru_cache(maxsize=256)
def _numbers(layout: CodeLayout) -> npt.NDArray[np.float64]:
    """The number at each position; adjacent numbers differ by at least one, as knots do."""
    between = np.interp(np.arange(layout.high + 1), layout.slots, layout.numbers)
    found: npt.NDArray[np.float64] = np.floor(between + 0.5)
    return found


def parts_of(code: str, run: str) -> Parts | None:
    """Split a code into the text before its number, the digits, and the text after; None if it has no number."""
    runs = list(_DIGITS.finditer(code))
    if not runs:
        return None
    chosen = runs[-1] if run == "last" else max(runs, key=lambda each: len(each.group()))
    return code[: chosen.start()], chosen.group(), code[chosen.end() :]


def find_layouts(counted: Counted, k: int) -> tuple[str, tuple[CodeLayout, ...]] | None:
    """Find the layouts of a column of codes, the most frequent first, and which digits are their numbers.

    Args:
        counted: The column's values.
        k: The least number of rows of a value that is repeated unchanged; a layout has at least twice as many.

    Returns:
        None where layouts, and other values that k rows have, do not make up nearly all rows.
    """
    shared, having = counted.shared(k), _groups_of(counted)
    for run in RUNS:
        groups: dict[tuple[str, str], dict[int, str]] = {}
        for index, value in enumerate(counted.values):
            parts = parts_of(value, run)
            if parts is not None:
                groups.setdefault((parts[0], parts[2]), {})[index] = parts[1]
        found = [each for key, digits in groups.items() for each in _fitted(key, digits, counted, having, k)]
        found.sort(key=lambda each: -each[1])
        held = {index for *_, indices in found for index in indices}
        others = sum(int(counted.counts[index]) for index in np.flatnonzero(shared).tolist() if index not in held)
        rows = sum(each[1] for each in found)
        if 0 < len(found) <= _MOST_LAYOUTS and rows >= others and rows + others >= _COVERED * counted.rows:
            return run, tuple(layout for layout, *_ in found)
    return None


def _fitted(
    key: tuple[str, str], digits: Mapping[int, str], counted: Counted, having: Sequence[Ints] | None, k: int
) -> Iterator[tuple[CodeLayout, int, list[int]]]:
    """The layout of codes that differ in their digits alone, its rows and values; none if they are few."""
    width = min(map(len, digits.values()))
    plain = CodeLayout(prefix=key[0], suffix=key[1], width=width, low=0, high=0)
    indices = [index for index, each in digits.items() if plain.writes(each)]
    counts = counted.counts[indices]
    if len(indices) < 2 or len(indices) < len(digits) or counts.sum() < 2 * k:
        return
    numbers = np.array([int(digits[index]) for index in indices], dtype=np.int64)
    order = np.argsort(numbers)
    low, high = _chosen(indices, counts, having).ends(order, k)
    within = order[(numbers[order] >= numbers[low]) & (numbers[order] <= numbers[high])]
    if len(within) < 2:
        return
    shared = counted.shared(k)[indices]
    yield _layout(plain, numbers[within], counts[within], shared[within], k), int(counts.sum()), indices


def _groups_of(counted: Counted) -> Sequence[Ints] | None:
    """The groups that have each value; None if only rows count."""
    if counted.groups is None:
        return None
    size, known = len(counted.values), counted.codes >= 0
    pairs = np.unique(counted.codes[known].astype(np.int64) * (counted.groups.max() + 1) + counted.groups[known])
    values, groups = np.divmod(pairs, counted.groups.max() + 1)
    return np.split(groups, np.searchsorted(values, np.arange(1, size)))


def _chosen(indices: list[int], counts: Ints, having: Sequence[Ints] | None) -> Counted:
    """Some values of a column, with a row for each group that has one."""
    if having is None:
        return Counted([""] * len(indices), np.zeros(0, dtype=np.int32), counts)
    groups = [having[index] for index in indices]
    codes = np.repeat(np.arange(len(indices), dtype=np.int32), [len(each) for each in groups])
    return Counted([""] * len(indices), codes, counts, np.concatenate(groups))


def _layout(plain: CodeLayout, numbers: Ints, counts: Ints, shared: Mask, k: int) -> CodeLayout:
    """Add the known numbers, ascending, to a layout."""
    span = int(numbers[-1] - numbers[0]) + 1
    if len(numbers) > _FILLED * span or counts.sum() < _REPEATED * len(numbers):
        return evolve(plain, low=int(numbers[0]), high=int(numbers[-1]))
    positions, known = zip(*_knots(numbers, counts, shared, k), strict=True)
    exact = tuple(np.flatnonzero(shared).tolist())
    return evolve(plain, high=len(numbers) - 1, slots=positions, numbers=known, exact=exact)


def _knots(numbers: Ints, counts: Ints, shared: Mask, k: int) -> list[tuple[float, float]]:
    """Numbers of at least k rows by position, and means of at least k rows of the numbers between."""
    last, knots, block = len(numbers) - 1, list[tuple[float, float]](), list[int]()
    for at in range(len(numbers)):
        # The ends are the numbers of the k-th lowest and highest row.
        if at in (0, last) or shared[at]:
            knots.append((float(at), float(numbers[at])))
            block = []
            continue
        block.append(at)
        if counts[block].sum() >= k and len(block) > 1:
            knots.append((float(np.mean(block)), float(np.mean(numbers[block]))))
            block = []
    return knots
