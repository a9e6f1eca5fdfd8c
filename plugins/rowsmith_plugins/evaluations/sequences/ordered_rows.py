"""The rows of groups in their order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.evaluation import EvaluatedColumn, EvaluationTables, Part

__all__ = ["MOST_ROWS", "OrderedRows", "compared_columns", "order_column", "ordered_rows"]

MOST_ROWS = 200_000
"""Rows of each part that are looked at: whole groups."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@frozen(eq=False)
class OrderedRows:
    """The rows of a part, group by group.

    Attributes:
        rows: Rows of the table, those of a group together and in order.
        groups: The number of each of these rows' group.
        first: The rows that are followed by another of their group.
        following: The rows that follow these.
        step_groups: The groups of both.
        lengths: Rows of each group.
    """

    rows: Ints
    groups: Ints
    first: Ints
    following: Ints
    step_groups: Ints
    lengths: Ints


def order_column(tables: EvaluationTables) -> EvaluatedColumn | None:
    """The column that orders rows, or of times; None without one, or where it has no numbers."""
    name = tables.order_by or tables.time_column
    column = tables.column(name) if name is not None else None
    return column if column is not None and column.positions is not None else None


def compared_columns(tables: EvaluationTables) -> tuple[EvaluatedColumn, ...]:
    """All columns but those that group, order or time the rows."""
    return tuple(
        column
        for column in tables.columns
        if column.name not in (*tables.group_by, tables.order_by, tables.time_column)
    )


def ordered_rows(tables: EvaluationTables, part: Part, *, as_written: bool = False) -> OrderedRows:
    """Bring the rows of a part in order.

    Args:
        tables: The tables; one series where there are no groups.
        part: Whose rows.
        as_written: Leave the rows of a group in the order of the table; else they are sorted by the order column, if
            there is one.
    """
    groups = tables.groups.get(part, np.zeros(tables.sizes[part], dtype=np.int64))
    column = None if as_written else order_column(tables)
    rows = np.argsort(groups, kind="stable") if column is None else np.lexsort((column.numbers(part), groups))
    sorted_groups = groups[rows]
    same = np.flatnonzero(sorted_groups[1:] == sorted_groups[:-1])
    return OrderedRows(
        rows=rows,
        groups=sorted_groups,
        first=rows[same],
        following=rows[same + 1],
        step_groups=sorted_groups[same],
        lengths=np.bincount(groups).astype(np.int64),
    )
