"""Bounds of groups in a table of grouped rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.errors import DataError
from rowsmith.sequences import group_numbers, groups_begun_by
from rowsmith.table.columns import distinct

__all__ = ["Bounds", "bounds_of_columns", "bounds_of_firsts", "check_order"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@frozen(eq=False)
class Bounds:
    """The groups of a table's rows.

    Attributes:
        first: Whether each row is the first of its group.
        starts: The number of each group's first row.
        groups: The number of each row's group, from 0.
    """

    first: Mask
    starts: Ints
    groups: Ints

    def begin(self) -> Ints:
        """The number of the first row of each row's group."""
        return self.starts[self.groups] if len(self.groups) else self.groups


def bounds_of_firsts(first: Mask) -> Bounds:
    """Bounds from a mask of the first rows of groups; row 0 always is one."""
    first = first.copy()
    first[:1] = True
    return Bounds(first, np.flatnonzero(first), groups_begun_by(first))


def bounds_of_columns(columns: pa.Table, names: Sequence[str]) -> Bounds:
    """The bounds of a table by the values of some columns; without any, all rows are one group.

    Args:
        columns: A spelled table; rows of equal values are consecutive.
        names: The columns.

    Raises:
        DataError: A value is missing, or rows of a group are not consecutive.
    """
    codes = {name: distinct(columns, name)[1] for name in names}
    groups = group_numbers(codes, columns.num_rows, "data.group_training_examples_by")
    first = np.diff(groups, prepend=-1) != 0
    bounds = bounds_of_firsts(first)
    # A group that has appeared before has a smaller number than the current group.
    again = np.flatnonzero(groups[bounds.starts] != np.arange(len(bounds.starts)))
    if len(again):
        raise DataError(
            f"row {bounds.starts[again[0]] + 1}: rows of the same {', '.join(map(repr, names))} are not consecutive; "
            "sort the table by group"
        )
    return bounds


def check_order(ticks: Ints, bounds: Bounds, column: str) -> None:
    """Check that the order never decreases inside a group.

    Raises:
        DataError: It does; the message names the row.
    """
    back = np.flatnonzero((ticks[1:] < ticks[:-1]) & ~bounds.first[1:])
    if len(back):
        raise DataError(
            f"column {column!r}, row {back[0] + 2}: the value is less than that of the row before it in the same "
            "group; sort the rows of each group by this column first"
        )
