"""Few bins for every column, the same for all parts, so that pairs and triples of columns can be counted.

Edges come from the real rows alone: bins of each table's own make two tables of other units look alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.evaluation import ColumnKind, EvaluatedColumn, EvaluationTables, Part

__all__ = ["Binned", "bin_column", "bin_columns", "joint_counts"]

Counts = npt.NDArray[np.int64]


@frozen(eq=False, kw_only=True)
class Binned:
    """The bins of one column.

    Attributes:
        name: The column.
        size: How many bins there are; the last one is for nulls and the last but one for all other values.
        codes: The bin of each row, by part.
    """

    name: str
    size: int
    codes: Mapping[Part, npt.NDArray[np.int64]]

    def counts(self, part: Part) -> Counts:
        """Rows of each bin."""
        return np.bincount(self.codes[part], minlength=self.size)


def bin_column(column: EvaluatedColumn, most: int) -> Binned | None:
    """The bins of a column; None for keys and free text, which have none.

    Numbers are cut at real quantiles and beyond the real ends; the commonest of them, such as zeros, have bins of
    their own. Of labels the commonest have one each.

    Args:
        column: The column.
        most: The most bins for values.
    """
    if column.kind in (ColumnKind.KEY, ColumnKind.TEXT):
        return None
    real = column.counts(Part.REAL)
    bins = np.full(len(column.labels) + 1, most, dtype=np.int64)
    if column.positions is not None and np.count_nonzero(real) > most:
        finite = np.flatnonzero(np.isfinite(column.positions))
        bins[finite] = _ranges(column.positions[finite], real[finite], most)
    else:
        commonest = np.argsort(-real, kind="stable")[:most]
        commonest = commonest[real[commonest] > 0]
        bins[commonest] = np.arange(len(commonest))
    bins[-1] = most + 1
    return Binned(name=column.name, size=most + 2, codes={part: bins[codes] for part, codes in column.codes.items()})


def _ranges(positions: npt.NDArray[np.float64], counts: Counts, most: int) -> npt.NDArray[np.int64]:
    """The bin of each number: its own where it is common, one of ranges with as many real rows each otherwise."""
    common = np.flatnonzero(counts * most >= counts.sum())[: most - 1]
    rest = counts.copy()
    rest[common] = 0
    order = np.argsort(positions)
    order = order[rest[order] > 0]
    wanted = np.arange(1, most - len(common)) / (most - len(common)) * int(rest.sum())
    below = np.cumsum(rest[order]) - rest[order]
    starts = np.unique(np.searchsorted(below, wanted, side="right") - 1)
    bins = np.searchsorted(positions[order][starts[starts > 0]], positions, side="right") + len(common)
    bins[common] = np.arange(len(common))
    return np.asarray(bins, dtype=np.int64)


def bin_columns(tables: EvaluationTables, most: int) -> list[Binned]:
    """The bins of all columns that have some."""
    return [binned for column in tables.columns if (binned := bin_column(column, most)) is not None]


def joint_counts(columns: Sequence[Binned], part: Part) -> Counts:
    """Rows of each combination of bins of some columns, flat."""
    combined = columns[0].codes[part]
    size = columns[0].size
    for column in columns[1:]:
        combined = combined * column.size + column.codes[part]
        size *= column.size
    return np.bincount(combined, minlength=size)
