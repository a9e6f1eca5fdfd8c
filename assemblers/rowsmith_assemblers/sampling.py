"""The validation split, and the training order of the other records."""

from __future__ import annotations

import math

import numpy as np

from rowsmith.assembly.ranges import Rows
from rowsmith.assembly.token_store import Ints
from rowsmith.errors import ParameterError

__all__ = [
    "group_passes",
    "passes",
    "sample_groups",
    "share_of",
    "split",
    "split_groups",
    "test_count",
    "whole_and_part",
]

_DIGITS = 9
"""Digits to which a share of records is rounded, so that 0.1 of 30 is 3 and not 4."""


def test_count(test_size: float | None, count: int) -> int:
    """Number of validation records among ``count`` records.

    Args:
        test_size: A float below 1 is a share, rounded up but leaving one record to train on; an integer
            is a number of records; None is none.
        count: Number of records.

    Raises:
        ParameterError: It is negative, a float of 1 or more, or leaves no record to train on.
    """
    if test_size is None:
        return 0
    if isinstance(test_size, bool) or not math.isfinite(test_size) or test_size < 0:
        raise ParameterError(f"test_size is {test_size!r}; give a share below 1 or a number of records")
    if isinstance(test_size, float) and test_size >= 1:
        raise ParameterError(f"test_size is {test_size}; a float is a share below 1, a number of records has no point")
    if isinstance(test_size, float):
        return min(share_of(count, test_size), count - 1)
    if test_size >= count > 0:
        raise ParameterError(
            f"test_size is {test_size} records and the dataset has {count}: none would be left to train on. "
            f"Give at most {count - 1}, or a share below 1"
        )
    return int(test_size)


def split(rows: Rows, test_size: float | None, random: np.random.Generator) -> tuple[Rows, Rows]:
    """Split records at random.

    Args:
        rows: Record numbers.
        test_size: As in ``test_count``.
        random: Draws the validation records.

    Returns:
        The records to train on, in their order, and the validation records, in random order.

    Raises:
        ParameterError: As in ``test_count``.
    """
    count = test_count(test_size, len(rows))
    if not count:
        return rows, rows[:0]
    chosen = random.permutation(len(rows))[:count]
    rest = np.ones(len(rows), dtype=bool)
    rest[chosen] = False
    return rows[rest], rows[chosen]


def passes(rows: Rows, fraction: float, random: np.random.Generator) -> list[Rows]:
    """The passes over the records, each in its own random order.

    Args:
        rows: Record numbers.
        fraction: 1 is one pass; 2.5 two whole ones and a random half; 0.5 a random half.
        random: Shuffles.

    Returns:
        Record numbers of each pass; none occurs twice in one pass.

    Raises:
        ParameterError: ``fraction`` is not a finite number above 0.
    """
    whole, part = whole_and_part(fraction)
    partial = share_of(len(rows), part)
    orders = [random.permutation(rows) for _ in range(whole)]
    return [*orders, random.permutation(rows)[:partial]] if partial else orders


def split_groups(sizes: Ints, test_size: float | None, random: np.random.Generator) -> tuple[Ints, Ints]:
    """Split whole groups at random, as close as possible to the requested number of records.

    Args:
        sizes: Records of each group; int64 ``[groups]``.
        test_size: As in ``test_count``, in records.
        random: Draws the validation groups.

    Returns:
        Numbers of the groups to train on, ascending, and of the validation groups, in random order; a single
        group is for training.

    Raises:
        ParameterError: As in ``test_count``.
    """
    wanted, count = test_count(test_size, int(sizes.sum())), len(sizes)
    if not wanted or count < 2:
        return np.arange(count), np.arange(0)
    chosen = _drawn(sizes, wanted, random)[: count - 1]
    rest = np.ones(count, dtype=bool)
    rest[chosen] = False
    return np.flatnonzero(rest), chosen


def group_passes(groups: Ints, sizes: Ints, fraction: float, random: np.random.Generator) -> list[Ints]:
    """The passes over groups, each in its own random order.

    Args:
        groups: Group numbers.
        sizes: Records of each of them.
        fraction: As in ``passes``, in records; the part of a pass is rounded to whole groups.
        random: Shuffles.

    Returns:
        Group numbers of each pass; none occurs twice in one pass.

    Raises:
        ParameterError: ``fraction`` is not a finite number above 0.
    """
    whole, part = whole_and_part(fraction)
    orders = [random.permutation(groups) for _ in range(whole)]
    return [*orders, groups[sample_groups(sizes, part, random)]] if part else orders


def sample_groups(sizes: Ints, share: float, random: np.random.Generator) -> Ints:
    """Draw whole groups that hold about a share of the records.

    Args:
        sizes: Records of each group.
        share: The share of the records, above 0 and below 1.
        random: Draws.

    Returns:
        Indices of the drawn groups in ``sizes``, in random order; at least one. They hold less than twice the share,
        unless every group does.
    """
    return _drawn(sizes, share_of(int(sizes.sum()), share), random)


def share_of(count: int, share: float) -> int:
    """A share of ``count``, rounded up."""
    return math.ceil(round(share * count, _DIGITS))


def _drawn(sizes: Ints, wanted: int, random: np.random.Generator) -> Ints:
    """Random groups, as close as possible to the requested number of records."""
    # A group of more than twice the requested records would miss by more than no group at all.
    fitting = np.flatnonzero(sizes < 2 * wanted)
    if not len(fitting):
        fitting = np.flatnonzero(sizes == sizes.min())
    order = random.permutation(fitting)
    misses = np.abs(np.cumsum(sizes[order]) - wanted)
    return order[: int(np.argmin(misses)) + 1]


def whole_and_part(fraction: float) -> tuple[int, float]:
    """The number of whole passes, and the share of a last one.

    Args:
        fraction: Number of passes.

    Raises:
        ParameterError: ``fraction`` is not a finite number above 0.
    """
    if not math.isfinite(fraction) or fraction <= 0:
        raise ParameterError(f"data_fraction is {fraction}; give a number above 0, such as 1 for every record once")
    whole = math.floor(fraction)
    return whole, fraction - whole
