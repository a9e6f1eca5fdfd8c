"""Row index: a first, unnamed column that counts the rows, as pandas and R write it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rowsmith.table.columns import compact
from rowsmith.table.schema import RowIndex

__all__ = ["row_index"]


def row_index(array: pa.DictionaryArray) -> RowIndex | None:
    """The row index that a column is.

    Args:
        array: A spelled column.

    Returns:
        Its first number; None if it does not count the rows one by one.
    """
    array = compact(array)
    if array.null_count or len(array.dictionary) != len(array):
        return None
    texts = array.cast(pa.string())
    try:
        numbers = pc.cast(texts, pa.int64())
    except pa.ArrowInvalid:
        return None
    counted = np.asarray(numbers)
    start = int(counted[0])
    # A single row, numbered by anything else, may well be an id.
    if start not in (0, 1) and len(counted) == 1:
        return None
    if (np.diff(counted) != 1).any() or not pc.all(pc.equal(texts, pc.cast(numbers, pa.string()))).as_py():
        return None
    return RowIndex(start=start)
