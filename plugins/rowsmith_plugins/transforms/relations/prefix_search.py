"""Search for codes and numbers whose first characters follow from the labels of another column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowsmith.table.columns import codes_of, single_array
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith_plugins.transforms.options import RelationsOptions
from rowsmith_plugins.transforms.relations.coding import Coding, creates_cycle
from rowsmith_plugins.transforms.relations.determinants import Determinant, prefixes_of
from rowsmith_plugins.transforms.relations.prefixes import REST_SUFFIX, Prefixed
from rowsmith_plugins.transforms.relations.value_lists import MOST_OMITTED, is_complete, shared_of
from rowsmith_plugins.transforms.relations.value_pairs import SharedValues, count_pairs, shared_values
from rowsmith_plugins.transforms.relations.value_search import (
    LEAST_BITS,
    best_candidates,
    candidate_columns,
    determinants_of,
)

__all__ = ["find_prefixed", "prefixed_as_stated"]

Ints = npt.NDArray[np.int64]

_LONGEST = 6
_FEWEST_VALUES = 50
"""A column of fewer values is no column of codes."""


def find_prefixed(
    columns: pa.Table,
    schema: TableSchema,
    codings: Sequence[Coding],
    options: RelationsOptions,
    k: int,
    groups: Ints | None,
) -> list[Coding]:
    """Find codes and whole numbers of a fixed width whose first characters follow from the labels of another column.

    Args:
        columns: The spelled training table.
        schema: Its schema.
        codings: The encodings so far; their columns are not encoded again, but may determine others.
        options: Columns to leave out, and the least support.
        k: The least number of rows that share what is learned.
        groups: The number of each row's group; None if rows are not grouped.

    Returns:
        The encodings found, of the longest prefixes, without cycles.
    """
    names = candidate_columns(schema, options)
    taken, found = {coding.name for coding in codings}, list[Coding]()
    codes = [name for name in names if name not in taken and _is_code(columns, schema[name])]
    if columns.num_rows < 2 * k or len(names) < 2 or not codes:
        return found
    arrays = {name: single_array(columns.column(name)) for name in columns.column_names}
    order = np.random.default_rng(0).permutation(columns.num_rows)
    determinants = [*determinants_of(names, arrays, schema, options, k, groups, order)]
    for name in codes:
        shortest = min(map(len, arrays[name].dictionary.to_pylist()))
        for length in range(min(_LONGEST, shortest - 1), 0, -1):
            prefixes = _prefixes(arrays[name], length, k, groups)
            chosen = (each for each in best_candidates(name, prefixes, determinants, order) if each.functional)
            usable = (each for each in chosen if not creates_cycle([*codings, *found], name, each.determinant.columns))
            given = (
                _prefixed(schema[name], length, each.determinant, each.labels, prefixes, arrays[name], k, groups)
                for each in usable
            )
            best = next((each for each in given if each is not None), None)
            if best is not None:
                found.append(best)
                break
    return found


def prefixed_as_stated(
    name: str,
    length: int,
    determinant: Determinant,
    columns: pa.Table,
    schema: TableSchema,
    k: int,
    groups: Ints | None,
) -> Prefixed | None:
    """Encode the first characters of a column by the labels of a determinant, because the user says so.

    Args:
        name: The column.
        length: How many characters follow.
        determinant: What labels the rows.
        columns: The spelled training table.
        schema: Its schema.
        k: The least number of rows that share what is learned.
        groups: The number of each row's group; None if rows are not grouped.

    Returns:
        The encoding; None if the column holds no codes of more characters, or too few rows have a label with one
        prefix.
    """
    arrays = {each: single_array(columns.column(each)) for each in (name, *determinant.columns)}
    if not _has_codes(columns, schema[name], length):
        return None
    labels, prefixes = shared_of(determinant, arrays, schema, k, groups), _prefixes(arrays[name], length, k, groups)
    return _prefixed(schema[name], length, determinant, labels, prefixes, arrays[name], k, groups)


def _prefixed(
    column: ColumnSchema,
    length: int,
    determinant: Determinant,
    labels: SharedValues,
    prefixes: SharedValues,
    array: pa.DictionaryArray,
    k: int,
    groups: Ints | None,
) -> Prefixed | None:
    """The encoding, if nearly all rows have a label with one prefix, and that is no chance."""
    rows = len(labels.codes)
    counts = count_pairs(labels, prefixes, rows, k, groups)
    if counts is None:
        return None
    listed = np.flatnonzero(counts.bounded & (counts.sizes == 1))
    without = 1 - float(counts.label_rows[listed].sum()) / rows
    if without > MOST_OMITTED or not is_complete(counts, without, rows) or counts.bits[listed].sum() < LEAST_BITS:
        return None
    first = np.full(len(labels), -1, dtype=np.int64)
    first[counts.labels[counts.listed]] = counts.values[counts.listed]
    chosen = [(labels.values[index], prefixes.values[first[index]]) for index in listed.tolist()]
    if any(prefix is None for _, prefix in chosen):
        return None
    digits = None
    if column.type is ColumnType.INTEGER:
        digits = len(array.dictionary[0].as_py()) - length
    in_lists = counts.listed & np.isin(counts.labels, listed)
    return Prefixed(
        name=column.name,
        determinant=determinant,
        length=length,
        digits=digits,
        labels=tuple(label for label, _ in chosen),
        prefixes=tuple(str(prefix) for _, prefix in chosen),
        other=next(str(value) for value in prefixes.values if value is not None),
        support=float(counts.rows[in_lists].sum() / rows),
    )


def _prefixes(array: pa.DictionaryArray, length: int, k: int, groups: Ints | None) -> SharedValues:
    return shared_values(*prefixes_of(array.dictionary.to_pylist(), codes_of(array), length), k, groups)


def _is_code(columns: pa.Table, column: ColumnSchema) -> bool:
    array = single_array(columns.column(column.name))
    return len(array.dictionary) >= _FEWEST_VALUES and _has_codes(columns, column, 1)


def _has_codes(columns: pa.Table, column: ColumnSchema, length: int) -> bool:
    """Whether all values of a column are codes with more than so many characters, whole numbers of the same width."""
    if column.type not in (ColumnType.INTEGER, ColumnType.CATEGORICAL, ColumnType.TEXT) or column.marked is not None:
        return False
    if f"{column.name}{REST_SUFFIX}" in columns.column_names or column.storage.categories is not None:
        return False
    values = single_array(columns.column(column.name)).dictionary.to_pylist()
    sizes = {len(value) for value in values}
    if not sizes or min(sizes) <= length:
        return False
    return column.type is not ColumnType.INTEGER or (len(sizes) == 1 and all(value.isdigit() for value in values))
