"""Counts of rows and groups by value, and the test for continuous numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import evolve, frozen

from rowsmith.sequences import groups_begun_by
from rowsmith.table.columns import combined_codes, count_codes, distinct
from rowsmith.table.schema import TableSchema, TimingRole
from rowsmith.transforms.holders import FEWEST_GROUPS, groups_needed, groups_of_values

__all__ = [
    "Counted",
    "count_shared",
    "count_values",
    "is_wide",
    "nearest",
    "record_groups",
    "row_groups",
    "without_outer_groups",
]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@frozen(eq=False)
class Counted:
    """A column by its distinct values.

    Attributes:
        values: The spelled values that occur.
        codes: ``int32[n]``, the index of each row's value; -1 for null.
        counts: ``int64``, the rows of each value, at least 1.
        groups: The number of each row's group; None for plain tables.
    """

    values: list[str]
    codes: npt.NDArray[np.int32]
    counts: Ints
    groups: Ints | None = None

    @property
    def rows(self) -> int:
        """Rows that are not null."""
        return int(self.counts.sum())

    def joined(self, new_codes: Ints, size: int) -> Counted:
        """Merge values; the new values have no text.

        Args:
            new_codes: The new code of each value.
            size: Number of new values.
        """
        codes = np.append(new_codes, -1)[self.codes].astype(np.int32)
        counts = np.bincount(new_codes, weights=self.counts, minlength=size).astype(np.int64)
        return Counted([""] * size, codes, counts, self.groups)

    def shared(self, k: int) -> Mask:
        """Mask of values that k rows have, and enough groups of them (see ``rowsmith.transforms.holders``)."""
        enough: Mask = self.counts >= k
        if self.groups is None:
            return enough
        needed = groups_needed(int(self.groups.max(initial=-1)) + 1, k)
        return enough & (groups_of_values(self.codes, self.groups, len(self.values)) >= needed)

    def ends(self, order: Ints, k: int) -> tuple[int, int]:
        """Indices of the k-th lowest and k-th highest row's value; rows beyond either belong to at least two groups.

        Args:
            order: Indices of the values, lowest first; at least one.
            k: At least 1.
        """
        low, high = kth_extremes(order, self.counts, k)
        if self.groups is None:
            return low, high
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.arange(len(order))
        known = self.codes >= 0
        rows, groups = ranks[self.codes[known]], self.groups[known]
        lowest, highest = (np.full(int(groups.max()) + 1, end, dtype=np.int64) for end in (len(order), -1))
        np.minimum.at(lowest, groups, rows)
        np.maximum.at(highest, groups, rows)
        lowest, highest = np.sort(lowest[highest >= 0]), np.sort(highest[highest >= 0])
        if len(lowest) > 1:
            first, last = max(ranks[low], lowest[1]), min(ranks[high], highest[-2])
            low, high = int(order[min(first, last)]), int(order[last])
        return low, high


def kth_extremes(order: Ints, counts: Ints, k: int) -> tuple[int, int]:
    """Indices of the k-th lowest and k-th highest value, counting rows.

    Args:
        order: Indices of the values, lowest first; at least one.
        counts: The rows of each value.
        k: At least 1.

    Returns:
        Two indices; both are the median's if there are too few rows for a range.
    """
    cumulated = np.cumsum(counts[order])
    rows = int(cumulated[-1])
    first, last = (k - 1, rows - k) if rows >= 2 * k else ((rows - 1) // 2, (rows - 1) // 2)
    low, high = np.searchsorted(cumulated, [first, last], side="right")
    return int(order[low]), int(order[high])


def count_values(columns: pa.Table, name: str) -> Counted:
    """Count the values of a column of a spelled table."""
    values, codes = distinct(columns, name)
    return Counted(values, codes, count_codes(codes, len(values)))


def count_shared(columns: pa.Table, name: str, groups: Ints | None) -> Counted:
    """Count the values of a column, and the groups that have them.

    Args:
        columns: A spelled table.
        name: The column.
        groups: The number of each row's group, from 0; None for plain tables.
    """
    counted = count_values(columns, name)
    if groups is None or int(groups.max(initial=-1)) + 1 < FEWEST_GROUPS:
        return counted
    return evolve(counted, groups=groups)


def without_outer_groups(numbers: Ints, groups: Ints) -> Ints:
    """Clip numbers so that at least two groups are at either end.

    Args:
        numbers: The number of each row, at least one.
        groups: The number of each row's group.
    """
    ids, indices = np.unique(groups, return_inverse=True)
    if len(ids) < FEWEST_GROUPS:
        return numbers
    lowest, highest = (np.full(len(ids), end, dtype=np.int64) for end in (numbers.max(), numbers.min()))
    np.minimum.at(lowest, indices, numbers)
    np.maximum.at(highest, indices, numbers)
    return numbers.clip(np.sort(lowest)[1], np.sort(highest)[-2])


def record_groups(columns: pa.Table, schema: TableSchema) -> Ints | None:
    """The number of each record's group, after the transform ``groups``; None for plain tables.

    Args:
        columns: A spelled table.
        schema: Its schema.
    """
    for column in schema:
        if column.timing is not None and column.timing.role is TimingRole.STEP:
            return groups_begun_by(distinct(columns, column.name)[1] < 0)
    return None


def row_groups(columns: pa.Table, schema: TableSchema, names: Sequence[str]) -> Ints | None:
    """The number of each row's group, before or after the transform ``groups``; None for plain tables.

    Args:
        columns: A spelled table.
        schema: Its schema.
        names: The columns that group the run's rows.
    """
    found = record_groups(columns, schema)
    if found is not None or not names or not set(names) <= set(schema.names):
        return found
    return combined_codes(columns, names)


def is_wide(counts: Ints, max_values: int) -> bool:
    """Whether a numeric column has too many values for one token per value.

    It has if there are more than ``max_values``, unless values that 10 rows or more have cover nine
    tenths of the rows (a price list, not a measurement) and are no more than five times as many; or at
    least 50 and those that 10 rows or more have cover less than half of the rows; or, for short tables,
    at least 20 and those that 5 rows or more have cover less than half.

    Args:
        counts: The rows of each distinct value, without nulls.
        max_values: The most values that each have a token without covering the rows.
    """
    rows = int(counts.sum())

    def covers(share: float, times: int) -> bool:
        return int(counts[counts >= times].sum()) >= share * rows

    if len(counts) > max_values:
        return not (covers(0.9, 10) and int((counts >= 10).sum()) <= 5 * max_values)
    return (len(counts) >= 50 and not covers(0.5, 10)) or (len(counts) >= 20 and not covers(0.5, 5))


def nearest(values: npt.NDArray[np.float64], grid: npt.NDArray[np.float64]) -> Ints:
    """Index of the number in the ascending ``grid`` nearest to each value; the lower one on a tie."""
    right = np.searchsorted(grid, values).clip(0, len(grid) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(np.abs(values - grid[left]) <= np.abs(grid[right] - values), left, right).astype(np.int64)
