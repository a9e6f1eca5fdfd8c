"""How often each value of a column occurs, and whether numbers count as continuous."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.table.columns import count_codes, distinct

__all__ = ["Counted", "count_values", "is_wide", "nearest"]


@frozen(eq=False)
class Counted:
    """A column by its distinct values.

    Attributes:
        values: The spelled values that occur.
        codes: ``int32[n]``, the place of each row's value; -1 for null.
        counts: ``int64``, the rows of each value, at least 1.
    """

    values: list[str]
    codes: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]

    @property
    def rows(self) -> int:
        """Rows that are not null."""
        return int(self.counts.sum())


def count_values(columns: pa.Table, name: str) -> Counted:
    """Count the values of a column of a spelled table."""
    values, codes = distinct(columns, name)
    return Counted(values, codes, count_codes(codes, len(values)))


def is_wide(counts: npt.NDArray[np.int64], max_values: int) -> bool:
    """Whether a numeric column has too many values for one token a value.

    It has when there are more than ``max_values``, unless values that 10 rows or more have cover nine
    tenths of the rows (a price list, not a measurement) and are no more than five times as many; or at
    least 50 and those that 10 rows or more have cover less than half of the rows; or, for short tables,
    at least 20 and those that 5 rows or more have cover less than half.

    Args:
        counts: The rows of each distinct value, nulls left out.
        max_values: The most values that get a token of their own without covering the rows.
    """
    rows = int(counts.sum())

    def covers(share: float, times: int) -> bool:
        return int(counts[counts >= times].sum()) >= share * rows

    if len(counts) > max_values:
        return not (covers(0.9, 10) and int((counts >= 10).sum()) <= 5 * max_values)
    return (len(counts) >= 50 and not covers(0.5, 10)) or (len(counts) >= 20 and not covers(0.5, 5))


def nearest(values: npt.NDArray[np.float64], grid: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Where in the ascending ``grid`` the number nearest to each value is; the lower one on a tie."""
    right = np.searchsorted(grid, values).clip(0, len(grid) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(np.abs(values - grid[left]) <= np.abs(grid[right] - values), left, right).astype(np.int64)
