"""Ranges of numbers by label of another column, where they are narrow.

A laboratory value depends on the test, a price on the product. A model learns such a range only approximately and
sometimes combines a label with a number far from all of its rows. So numbers of a frequent label are clipped to the
range from its k-th lowest to its k-th highest row, in training and in generated rows.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.table.columns import count_codes, distinct
from rowsmith_plugins.transforms.common.counting import Counted

__all__ = ["LabelRanges", "fit_ranges"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_ROWS = 100
"""Minimum rows of a label with a range."""
_NARROW = 0.75
"""Largest share of the column's rows inside the range of a label."""
_EXCLUDED = 0.3
"""Least share of the column's rows outside the range of a row's label, on average over all rows. A model of few steps
gives a wide range that only some labels have numbers from all of the column; if many of those were drawn again inside,
the column would lose the numbers outside."""


@frozen
class LabelRanges:
    """The ranges of some labels of another column, as ordinals on the number line.

    Attributes:
        column: The other column.
        labels: Its labels that have a range.
        lows: The lowest ordinal of each.
        highs: The highest.
    """

    column: str
    labels: tuple[str, ...]
    lows: tuple[int, ...]
    highs: tuple[int, ...]

    def limits(self, columns: pa.Table, low: int, high: int) -> tuple[Ints, Ints]:
        """The least and the greatest ordinal of each row.

        Args:
            columns: A spelled table with the other column.
            low: The lowest ordinal of rows whose label has no range.
            high: The greatest.
        """
        values, codes = distinct(columns, self.column)
        known = {label: index for index, label in enumerate(self.labels)}
        found = np.array([*(known.get(value, -1) for value in values), -1], dtype=np.int64)[codes]
        lows, highs = (np.array([*each, end], dtype=np.int64) for each, end in ((self.lows, low), (self.highs, high)))
        return lows[found], highs[found]

    def describe(self) -> str:
        """Describe what it holds of the training data."""
        return f"the k-th lowest and highest number of {len(self.labels)} labels of {self.column!r}"


def fit_ranges(
    ordinals: Ints, known: Mask, columns: pa.Table, others: Iterable[str], k: int, groups: Ints | None = None
) -> LabelRanges | None:
    """Find the column whose labels narrow the range of numbers most.

    Args:
        ordinals: The ordinal of each row's number.
        known: Mask of rows that have one.
        columns: A spelled table.
        others: The columns of labels.
        k: Rows at either end of a label's range that are clipped.
        groups: The number of each row's group; rows at or beyond either end of a range belong to at least two of
            them. None if only rows count.

    Returns:
        The ranges of its labels; None if no column's labels narrow it enough.
    """
    ordinals, groups = ordinals[known], None if groups is None else groups[known]
    best, most = None, _EXCLUDED * len(ordinals)
    ascending = np.sort(ordinals)
    for name in others:
        values, codes = distinct(columns, name)
        ranges = _ranges(
            ordinals, ascending, Counted(values, codes[known], count_codes(codes[known], len(values)), groups), k
        )
        excluded = sum(rows * (1 - share) for _, _, _, rows, share in ranges)
        if ranges and excluded >= most:
            labels, lows, highs = zip(*((values[label], low, high) for label, low, high, *_ in ranges), strict=True)
            best, most = LabelRanges(name, labels, lows, highs), excluded
    return best


def _ranges(ordinals: Ints, ascending: Ints, labels: Counted, k: int) -> list[tuple[int, int, int, int, float]]:
    """For each label with a narrow range: label, lowest and highest ordinal, rows, and the share of all rows inside."""
    found = []
    for label in np.flatnonzero(labels.counts >= _ROWS).tolist():
        rows = labels.codes == label
        groups = None if labels.groups is None else labels.groups[rows]
        if groups is not None and (groups == groups[0]).all():
            continue
        values, codes, counts = np.unique(ordinals[rows], return_inverse=True, return_counts=True)
        numbers = Counted([""] * len(values), codes.astype(np.int32), counts, groups)
        low, high = (int(values[each]) for each in numbers.ends(np.arange(len(values)), k))
        inside = np.searchsorted(ascending, high, side="right") - np.searchsorted(ascending, low, side="left")
        if inside <= _NARROW * len(ascending):
            found.append((label, low, high, int(labels.counts[label]), float(inside / len(ascending))))
    return found
