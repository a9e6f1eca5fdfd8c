"""What a report may show of the real rows: nothing that fewer than k rows, or too few groups, have.

In grouped tables a group is usually one person, whose values may fill many rows; so groups count, too (see
``rowsmith.transforms.holders``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rowsmith.evaluation.tables import EvaluatedColumn, EvaluationTables, Part
from rowsmith.transforms.holders import groups_needed, groups_of_values

__all__ = ["shared_cells", "shared_ends", "shared_labels"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def shared_labels(column: EvaluatedColumn, tables: EvaluationTables) -> Mask:
    """Which labels of a column enough real rows and groups have, ``bool[labels]``."""
    return shared_cells(column.codes[Part.REAL].astype(np.int64), len(column.labels), tables)


def shared_cells(cells: Ints, size: int, tables: EvaluationTables) -> Mask:
    """Which cells of a count enough real rows and groups are in.

    Args:
        cells: The cell of each real row; -1 for none.
        size: Number of cells.
        tables: The tables; they say how many rows and groups are enough.

    Returns:
        ``bool[size]``.
    """
    rows = np.bincount(cells[cells >= 0], minlength=size)
    groups = tables.groups.get(Part.REAL)
    if groups is None:
        return np.asarray(rows >= tables.k)
    return np.asarray(
        (rows >= tables.k) & (groups_of_values(cells.astype(np.int32), groups, size) >= _needed(tables, groups))
    )


def shared_ends(values: Floats, tables: EvaluationTables) -> tuple[float, float] | None:
    """The least and the greatest value at or beyond which there are enough real rows and groups.

    Args:
        values: A value for each real row; NaN for none.
        tables: The tables; they say how many rows and groups are enough.

    Returns:
        Both ends, the lower one first; None where no value has enough rows on both sides.
    """
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    groups = tables.groups.get(Part.REAL)
    indices = [_enough(order if groups is None else groups[order], tables, groups) for order in (order, order[::-1])]
    if len(order) == 0 or max(indices) >= len(order):
        return None
    low, high = float(values[order[indices[0]]]), float(values[order[len(order) - 1 - indices[1]]])
    return (low, high) if low <= high else None


def _enough(members: Ints, tables: EvaluationTables, groups: Ints | None) -> int:
    """The index of the row with which there are enough rows and groups, in the order of the rows."""
    if groups is None:
        return tables.k - 1
    firsts = np.sort(np.unique(members, return_index=True)[1])
    needed = _needed(tables, groups)
    return max(tables.k - 1, int(firsts[needed - 1]) if len(firsts) >= needed else len(members))


def _needed(tables: EvaluationTables, groups: Ints) -> int:
    return groups_needed(int(groups.max(initial=-1)) + 1, tables.k)
