"""Lists of the values that a column has beside the labels of a determinant, made from all rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowsmith.table.columns import single_array
from rowsmith.table.schema import TableSchema
from rowsmith_plugins.transforms.relations.determinants import Determinant
from rowsmith_plugins.transforms.relations.lookups import Listed, Mode, ValueList
from rowsmith_plugins.transforms.relations.value_pairs import PairCounts, SharedValues, count_pairs, shared_values

__all__ = [
    "MOST_OMITTED",
    "MOST_RARE",
    "MOST_UNLISTED",
    "is_complete",
    "listed_as_stated",
    "make_listed",
    "mode_of_lists",
    "shared_of",
    "value_lists",
]

Ints = npt.NDArray[np.int64]

_MOST_EXCEPTIONS = 0.001
"""The most rows of a relation, as a share, in which it does not hold although the value is frequent elsewhere."""
_MOST_RARE_VALUES = 0.005
"""The most rows of a relation, as a share, whose value is rare everywhere."""
MOST_RARE = 0.1
"""The most rows, as a share, without a list: beyond that, too few rows share the labels of a determinant."""
_ROWS_OF_LABELS = 10
"""The least mean number of rows of the labels of a determinant."""
MOST_OMITTED = 0.002
"""The same for a column that is left out of the model."""
MOST_UNLISTED = 0.005
"""The same for lists of several values."""
_MOST_LISTED = 8.0
_LEAST_SHORTER = 4.0
_FEWEST_INDEXED = 12
"""A column becomes an index if it has at least so many values, and lists are so short and so much shorter."""


def listed_as_stated(
    name: str,
    determinant: Determinant,
    several: bool,
    columns: pa.Table,
    schema: TableSchema,
    k: int,
    groups: Ints | None,
) -> Listed | None:
    """List the values of a column by the labels of a determinant, because the user says so.

    Args:
        name: The column.
        determinant: What labels the rows.
        several: Whether there may be several values beside a label.
        columns: The spelled training table.
        schema: Its schema.
        k: The least number of rows that share what is learned.
        groups: The number of each row's group; None if rows are not grouped.

    Returns:
        The encoding, with a list of each label whose rows nearly all obey it; None if there is no such label.
    """
    arrays = {each: single_array(columns.column(each)) for each in (name, *determinant.columns)}
    values, labels = (shared_of(each, arrays, schema, k, groups) for each in (Determinant((name,)), determinant))
    rows = columns.num_rows
    counts = count_pairs(labels, values, rows, k, groups)
    if counts is None or not rows:
        return None
    listed = counts.bounded & (several | (counts.sizes == 1))
    if not listed.any():
        return None
    without = 1 - float(counts.label_rows[listed].sum()) / rows
    mode: Mode = "corrected"
    if is_complete(counts, without, rows):
        size = float(counts.sizes[listed] @ counts.label_rows[listed]) / int(counts.label_rows[listed].sum())
        mode = mode_of_lists(without, size, int(counts.sizes[listed].max()), len(values))
    lists = value_lists(counts, values, np.flatnonzero(listed).tolist())
    return make_listed(name, determinant, mode, labels, lists, values, counts, rows)


def mode_of_lists(without: float, size: float, longest: int, values: int) -> Mode:
    """What is learned of a column whose lists hold in nearly all rows.

    Args:
        without: Share of the rows without a list.
        size: Mean length of the lists.
        longest: Their greatest length.
        values: The number of the column's values.
    """
    if longest == 1:
        return "omitted" if without <= MOST_OMITTED else "corrected"
    short = values >= _FEWEST_INDEXED and size <= min(_MOST_LISTED, values / _LEAST_SHORTER)
    return "indexed" if short and without <= MOST_UNLISTED else "corrected"


def is_complete(counts: PairCounts, without: float, rows: int) -> bool:
    """Whether most rows have a label with a list, and nearly all of them a value in it."""
    return bool(
        without <= MOST_RARE
        and counts.exceptions[counts.bounded].sum() <= _MOST_EXCEPTIONS * rows
        and counts.rare[counts.bounded].sum() <= _MOST_RARE_VALUES * rows
        and rows >= _ROWS_OF_LABELS * len(counts.bounded)
    )


def value_lists(counts: PairCounts, values: SharedValues, labels: Sequence[int]) -> dict[int, ValueList]:
    """The lists of some labels, most frequent values first."""
    found: dict[int, list[tuple[int, int]]] = {index: [] for index in labels}
    listed = counts.listed & np.isin(counts.labels, labels)
    pairs = zip(counts.labels[listed], counts.values[listed], counts.rows[listed], strict=True)
    for label, value, rows in pairs:
        found[int(label)].append((-int(rows), int(value)))
    return {
        label: ValueList(
            tuple(values.values[value] for _, value in sorted(pairs_of)), tuple(-rows for rows, _ in sorted(pairs_of))
        )
        for label, pairs_of in found.items()
    }


def make_listed(
    name: str,
    determinant: Determinant,
    mode: Mode,
    labels: SharedValues,
    lists: Mapping[int, ValueList],
    values: SharedValues,
    counts: PairCounts,
    rows: int,
) -> Listed:
    """The encoding of a column by lists.

    Args:
        name: The column.
        determinant: What labels the rows.
        mode: What is learned of the column.
        labels: The labels of all rows.
        lists: The lists, by the index of their label.
        values: The column's values.
        counts: The rows of each pair of label and value.
        rows: The number of rows.
    """
    in_lists = counts.listed & np.isin(counts.labels, [*lists])
    chosen = [(labels.values[index], each) for index, each in lists.items()]
    if mode == "indexed":
        chosen = [(label, _without_null(each)) for label, each in chosen]
    return Listed(
        name=name,
        determinant=determinant,
        mode=mode,
        labels=tuple(label for label, _ in chosen),
        lists=tuple(each for _, each in chosen),
        others=None if mode == "corrected" else _others(labels, [*lists], values, mode),
        support=float(counts.rows[in_lists].sum() / rows),
    )


def _others(labels: SharedValues, listed: Sequence[int], values: SharedValues, mode: Mode) -> ValueList:
    """The list of labels without one: the values that enough rows of these have, or of all rows."""
    everywhere = values.counts[:-1]
    rare = np.bincount(values.codes[~np.isin(labels.codes, listed)], minlength=len(values) + 1)[:-1]
    least = int(everywhere.min(initial=1))
    rows = rare if (rare >= least).any() else everywhere
    order = [index for index in np.argsort(-rows, kind="stable").tolist() if rows[index] >= least]
    # Without an index, what is decoded must not depend on draws: other columns may be listed by this one.
    order = order[:1] if mode == "omitted" else order
    found = ValueList(tuple(values.values[i] for i in order), tuple(int(rows[i]) for i in order))
    return _without_null(found) if mode == "indexed" else found


def _without_null(found: ValueList) -> ValueList:
    """A list without null, which has no index."""
    pairs = [pair for pair in zip(found.values, found.rows, strict=True) if pair[0] is not None]
    return ValueList(tuple(value for value, _ in pairs), tuple(rows for _, rows in pairs))


def shared_of(
    determinant: Determinant,
    arrays: Mapping[str, pa.DictionaryArray],
    schema: TableSchema,
    k: int,
    groups: Ints | None,
) -> SharedValues:
    """The labels of a determinant that enough rows share.

    Args:
        determinant: The determinant.
        arrays: The spelled columns of the table.
        schema: Its schema.
        k: The least number of rows.
        groups: The number of each row's group; None if rows are not grouped.
    """
    labels, codes = determinant.labels(arrays, schema)
    return shared_values(labels, codes, k, groups)
