"""Between which numbers the rows of each label lie, where that is a small part of a column.

A laboratory value depends on the test, a price on the product. A model knows such a range only about: now and then
it gives a label a number that none of its rows comes near. So the numbers of a label that many rows have are kept
between its k-th lowest and k-th highest row, in what is learned and in what is made.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.table.columns import distinct
from rowsmith_plugins.transforms.common.counting import kth_extremes

__all__ = ["LabelRanges", "fit_ranges"]

Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_ROWS = 100
"""So many rows of a label tell where its numbers lie."""
_NARROW = 0.75
"""The largest share of the column's rows inside the range of a label that is kept."""


@frozen
class LabelRanges:
    """The ranges of some labels of another column, as places on the number line.

    Attributes:
        column: The other column.
        labels: Those of its labels whose range is kept.
        lows: The least place of each.
        highs: The greatest.
    """

    column: str
    labels: tuple[str, ...]
    lows: tuple[int, ...]
    highs: tuple[int, ...]

    def limits(self, columns: pa.Table, low: int, high: int) -> tuple[Places, Places]:
        """The least and the greatest place of each row.

        Args:
            columns: A spelled table with the other column.
            low: The least place of rows without a label whose range is kept.
            high: The greatest.
        """
        values, codes = distinct(columns, self.column)
        known = {label: place for place, label in enumerate(self.labels)}
        found = np.array([*(known.get(value, -1) for value in values), -1], dtype=np.int64)[codes]
        lows, highs = (np.array([*each, end], dtype=np.int64) for each, end in ((self.lows, low), (self.highs, high)))
        return lows[found], highs[found]

    def describe(self) -> str:
        """What it holds of the training data."""
        return f"the k-th lowest and highest number of {len(self.labels)} labels of {self.column!r}"


def fit_ranges(places: Places, known: Mask, columns: pa.Table, others: Iterable[str], k: int) -> LabelRanges | None:
    """Find the column whose labels say most about where numbers lie.

    Args:
        places: The place of each row's number.
        known: Whether a row has one.
        columns: A spelled table.
        others: The columns of labels.
        k: How many rows at either end of a label's range are not told apart.

    Returns:
        The ranges of its labels; None when no label has a range of its own.
    """
    best, most, places = None, 0.0, places[known]
    ascending = np.sort(places)
    for name in others:
        values, codes = distinct(columns, name)
        ranges = _ranges(places, ascending, codes[known], len(values), k)
        told = sum(rows * (1 - share) for _, _, _, rows, share in ranges)
        if told > most:
            labels, lows, highs = zip(*((values[label], low, high) for label, low, high, *_ in ranges), strict=True)
            best, most = LabelRanges(name, labels, lows, highs), told
    return best


def _ranges(
    places: Places, ascending: Places, codes: npt.NDArray[np.int32], labels: int, k: int
) -> list[tuple[int, int, int, int, float]]:
    """Label, least and greatest place, rows, and the share of all rows inside, of each label with a narrow range."""
    rows = np.bincount(codes[codes >= 0], minlength=labels)
    found = []
    for label in np.flatnonzero(rows >= _ROWS).tolist():
        values, counts = np.unique(places[codes == label], return_counts=True)
        low, high = (int(values[each]) for each in kth_extremes(np.arange(len(values)), counts, k))
        inside = np.searchsorted(ascending, high, side="right") - np.searchsorted(ascending, low, side="left")
        if inside <= _NARROW * len(ascending):
            found.append((label, low, high, int(rows[label]), float(inside / len(ascending))))
    return found
