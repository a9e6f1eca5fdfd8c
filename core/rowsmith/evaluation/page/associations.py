"""How strongly columns go together, in the real and in the synthetic rows.

The measure is Cramér's V of two binned columns, corrected for bias (Bergsma 2013, "A bias-correction for Cramér's V
and Tschuprow's T"): from 0, independent, to 1, one decides the other. It is the same for numbers and labels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.evaluation.tables import ColumnKind, EvaluatedColumn, EvaluationTables, Part

__all__ = ["AssociationMap", "association_map", "binned"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MOST_COLUMNS = 30
_MOST_ROWS = 20_000
_BINS = 8


@frozen(eq=False, kw_only=True)
class AssociationMap:
    """Associations of pairs of columns.

    Attributes:
        names: The columns.
        real: Cramér's V of each pair, in the real rows; shape (columns, columns).
        synthetic: The same of the synthetic rows.
        left_out: Columns beyond the largest number that is drawn.
    """

    names: tuple[str, ...]
    real: Floats
    synthetic: Floats
    left_out: int


def association_map(tables: EvaluationTables) -> AssociationMap:
    """Associations of the first columns that identify neither rows nor groups, of at most 20,000 rows of each part."""
    usable = [each for each in tables.columns if each.kind is not ColumnKind.KEY and each.name not in tables.group_by]
    names = {column.name for column in usable[:_MOST_COLUMNS]}
    few = tables.sampled(_MOST_ROWS, "associations")
    columns = [column for column in few.columns if column.name in names]
    maps = {part: np.eye(len(columns)) for part in (Part.REAL, Part.SYNTHETIC)}
    codes = [binned(column, _BINS) for column in columns]
    for first in range(len(columns)):
        for second in range(first):
            for part, matrix in maps.items():
                found = _cramers_v(codes[first][part], codes[second][part])
                matrix[first, second] = matrix[second, first] = found
    return AssociationMap(
        names=tuple(column.name for column in columns),
        real=maps[Part.REAL],
        synthetic=maps[Part.SYNTHETIC],
        left_out=max(0, len(usable) - _MOST_COLUMNS),
    )


def binned(column: EvaluatedColumn, bins: int) -> dict[Part, Ints]:
    """Codes of few values: numbers by quantiles of the real rows, labels by the most frequent ones, nulls apart.

    Args:
        column: The column.
        bins: How many bins, besides one for all other labels and one for nulls.

    Returns:
        For each part, a code from 0 to ``bins + 1`` for each row.
    """
    real = column.counts(Part.REAL)
    if column.positions is not None and np.isfinite(column.positions).any():
        numbers = np.where(np.isfinite(column.positions), column.positions, np.inf)
        order = np.argsort(numbers, kind="stable")
        below = np.cumsum(real[order]) - real[order]
        codes = np.empty(len(order), dtype=np.int64)
        codes[order] = np.minimum(bins - 1, below * bins // max(1, int(real.sum())))
        codes[~np.isfinite(column.positions)] = bins
    else:
        codes = np.full(len(real), bins, dtype=np.int64)
        frequent = np.argsort(-real, kind="stable")[:bins]
        codes[frequent] = np.arange(len(frequent))
    return {part: np.append(codes, bins + 1)[rows] for part, rows in column.codes.items()}


def _cramers_v(one: Ints, two: Ints) -> float:
    rows = len(one)
    if rows < 2:
        return 0.0
    width = int(two.max(initial=0)) + 1
    table = np.bincount(one * width + two, minlength=(int(one.max(initial=0)) + 1) * width).reshape(-1, width)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0].astype(np.float64)
    height, width = table.shape
    if min(height, width) < 2:
        return 0.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / rows
    phi = float(((table - expected) ** 2 / expected).sum()) / rows
    phi = max(0.0, phi - (height - 1) * (width - 1) / (rows - 1))
    low = min(height - (height - 1) ** 2 / (rows - 1), width - (width - 1) ** 2 / (rows - 1)) - 1
    return min(1.0, (phi / low) ** 0.5) if low > 0 else 0.0
