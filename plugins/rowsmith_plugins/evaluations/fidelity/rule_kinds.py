"""Rules between columns: each says in which rows it applies and in which of those it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.evaluation import Part

__all__ = ["Checked", "Holds", "Rule", "decimals_of", "equal", "function_of", "linear", "multiple", "ordered", "total"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Holds = Callable[[Sequence[Array]], tuple[Mask, Mask]]
"""Given the rows' values in each column: where the rule applies, and where it holds."""

_EXACT = 1e-9
_MOST_DIGITS = 6


@frozen(kw_only=True)
class Checked:
    """In how many rows a rule holds.

    Attributes:
        rows: Rows in which it applies.
        share: The share of them in which it holds; 1 where it applies to none.
    """

    rows: int
    share: float


@frozen(eq=False, kw_only=True)
class Rule:
    """A rule that real rows follow.

    Attributes:
        kind: What it is, such as ``equality``.
        columns: Its columns.
        words: It in words.
        holds: Where it applies and holds.
    """

    kind: str
    columns: tuple[str, ...]
    words: str
    holds: Holds

    def checked(self, values: Mapping[str, Mapping[Part, Array]], part: Part) -> Checked:
        """How many rows of a part follow it."""
        return self._count([values[name][part] for name in self.columns])

    def by_chance(self, values: Mapping[str, Mapping[Part, Array]], generator: np.random.Generator) -> Checked:
        """How many real rows would follow it if its columns had nothing to do with each other."""
        arrays = [values[name][Part.REAL] for name in self.columns]
        return self._count([*arrays[:-1], generator.permutation(arrays[-1])])

    def _count(self, arrays: Sequence[Array]) -> Checked:
        applies, holds = self.holds(arrays)
        rows = int(applies.sum())
        return Checked(rows=rows, share=float((holds & applies).sum() / rows) if rows else 1.0)


def _finite(arrays: Sequence[Array]) -> Mask:
    return np.asarray(np.logical_and.reduce([np.isfinite(each) for each in arrays]))


def equal(arrays: Sequence[Array]) -> tuple[Mask, Mask]:
    """Both columns have the same value."""
    return _finite(arrays), arrays[0] == arrays[1]


def ordered(strict: bool) -> Holds:
    """The first column is below the second one, or equal to it unless ``strict``."""

    def holds(arrays: Sequence[Array]) -> tuple[Mask, Mask]:
        return _finite(arrays), arrays[0] < arrays[1] if strict else arrays[0] <= arrays[1]

    return holds


def total(operation: Callable[[Array, Array], Array], neutral: float, digits: int) -> Holds:
    """The third column is the sum or product of the first two.

    Args:
        operation: Addition or multiplication.
        neutral: The number that leaves others as they are; rows with it, or zero, prove nothing.
        digits: Digits after the point to which the third column is rounded.
    """

    def holds(arrays: Sequence[Array]) -> tuple[Mask, Mask]:
        first, second, third = arrays
        with np.errstate(over="ignore", invalid="ignore"):
            wanted = operation(first, second)
        informative = (first != neutral) & (second != neutral) & (first != 0) & (second != 0)
        return _finite(arrays) & informative, _close(wanted, third, 10.0**-digits)

    return holds


def linear(slope: float, offset: float, digits: tuple[int, int]) -> Holds:
    """The second column is a multiple of the first one and a constant.

    Args:
        slope: The factor.
        offset: The constant.
        digits: Digits after the point to which each column is rounded.
    """
    step = 10.0 ** -digits[1] + abs(slope) * 10.0 ** -digits[0] * (abs(slope) < 1)

    def holds(arrays: Sequence[Array]) -> tuple[Mask, Mask]:
        with np.errstate(over="ignore", invalid="ignore"):
            wanted = slope * arrays[0] + offset
        return _finite(arrays), _close(wanted, arrays[1], step)

    return holds


def _close(first: Array, second: Array, step: float) -> Mask:
    """Equal but for rounding to a step; rows beyond rounding differ."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.abs(first - second) <= step * 0.505 + _EXACT * np.abs(second))


def function_of(values: Array, known: Mask) -> Holds:
    """The second column is what the first one says.

    Args:
        values: For each code of the first column the second one's.
        known: Which codes of the first column have enough real rows.
    """

    def holds(arrays: Sequence[Array]) -> tuple[Mask, Mask]:
        codes = arrays[0].astype(np.int64)
        return known[codes], values[codes] == arrays[1]

    return holds


def multiple(step: float) -> Holds:
    """Numbers other than zero are multiples of a step."""

    def holds(arrays: Sequence[Array]) -> tuple[Mask, Mask]:
        with np.errstate(over="ignore", invalid="ignore"):
            parts = arrays[0] / step
            return np.isfinite(parts) & (parts != 0), np.abs(parts - np.round(parts)) <= _EXACT * np.abs(parts) + 1e-6

    return holds


def decimals_of(numbers: Array) -> int:
    """Digits after the point that nearly all numbers have at most; six where they have more."""
    numbers = numbers[np.isfinite(numbers)][:2000]
    for digits in range(_MOST_DIGITS):
        # Rounding multiplies, and numbers that are too large for it have no digits after the point.
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = np.round(numbers, digits)
            exact = ~np.isfinite(rounded) | (np.abs(rounded - numbers) <= _EXACT * np.abs(numbers))
        if len(exact) and exact.mean() >= 0.99:
            return digits
    return _MOST_DIGITS
