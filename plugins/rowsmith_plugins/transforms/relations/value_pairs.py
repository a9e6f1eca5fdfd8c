"""How the values of a column are distributed over the labels of its determinant."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.table.columns import Codes, count_codes
from rowsmith_plugins.transforms.common.counting import Counted

__all__ = ["PairCounts", "SharedValues", "count_pairs", "frequent", "shared_values"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_CELLS_PER_ROW = 4
_FEW_CELLS = 1 << 15
"""Pairs are counted in a dense table if it is so small."""
_MOST_EXCEPTIONS = 0.01
"""The most rows of a label, as a share, whose value is not in its list although it is frequent elsewhere."""
_MOST_RARE = 0.25
"""The same for values that are rare everywhere, which are not learned anyway."""


@frozen(eq=False)
class SharedValues:
    """A column by those of its values that enough rows share.

    Attributes:
        values: The values, most frequent first; None for null.
        codes: The index of each row's value; ``len(values)`` if it is not one of them.
        counts: The rows of each value, and last of all others.
    """

    values: tuple[str | None, ...]
    codes: Ints
    counts: Ints

    def __len__(self) -> int:
        return len(self.values)

    @property
    def rare(self) -> float:
        """Share of the rows with a value that too few rows share."""
        return float(self.counts[-1] / max(1, len(self.codes)))


def frequent(values: SharedValues, share: float) -> SharedValues:
    """The same column by those values alone that a share of the rows has."""
    size = int(np.count_nonzero(values.counts[:-1] >= share * len(values.codes)))
    counts = np.append(values.counts[:size], values.counts[size:].sum())
    return SharedValues(values.values[:size], np.minimum(values.codes, size), counts)


def shared_values(labels: Sequence[str], codes: Codes, k: int, groups: Ints | None) -> SharedValues:
    """The values of a column that enough rows share.

    Args:
        labels: The distinct values.
        codes: The index of each row's value; -1 for null.
        k: The least number of rows.
        groups: The number of each row's group; None if rows are not grouped.
    """
    texts, numbers = [*labels, None], np.where(codes < 0, len(labels), codes).astype(np.int32)
    counts = count_codes(numbers, len(texts))
    shared = np.flatnonzero(Counted([""] * len(texts), numbers, counts, groups).shared(k))
    shared = shared[np.argsort(-counts[shared], kind="stable")]
    new_codes = np.full(len(texts), len(shared), dtype=np.int64)
    new_codes[shared] = np.arange(len(shared))
    rest = len(codes) - int(counts[shared].sum())
    return SharedValues(tuple(texts[index] for index in shared), new_codes[numbers], np.append(counts[shared], rest))


@frozen(eq=False)
class PairCounts:
    """Counts of pairs of a label and a value, for the labels that enough rows share.

    Attributes:
        labels: The label of each pair.
        values: The value of each pair.
        rows: The rows of each pair.
        listed: Which pairs enough rows share; these are the lists.
        label_rows: The rows of each label.
        sizes: The number of values in each list.
        exceptions: The rows of each label whose value is not in its list, although enough rows share it elsewhere.
        rare: The rows of each label whose value is rare everywhere.
        bounded: Which labels have a list that nearly all of their rows obey.
        bits: For bounded labels, by how much the list shortens the values of the label's rows, less the length of
            the list itself; it is below or about 0 if the columns are independent. 0 for other labels.
    """

    labels: Ints
    values: Ints
    rows: Ints
    listed: Mask
    label_rows: Ints
    sizes: Ints
    exceptions: Ints
    rare: Ints
    bounded: Mask
    bits: Floats


def count_pairs(
    labels: SharedValues, values: SharedValues, rows: int, k: int, groups: Ints | None = None
) -> PairCounts | None:
    """Count the pairs of labels and values in the first rows.

    Description length: a value beside a label takes -log2 of its share among the listed ones, instead of -log2 of its
    share among all. That saves -log2 of the joint share of the listed values for each row, and costs
    log2 C(values, size) for the list, and log2 of the label's rows for each row that is not as listed.

    Args:
        labels: The labels of the rows, in random order unless all rows are counted.
        values: Their values.
        rows: How many rows count.
        k: The least number of rows of a pair in a list.
        groups: The number of each row's group, if all rows are counted; None if rows are not grouped.

    Returns:
        The counts; None if no row has a label that enough rows share.
    """
    width = len(values) + 1
    known = np.flatnonzero(labels.codes[:rows] < len(labels))
    if not known.size:
        return None
    keys = labels.codes[known] * width + values.codes[known]
    if len(labels) * width <= max(_FEW_CELLS, _CELLS_PER_ROW * len(keys)):
        counts = np.bincount(keys, minlength=1)
        pairs = np.flatnonzero(counts)
        counts = counts[pairs]
    else:
        pairs, counts = np.unique(keys, return_counts=True)
    label, value = np.divmod(pairs, width)
    listed = value < len(values)
    if groups is None:
        listed &= counts >= k
    else:
        codes = np.searchsorted(pairs, keys).astype(np.int32)
        listed &= Counted([""] * len(pairs), codes, counts, groups[known]).shared(k)

    def per_label(weights: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        return np.bincount(label, weights=weights, minlength=len(labels)).astype(np.float64)

    label_rows = per_label(counts)
    sizes, unlisted = per_label(listed).astype(np.int64), per_label(counts * ~listed)
    rare = per_label(counts * (value == len(values)))
    exceptions = unlisted - rare
    share = per_label(np.where(listed, values.counts[value] / len(values.codes), 0))
    bounded = (sizes > 0) & (exceptions <= _tolerated(label_rows, k)) & (rare <= _MOST_RARE * label_rows)
    saved = (label_rows - unlisted) * -np.log2(np.where(bounded, share, 1).clip(max=1))
    saved -= unlisted * np.log2(label_rows.clip(min=1)) + _log2_choose(width, sizes)
    return PairCounts(
        labels=label,
        values=value,
        rows=counts,
        listed=listed,
        label_rows=label_rows.astype(np.int64),
        sizes=sizes,
        exceptions=exceptions.astype(np.int64),
        rare=rare.astype(np.int64),
        bounded=bounded,
        bits=np.where(bounded, saved, 0),
    )


def _tolerated(label_rows: Floats, k: int) -> Floats:
    """The most exceptions of each label; a small one may have some, since pairs of fewer than k rows are not listed."""
    return np.minimum(np.maximum(_MOST_EXCEPTIONS * label_rows, k - 1), _MOST_RARE * label_rows)


@lru_cache(maxsize=64)
def _log2_factorials(total: int) -> Floats:
    """log2 of the factorials from 0 to a number."""
    return np.concatenate([[0.0], np.cumsum(np.log2(np.arange(1, total + 1)))])


def _log2_choose(total: int, chosen: Ints) -> Floats:
    """log2 of the number of ways to choose some of a total."""
    logs = _log2_factorials(total)
    chosen = np.minimum(chosen, total)
    found: Floats = logs[total] - logs[chosen] - logs[total - chosen]
    return found
