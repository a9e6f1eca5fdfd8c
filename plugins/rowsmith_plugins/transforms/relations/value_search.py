"""Search for columns whose values are listed by the labels of others.

Candidates come from a sample of the rows; the best are then counted on all rows. A list is only accepted if it saves
more bits of description than it costs (see ``value_pairs``), so that independent columns give none.
"""

from __future__ import annotations

import itertools
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
from rowsmith_plugins.transforms.relations.lookups import INDEX_SUFFIX, Listed
from rowsmith_plugins.transforms.relations.value_lists import (
    MOST_RARE,
    MOST_UNLISTED,
    is_complete,
    make_listed,
    mode_of_lists,
    shared_of,
    value_lists,
)
from rowsmith_plugins.transforms.relations.value_pairs import PairCounts, SharedValues, count_pairs, frequent

__all__ = [
    "LEAST_BITS",
    "Candidate",
    "Source",
    "best_candidates",
    "candidate_columns",
    "determinants_of",
    "find_listed",
]

Ints = npt.NDArray[np.int64]

_SAMPLE = 2000
_ROWS_PER_LABEL = 8
"""Rows of a sample, by the number of labels of a determinant."""
_CHECKED = 6
"""Candidates for a column that are counted on all rows."""
LEAST_BITS = 30.0
"""Bits that a relation must save beyond its own length; 40,000 pairs of columns are compared by chance in 2**16."""
_LEAST_SHARE = 0.01
"""The least share of rows of a label or value of a column of which more rows are rare."""
_FEWEST_CODES = 50
_LONGEST_CODE = 64
_LONGEST_PREFIX = 4
"""Codes of at least so many values, and of at most so many characters, may determine others by their first ones."""
_MOST_DIFFERENCES = 30
"""Pairs of columns whose difference may determine others by its sign."""
_LEAST_BITS_PER_ROW = 0.3
"""Bits per row that lists of several values must save for a column to be corrected by them."""
_LEAST_IMPLIED = 0.02
"""Least share of rows in which a value that is fixed beside some labels would be another one by chance."""


@frozen(eq=False)
class Source:
    """A determinant with the labels of all rows, and of a sample of them."""

    determinant: Determinant
    labels: SharedValues
    sample: SharedValues


@frozen(eq=False)
class Candidate:
    """A determinant of a column."""

    determinant: Determinant
    labels: SharedValues
    bits: float
    functional: bool


@frozen(eq=False)
class _Found:
    """A coding and its rank among others of the column: the lower, the better."""

    rank: tuple[int, bool, float]
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
    determinants = [*determinants_of(names, arrays, schema, options, k, groups, order)]
    taken, found = {coding.name for coding in codings}, list[Coding]()
    # Of two columns that determine each other the first remains: it often is the one that people read.
    for name in reversed([name for name in names if name not in taken]):
        if f"{name}{INDEX_SUFFIX}" in schema.names:
            continue
        values = _searched(shared_of(Determinant((name,)), arrays, schema, k, groups))
        if not _varies(values, options.min_support):
            continue
        chosen = best_candidates(name, values, determinants, order)
        usable = (each for each in chosen if not creates_cycle([*codings, *found], name, each.determinant.columns))
        options_found = (
            coding
            for each in usable
            if (coding := _list_values(name, values, each.determinant, each.labels, schema[name], options, k, groups))
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


def _list_values(
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
    # The first characters of a code determine a column alone: lists by them are better written the other way round.
    several = determinant.feature != "prefix"
    listed_rows = np.where(counts.bounded, counts.label_rows, 0)
    bits, without = float(counts.bits.sum()), 1 - float(listed_rows.sum()) / rows
    if is_complete(counts, without, rows) and bits >= LEAST_BITS:
        size = float(counts.sizes @ listed_rows) / int(listed_rows.sum())
        lists = value_lists(counts, values, np.flatnonzero(counts.bounded).tolist())
        longest = int(counts.sizes[counts.bounded].max())
        mode = mode_of_lists(without, size, longest, len(values))
        coding = make_listed(name, determinant, mode, labels, lists, values, counts, rows)
        if longest == 1:
            return _Found((0, determinant.feature != "value", len(labels)), coding)
        if several and mode == "indexed":
            return _Found((1, determinant.feature != "value", size), coding)
        if several and without <= MOST_UNLISTED and bits >= _LEAST_BITS_PER_ROW * rows:
            return _Found((2, False, -bits), coding)
    fixed = _fixed(counts, values, options)
    if several and fixed.any():
        retained = value_lists(counts, values, np.flatnonzero(fixed).tolist())
        coding = make_listed(name, determinant, "corrected", labels, retained, values, counts, rows)
        return _Found((3, False, -float(counts.bits[fixed].sum())), coding)
    return None


def _fixed(counts: PairCounts, values: SharedValues, options: RelationsOptions) -> npt.NDArray[np.bool_]:
    """The labels beside which a column has one value, although it has others elsewhere."""
    enough = LEAST_BITS / 2 + np.log2(max(1, len(counts.bits)))
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


def determinants_of(
    names: Sequence[str],
    arrays: Mapping[str, pa.DictionaryArray],
    schema: TableSchema,
    options: RelationsOptions,
    k: int,
    groups: Ints | None,
    order: Ints,
) -> Iterator[Source]:
    """Determinants with their labels; those of which too few rows have a shared label are left out.

    Args:
        names: The columns.
        arrays: The spelled columns of the table.
        schema: Its schema.
        options: The least support.
        k: The least number of rows of a label.
        groups: The number of each row's group; None if rows are not grouped.
        order: The rows in random order.
    """
    for name in names:
        found = [Determinant((name,))]
        if schema[name].type in (ColumnType.INTEGER, ColumnType.DECIMAL):
            found.append(Determinant((name,), "sign"))
        if arrays[name].null_count:
            found.append(Determinant((name,), "null"))
        found += [Determinant((name,), "prefix", length) for length in _prefix_lengths(arrays[name], schema[name])]
        for each in found:
            labels = _searched(shared_of(each, arrays, schema, k, groups))
            if labels.rare <= 1 - options.min_support and len(labels) + (labels.rare > 0) > 1:
                rows = min(len(order), max(_SAMPLE, _ROWS_PER_LABEL * len(labels)))
                yield Source(each, labels, SharedValues(labels.values, labels.codes[order[:rows]], labels.counts))
    yield from _differences(names, arrays, schema, options, k, groups, order)


def _differences(
    names: Sequence[str],
    arrays: Mapping[str, pa.DictionaryArray],
    schema: TableSchema,
    options: RelationsOptions,
    k: int,
    groups: Ints | None,
    order: Ints,
) -> Iterator[Source]:
    """Signs of the differences of two columns of numbers or of date-times, the nearest ones first."""
    numbers = [name for name in names if schema[name].type in (ColumnType.INTEGER, ColumnType.DECIMAL)]
    moments = [name for name in names if schema[name].type is ColumnType.DATETIME]
    pairs = [pair for kind in (numbers, moments) for pair in itertools.combinations(kind, 2)]
    pairs.sort(key=lambda pair: names.index(pair[1]) - names.index(pair[0]))
    for pair in pairs[:_MOST_DIFFERENCES]:
        determinant = Determinant(pair, "sign")
        labels = shared_of(determinant, arrays, schema, k, groups)
        if np.count_nonzero(labels.counts[:-1] >= options.min_support * len(labels.codes)) > 1:
            sample = SharedValues(labels.values, labels.codes[order[:_SAMPLE]], labels.counts)
            yield Source(determinant, labels, sample)


def _prefix_lengths(array: pa.DictionaryArray, column: ColumnSchema) -> range:
    """The lengths of the first characters that may label a row; none in columns of few values or of free text."""
    values = array.dictionary.to_pylist()
    if len(values) < _FEWEST_CODES or column.type not in (ColumnType.INTEGER, ColumnType.CATEGORICAL, ColumnType.TEXT):
        return range(0)
    sizes = {len(value) for value in values}
    if max(sizes) > _LONGEST_CODE or (column.type is ColumnType.INTEGER and len(sizes) > 1):
        return range(0)
    return range(1, min(_LONGEST_PREFIX, min(sizes) - 1) + 1)


def _searched(values: SharedValues) -> SharedValues:
    """Only the most frequent values of a column of which many rows are rare, such as amounts."""
    return values if values.rare <= MOST_RARE else frequent(values, _LEAST_SHARE)


def _same_origin(first: str, second: str) -> bool:
    """Whether columns are the same or parts of one column, such as its marks, which depend on each other anyway."""
    return first == second or first.startswith(f"{second}.") or second.startswith(f"{first}.")


def _varies(values: SharedValues, min_support: float) -> bool:
    """Whether a column has a frequent value, and others."""
    return 0 < values.counts[:-1].max(initial=0) < len(values.codes) and values.rare <= 1 - min_support


def best_candidates(
    name: str,
    values: SharedValues,
    determinants: Sequence[Source],
    order: Ints,
) -> list[Candidate]:
    """The determinants of a column that look best on a sample of the rows.

    Args:
        name: The column.
        values: Its values, or parts of them.
        determinants: The determinants.
        order: The rows in random order, as for the determinants.
    """
    found = []
    shuffled = SharedValues(values.values, values.codes[order], values.counts)
    for source in determinants:
        determinant, labels = source.determinant, source.labels
        if any(_same_origin(name, each) for each in determinant.columns):
            continue
        if determinant.feature == "prefix" and len(labels) <= len(values):
            continue
        counts = count_pairs(source.sample, shuffled, len(source.sample.codes), 1)
        if counts is None:
            continue
        bits = max(float(counts.bits.sum()), float(np.maximum(counts.bits - np.log2(len(labels) + 1), 0).sum()))
        if bits > LEAST_BITS / 2:
            functional = bool((counts.sizes[counts.label_rows > 0] == 1).all())
            found.append(Candidate(determinant, labels, bits, functional))
    found.sort(
        key=lambda each: (
            not each.functional,
            each.functional and each.determinant.feature != "value",
            len(each.labels) if each.functional else -each.bits,
        )
    )
    return found[:_CHECKED]
