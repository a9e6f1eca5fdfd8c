"""Null marks: texts that are read as null, counted, and sampled by their shares when nulls are written."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from attrs import evolve

from rowsmith.table.columns import Codes, codes_of, compact, count_codes, renumbered, spelled
from rowsmith.table.read_options import ReadOptions
from rowsmith.table.schema import ColumnSchema, ColumnType, Source, Storage
from rowsmith.table.types.encoded import Encoded
from rowsmith.table.types.inference import NUMBERS, TEXTS

__all__ = ["insert_marks", "mark_notes", "marked_storage", "marks_to_null", "nulls_to_marks", "types_without_marks"]

_TEXT_DTYPE = re.compile(r"(large_)?str(ing)?\[")
_MOST_NAMED = 5


def marks_to_null(column: Encoded, options: ReadOptions) -> Encoded:
    """Replace the null marks of a column by null.

    Args:
        column: A spelled column; one without text is returned unchanged.
        options: The null marks.

    Returns:
        The column, with the marks in its storage. The remaining values may be numbers and date-times too.
    """
    if not options.null_values or not _holds_text(column.storage):
        return column
    array = compact(column.array)
    values = array.dictionary.to_pylist()
    marks = [index for index, value in enumerate(values) if options.is_null(value)]
    if not marks:
        return column
    codes = codes_of(array)
    counts = count_codes(codes, len(values))
    new_codes = np.arange(len(values), dtype=np.int32)
    new_codes[marks] = -1
    storage = marked_storage(column.storage, {values[index]: int(counts[index]) for index in marks}, array.null_count)
    left = compact(spelled(array.dictionary, renumbered(codes, new_codes)))
    return Encoded(left, storage, types_without_marks(column.allowed))


def types_without_marks(allowed: tuple[ColumnType, ...]) -> tuple[ColumnType, ...]:
    """The types that a text column may have without its marks."""
    return tuple(dict.fromkeys((*allowed, *NUMBERS, *TEXTS)))


def marked_storage(storage: Storage, marks: Mapping[str, int], others: int) -> Storage:
    """Add null marks and their counts to a storage.

    Args:
        storage: The storage.
        marks: Rows of each null mark; without any the storage is returned unchanged.
        others: Rows that are null without a mark.
    """
    if not marks:
        return storage
    found: list[tuple[str | None, int]] = [*marks.items()]
    return evolve(storage, null_marks=(*found, *([(None, others)] if others else [])))


def _holds_text(storage: Storage) -> bool:
    if storage.source is Source.PANDAS:
        return storage.element == "str" or bool(_TEXT_DTYPE.match(storage.dtype))
    return storage.source is Source.CSV or storage.element == "string"


def nulls_to_marks(values: list[str], codes: Codes, column: ColumnSchema) -> tuple[list[str], Codes]:
    """Replace nulls of a column by marks, sampled by their shares.

    Shares are those of the training table. The draw depends only on which rows are null, so that the same table is
    always written in the same way.

    Args:
        values: Spelled values.
        codes: The code of each row, -1 for null.
        column: The column.

    Returns:
        The values followed by the marks, and the codes; -1 for null without a mark.
    """
    if not column.storage.null_marks:
        return values, codes
    marks, counts = zip(*column.storage.null_marks, strict=True)
    mark_codes = np.array(
        [-1 if mark is None else len(values) + index for index, mark in enumerate(marks)], dtype=np.int32
    )
    null = codes < 0
    seed = zlib.crc32(np.packbits(null).tobytes(), zlib.crc32(column.name.encode()))
    shares = np.array(counts, dtype=np.float64) / sum(counts)
    drawn = np.random.default_rng(seed).choice(mark_codes, size=int(null.sum()), p=shares)
    marked = codes.copy()
    marked[null] = drawn
    return [*values, *(mark or "" for mark in marks)], marked


def insert_marks(array: Any, codes: Codes, column: ColumnSchema) -> Any:
    """Replace nulls of a pandas array by marks, in place.

    Args:
        array: An array that holds objects or text; it is changed.
        codes: The code of each of its rows, -1 for null.
        column: The column.
    """
    marks, marked = nulls_to_marks([], np.where(codes < 0, -1, 0).astype(np.int32), column)
    rows = np.flatnonzero((codes < 0) & (marked >= 0))
    if len(rows):
        array[rows] = np.array(marks, dtype=object)[marked[rows]]
    return array


def mark_notes(columns: Mapping[str, Encoded], options: ReadOptions) -> Iterator[str]:
    """Notes on texts that were read as null, a line each."""
    found: dict[str, list[tuple[str, float]]] = {}
    for name, column in columns.items():
        for mark, count in column.storage.null_marks:
            if mark is not None:
                found.setdefault(mark, []).append((name, count / len(column.array)))
    for mark, columns_of_mark in found.items():
        named = ", ".join(f"{name!r} ({share:.2%} of its rows)" for name, share in columns_of_mark[:_MOST_NAMED])
        more = f" and {len(columns_of_mark) - _MOST_NAMED} more columns" if len(columns_of_mark) > _MOST_NAMED else ""
        yield f"{mark!r} is read as null in {named}{more}, and written back"
    unused = [value for value in options.null_values if not any(value in (mark, mark.strip()) for mark in found)]
    if unused:
        yield f"data.null_values names {', '.join(map(repr, unused))}, which no column of text holds"
