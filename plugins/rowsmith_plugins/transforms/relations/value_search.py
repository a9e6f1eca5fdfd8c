"""Search for columns whose values are listed by the labels of others.

Candidates come from a sample of the rows; the best are then counted on all rows. A list is only accepted if it saves
more bits of description than it costs (see ``value_pairs``), so that independent columns give none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.table.columns import single_array
from rowsmith.table.schema import ColumnSchema, ColumnType, Role, TableSchema
from rowsmith_plugins.transforms.options import RelationsOptions
from rowsmith_plugins.transforms.relations.coding import Coding, creates_cycle
from rowsmith_plugins.transforms.relations.determinants import Determinant
from rowsmith_plugins.transforms.relations.lookups import INDEX_SUFFIX, Listed, Mode, ValueList
from rowsmith_plugins.transforms.relations.value_pairs import (
    PairCounts,
    SharedValues,
    count_pairs,
    frequent,
    shared_values,
)

__all__ = ["candidate_columns", "find_listed", "list_values"]

Ints = npt.NDArray[np.int64]

_SAMPLE = 4000
_ROWS_PER_LABEL = 8
"""Rows of a sample, by the number of labels of a determinant."""
_CHECKED = 6
"""Candidates for a column that are counted on all rows."""
_LEAST_BITS = 30.0
"""Bits that a relation must save beyond its own length; 40,000 pairs of columns are compared by chance in 2**16."""
_MOST_EXCEPTIONS = 0.001
"""The most rows of a relation, as a share, in which it does not hold although the value is frequent elsewhere."""
_MOST_RARE_VALUES = 0.005
"""The most rows of a relation, as a share, whose value is rare everywhere."""
_MOST_RARE = 0.1
"""The most rows, as a share, without a list: beyond that, too few rows share the labels of a determinant."""
_LEAST_SHARE = 0.01
"""The least share of rows of a label or value of a column of which more rows are rare."""
_ROWS_OF_LABELS = 10
"""The least mean number of rows of the labels of a determinant."""
_MOST_OMITTED = 0.002
"""The same for a column that is left out of the model."""
_MOST_UNLISTED = 0.005
"""The same for lists of several values."""
_MOST_LISTED = 8.0
_LEAST_SHORTER = 4.0
_FEWEST_INDEXED = 12
"""A column becomes an index if it has at least so many values, and lists are so short and so much shorter."""
_LEAST_BITS_PER_ROW = 0.3
"""Bits per row that lists of several values must save for a column to be corrected by them."""
_LEAST_IMPLIED = 0.02
"""Least share of rows in which a value that is fixed beside some labels would be another one by chance."""


@frozen(eq=False)
class _Candidate:
    """A determinant of a column."""

    determinant: Determinant
    labels: SharedValues
    bits: float
    functional: bool


@frozen(eq=False)
class _Found:
    """A coding and its rank among others of the column: the lower, the better."""

    rank: tuple[int, float]
    coding: Listed


def find_listed(
    columns: pa.Table,
    schema: TableSchema,
    codings: Sequence[Coding],
    options: RelationsOptions,
    k: int,
    groups: Ints | None,
) -> list[Coding]:
    """Find columns whose values are listed by the labels of others.

    Args:
        columns: The spelled training table.
        schema: Its schema.
        codings: The encodings so far; their columns are not encoded again, but may determine others.
        options: Columns to leave out, and the least support.
        k: The least number of rows that share what is learned.
        groups: The number of each row's group; None if rows are not grouped.

    Returns:
        The encodings found, without cycles.
    """
    rows = columns.num_rows
    names = candidate_columns(schema, options)
    if rows < 2 * k or len(names) < 2:
        return []
    arrays = {name: single_array(columns.column(name)) for name in columns.column_names}
    order = np.random.default_rng(0).permutation(rows)
    determinants = [*_determinants(names, arrays, schema, options, k, groups)]
    taken, found = {coding.name for coding in codings}, list[Coding]()
    # Of two columns that determine each other the first remains: it often is the one that people read.
    for name in reversed([name for name in names if name not in taken]):
        if f"{name}{INDEX_SUFFIX}" in schema.names:
            continue
        values = _searched(_shared(Determinant((name,)), arrays, schema, k, groups))
        if not _varies(values, options.min_support):
            continue
        chosen = _best_candidates(name, values, determinants, order)
        usable = (each for each in chosen if not creates_cycle([*codings, *found], name, each.determinant.columns))
        options_found = (
            coding
            for each in usable
            if (coding := list_values(name, values, each.determinant, each.labels, schema[name], options, k, groups))
        )
        best = min(options_found, key=lambda each: each.rank, default=None)
        if best is not None:
            found.append(best.coding)
    return found


def candidate_columns(schema: TableSchema, options: RelationsOptions) -> list[str]:
    """Columns that relations may connect: those with values of their own."""
    return [
        column.name
        for column in schema
        if column.role is Role.VALUE
        and column.timing is None
        and column.type is not ColumnType.NULL
        and column.name not in options.exclude
    ]


def list_values(
    name: str,
    values: SharedValues,
    determinant: Determinant,
    labels: SharedValues,
    column: ColumnSchema,
    options: RelationsOptions,
    k: int,
    groups: Ints | None,
) -> _Found | None:
    """List the values of a column by the labels of a determinant, on all rows; None if that is no relation."""
    rows = len(values.codes)
    counts = count_pairs(labels, values, rows, k, groups)
    if counts is None:
        return None
    listed_rows = np.where(counts.bounded, counts.label_rows, 0)
    bits, without = float(counts.bits.sum()), 1 - float(listed_rows.sum()) / rows
    if _is_complete(counts, without, rows) and bits >= _LEAST_BITS:
        size = float(counts.sizes @ listed_rows) / int(listed_rows.sum())
        lists = _value_lists(counts, values, np.flatnonzero(counts.bounded).tolist())
        if int(counts.sizes[counts.bounded].max()) == 1:
            mode: Mode = "omitted" if without <= _MOST_OMITTED else "corrected"
            return _Found((0, len(labels)), _listed(name, determinant, mode, labels, lists, values, counts, rows))
        several = without <= _MOST_UNLISTED
        if several and len(values) >= _FEWEST_INDEXED and size <= min(_MOST_LISTED, len(values) / _LEAST_SHORTER):
            return _Found((1, size), _listed(name, determinant, "indexed", labels, lists, values, counts, rows))
        if several and bits >= _LEAST_BITS_PER_ROW * rows:
            return _Found((2, -bits), _listed(name, determinant, "corrected", labels, lists, values, counts, rows))
    fixed = _fixed(counts, values, options)
    if fixed.any():
        retained = _value_lists(counts, values, np.flatnonzero(fixed).tolist())
        coding = _listed(name, determinant, "corrected", labels, retained, values, counts, rows)
        return _Found((3, -float(counts.bits[fixed].sum())), coding)
    return None


def _is_complete(counts: PairCounts, without: float, rows: int) -> bool:
    """Whether most rows have a label with a list, and nearly all of them a value in it."""
    return bool(
        without <= _MOST_RARE
        and counts.exceptions[counts.bounded].sum() <= _MOST_EXCEPTIONS * rows
        and counts.rare[counts.bounded].sum() <= _MOST_RARE_VALUES * rows
        and rows >= _ROWS_OF_LABELS * len(counts.bounded)
    )


def _fixed(counts: PairCounts, values: SharedValues, options: RelationsOptions) -> npt.NDArray[np.bool_]:
    """The labels beside which a column has one value, although it has others elsewhere."""
    enough = _LEAST_BITS / 2 + np.log2(max(1, len(counts.bits)))
    fixed: npt.NDArray[np.bool_] = (counts.sizes == 1) & (counts.exceptions + counts.rare == 0)
    fixed &= (counts.bits >= enough) & (counts.label_rows >= _LEAST_SHARE * len(values.codes))
    if not fixed.any():
        return fixed
    rows = len(values.codes)
    first = np.zeros(len(fixed), dtype=np.int64)
    first[counts.labels[counts.listed]] = counts.values[counts.listed]
    implied = counts.label_rows * (1 - values.counts[first] / rows)
    share, excess = counts.label_rows[fixed].sum() / rows, implied[fixed].sum() / rows
    return fixed & bool(share >= options.min_support and excess >= _LEAST_IMPLIED)


def _value_lists(counts: PairCounts, values: SharedValues, labels: Sequence[int]) -> dict[int, ValueList]:
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


def _listed(
    name: str,
    determinant: Determinant,
    mode: Mode,
    labels: SharedValues,
    lists: Mapping[int, ValueList],
    values: SharedValues,
    counts: PairCounts,
    rows: int,
) -> Listed:
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


def _determinants(
    names: Sequence[str],
    arrays: Mapping[str, pa.DictionaryArray],
    schema: TableSchema,
    options: RelationsOptions,
    k: int,
    groups: Ints | None,
) -> Iterator[tuple[Determinant, SharedValues]]:
    """Determinants of one column, with their labels; those of which too few rows have a shared label are left out."""
    for name in names:
        found = [Determinant((name,))]
        if schema[name].type in (ColumnType.INTEGER, ColumnType.DECIMAL):
            found.append(Determinant((name,), "sign"))
        if arrays[name].null_count:
            found.append(Determinant((name,), "null"))
        for each in found:
            labels = _searched(_shared(each, arrays, schema, k, groups))
            if labels.rare <= 1 - options.min_support and len(labels) + (labels.rare > 0) > 1:
                yield each, labels


def _shared(
    determinant: Determinant,
    arrays: Mapping[str, pa.DictionaryArray],
    schema: TableSchema,
    k: int,
    groups: Ints | None,
) -> SharedValues:
    labels, codes = determinant.labels(arrays, schema)
    return shared_values(labels, codes, k, groups)


def _searched(values: SharedValues) -> SharedValues:
    """Only the most frequent values of a column of which many rows are rare, such as amounts."""
    return values if values.rare <= _MOST_RARE else frequent(values, _LEAST_SHARE)


def _varies(values: SharedValues, min_support: float) -> bool:
    """Whether a column has a frequent value, and others."""
    return 0 < values.counts[:-1].max(initial=0) < len(values.codes) and values.rare <= 1 - min_support


def _best_candidates(
    name: str,
    values: SharedValues,
    determinants: Sequence[tuple[Determinant, SharedValues]],
    order: Ints,
) -> list[_Candidate]:
    """The determinants of a column that look best on a sample of the rows."""
    found = []
    shuffled = SharedValues(values.values, values.codes[order], values.counts)
    for determinant, labels in determinants:
        if name in determinant.columns:
            continue
        rows = min(len(order), max(_SAMPLE, _ROWS_PER_LABEL * len(labels)))
        sample = SharedValues(labels.values, labels.codes[order[:rows]], labels.counts)
        counts = count_pairs(sample, shuffled, rows, 1)
        if counts is None:
            continue
        bits = max(float(counts.bits.sum()), float(np.maximum(counts.bits - np.log2(len(labels) + 1), 0).sum()))
        if bits > _LEAST_BITS / 2:
            functional = bool((counts.sizes[counts.label_rows > 0] == 1).all())
            found.append(_Candidate(determinant, labels, bits, functional))
    found.sort(key=lambda each: (not each.functional, len(each.labels) if each.functional else -each.bits))
    return found[:_CHECKED]
