"""Columns of a spelled table: conversion between codes and Arrow arrays.

A spelled column is a single-chunk ``dictionary<int32, string>`` array. Nulls are null codes; the
dictionary never holds a null and never holds a value twice. It may hold values that no row uses,
as after taking some rows of a table; ``distinct`` leaves those out. The codes of long columns are in
mapped files (see ``rowsmith.storage.memory_map``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowsmith.storage.memory_map import BlockWriter, spooled

__all__ = [
    "CODED_TEXT",
    "Codes",
    "codes_of",
    "combine_codes",
    "combined_codes",
    "compact",
    "count_codes",
    "distinct",
    "from_codes",
    "renumbered",
    "replace_column",
    "single_array",
    "spelled",
    "take_rows",
]

_BLOCK = 1 << 18

Codes = npt.NDArray[np.int32]
"""Positions in a list of values, one for each row; -1 for null."""

CODED_TEXT = pa.dictionary(pa.int32(), pa.string())
"""The Arrow type of every column of a spelled table."""


def distinct(columns: pa.Table, name: str) -> tuple[list[str], Codes]:
    """The values of a column and the code of each row.

    Args:
        columns: A spelled table.
        name: The column.

    Returns:
        The spelled values that occur, each once, in dictionary order; and one code for each row,
        the position in that list, -1 for null.

    Raises:
        KeyError: There is no such column.
    """
    array = compact(single_array(columns.column(name)))
    return array.dictionary.to_pylist(), codes_of(array)


def from_codes(values: Sequence[str], codes: npt.NDArray[Any]) -> pa.DictionaryArray:
    """A spelled column from its values and the code of each row.

    Args:
        values: Spelled values, each once.
        codes: Integers, one for each row: a position in ``values``, or a negative number for null.

    Returns:
        The column.

    Raises:
        ValueError: A code is past the end of ``values``.
    """
    codes = np.asarray(codes, dtype=np.int32)
    if codes.size and int(codes.max()) >= len(values):
        raise ValueError(f"a code of {int(codes.max())} is past the end of {len(values)} values")
    return spelled(pa.array(values, type=pa.string()), codes)


def spelled(dictionary: pa.StringArray, codes: Codes) -> pa.DictionaryArray:
    """A spelled column from an Arrow array of values and the code of each row, which are not checked."""
    codes = spooled(np.asarray(codes, dtype=np.int32))
    missing = codes < 0
    if not missing.any():
        return pa.DictionaryArray.from_arrays(pa.array(codes), dictionary, safe=False)
    validity = np.packbits(~missing, bitorder="little")
    buffers = [pa.py_buffer(validity), pa.py_buffer(np.ascontiguousarray(codes))]
    indices = pa.Array.from_buffers(pa.int32(), len(codes), buffers)
    return pa.DictionaryArray.from_arrays(indices, dictionary, safe=False)


def codes_of(array: pa.DictionaryArray) -> Codes:
    """The code of each row in the array's own dictionary, -1 for null."""
    indices = array.indices
    if indices.null_count:
        indices = indices.fill_null(-1)
    return np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.int32)


def compact(array: pa.DictionaryArray) -> pa.DictionaryArray:
    """Drop unused values from the dictionary of a column; the order is retained."""
    codes = codes_of(array)
    size = len(array.dictionary)
    used = count_codes(codes, size) > 0
    if used.all():
        return array
    occurring = np.flatnonzero(used)
    new_codes = np.full(size, -1, dtype=np.int32)
    new_codes[occurring] = np.arange(len(occurring), dtype=np.int32)
    return spelled(array.dictionary.take(pa.array(occurring)), renumbered(codes, new_codes))


def renumbered(codes: Codes, new_codes: Codes) -> Codes:
    """Map the code of each row; -1 stays -1.

    Args:
        codes: The code of each row, -1 for null.
        new_codes: The new code of each code, -1 for null.
    """
    if np.array_equal(new_codes, np.arange(len(new_codes))):
        return codes
    table = np.append(new_codes, np.int32(-1))
    writer = BlockWriter(len(codes), np.int32)
    for start in range(0, len(codes), _BLOCK):
        writer.append(table[codes[start : start + _BLOCK]])
    return writer.array()


def single_array(column: pa.ChunkedArray | pa.DictionaryArray) -> pa.DictionaryArray:
    """Combine the chunks of a spelled column, each with its own dictionary, to one array."""
    if isinstance(column, pa.DictionaryArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    if column.num_chunks == 0:
        return spelled(pa.array([], type=pa.string()), np.zeros(0, dtype=np.int32))
    return _joined([chunk for chunk in column.chunks if len(chunk)] or column.chunks[:1])


def _joined(chunks: Sequence[pa.DictionaryArray]) -> pa.DictionaryArray:
    """Combine arrays, a chunk at a time; values are in order of appearance."""
    merged = pa.concat_arrays([chunk.dictionary for chunk in chunks]).dictionary_encode()
    merged_codes, start = codes_of(merged), 0
    writer = BlockWriter(sum(map(len, chunks)), np.int32)
    for chunk in chunks:
        stop = start + len(chunk.dictionary)
        writer.append(np.append(merged_codes[start:stop], np.int32(-1))[codes_of(chunk)])
        start = stop
    return spelled(merged.dictionary, writer.array())


def count_codes(codes: Codes, size: int) -> npt.NDArray[np.int64]:
    """Frequency of each code from 0 to ``size - 1``, without nulls.

    Args:
        codes: Codes of a column, -1 for null.
        size: Number of values.
    """
    counts = np.zeros(size + 1, dtype=np.int64)
    for start in range(0, len(codes), _BLOCK):
        counts += np.bincount(codes[start : start + _BLOCK] + 1, minlength=size + 1)
    return counts[1:]


def combined_codes(columns: pa.Table, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Codes of combinations of values of several columns, numbered from 0 by first appearance.

    Args:
        columns: A spelled table.
        names: The columns; null counts as a value. Without any, all rows have one code.

    Raises:
        KeyError: There is no such column.
    """
    return combine_codes((distinct(columns, name)[1] for name in names), columns.num_rows)


def combine_codes(codes: Iterable[Codes], rows: int) -> npt.NDArray[np.int64]:
    """One code for each combination of codes, counted from 0 by first appearance.

    Args:
        codes: The code of each row in each column, -1 for null, which counts as a value.
        rows: How many rows there are.
    """
    numbers = np.zeros(rows, dtype=np.int64)
    for each in codes:
        combined = pa.array(numbers * (int(each.max(initial=-1)) + 2) + each + 1).dictionary_encode()
        numbers = combined.indices.to_numpy().astype(np.int64)
    return numbers


def take_rows(columns: pa.Table, rows: npt.NDArray[Any]) -> pa.Table:
    """Select rows of a spelled table.

    Args:
        columns: The table.
        rows: Row numbers from 0, in any order.

    Returns:
        The rows; the table itself where ``rows`` are all of them in order.
    """
    if len(rows) == columns.num_rows and np.array_equal(rows, np.arange(columns.num_rows)):
        return columns
    arrays = {}
    for name in columns.column_names:
        array = single_array(columns.column(name))
        arrays[name] = spelled(array.dictionary, codes_of(array)[rows])
    return pa.table(arrays)


def replace_column(columns: pa.Table, name: str, arrays: Mapping[str, pa.DictionaryArray]) -> pa.Table:
    """Replace a column of a table by others.

    Args:
        columns: A spelled table.
        name: The column to replace.
        arrays: The columns to insert in order: none, one (also of the same name) or several.

    Returns:
        The new table; the given one is not changed.

    Raises:
        KeyError: There is no such column.
        ValueError: A new name is already the name of another column.
    """
    position = columns.schema.get_field_index(name)
    if position < 0:
        raise KeyError(name)
    rest = columns.remove_column(position)
    for offset, (new_name, array) in enumerate(arrays.items()):
        if new_name in rest.column_names:
            raise ValueError(f"the table already has a column {new_name!r}")
        rest = rest.add_column(position + offset, new_name, array)
    return rest
