"""Detection of read options: encoding, lines before the table, texts that usually mean null."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from attrs import evolve

from rowsmith.errors import DataError
from rowsmith.table.columns import distinct
from rowsmith.table.files.csv_diagnosis import is_number, preamble_lines
from rowsmith.table.files.formats import file_format, read_table
from rowsmith.table.files.text_encoding import guess_encoding
from rowsmith.table.files.text_source import TextSource
from rowsmith.table.read_options import ReadOptions
from rowsmith.table.table import Table

__all__ = ["found_options", "marks_among_numbers"]

_PIECE = 1 << 22
_HEAD = 1 << 16
_USUAL_MARKS = frozenset(
    {"NA", "N/A", "n/a", "na", "<NA>", "#N/A", "NaN", "nan", "NULL", "Null", "null", "None", "none", "nil", "NIL"}
    | {"?", "-", "--", "---", ".", "..", "...", "*", "missing", "Missing", "MISSING"}
)


def found_options(path: str | os.PathLike[str]) -> tuple[ReadOptions, Table]:
    """Detect the read options of a table, and read it.

    Args:
        path: The file.

    Raises:
        DataError: No options work.
    """
    options, table = _after_preamble(Path(path), ReadOptions(encoding=_encoding(Path(path))))
    marks = tuple(dict.fromkeys(mark.strip() for _, found in marks_among_numbers(table) for mark in found))
    if not marks:
        return options, table
    options = evolve(options, null_values=marks)
    return options, read_table(path, options=options)


def _after_preamble(path: Path, options: ReadOptions) -> tuple[ReadOptions, Table]:
    """Read a table, skipping lines before it if that is needed."""
    format_, compressed = file_format(path)
    error: DataError | None = None
    try:
        table = read_table(path, options=options)
        if len(table.schema) > 1:
            return options, table
    except DataError as found:
        error = found
    lines = 0
    if format_ in ("csv", "tsv"):
        with suppress(OSError, EOFError, DataError), TextSource(path, compressed, options.encoding).open() as stream:
            lines = preamble_lines(stream.read(_HEAD))
    if lines:
        options = evolve(options, skip_rows=lines)
        return options, read_table(path, options=options)
    if error is not None:
        raise error
    return options, table


def marks_among_numbers(table: Table) -> Iterator[tuple[str, list[str]]]:
    """Columns that are numbers except for texts that usually mean null, and these texts.

    Args:
        table: A table that was read without these null values.
    """
    for column in table.schema:
        values, _ = distinct(table.columns, column.name)
        marks = [value for value in values if value.strip() in _USUAL_MARKS]
        if marks and len(marks) < len(values) and all(is_number(value) or value in marks for value in values):
            yield column.name, marks


def _encoding(path: Path) -> str:
    """The encoding of a text file; UTF-8 where it could be."""
    format_, compressed = file_format(path)
    if format_ == "parquet":
        return "utf-8"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with TextSource(path, compressed).raw() as stream:
            head = stream.read(_PIECE)
            if guess_encoding(head) != "utf-8":
                return guess_encoding(head)
            piece = head
            while piece:
                decoder.decode(piece)
                piece = stream.read(_PIECE)
    except UnicodeDecodeError:
        return guess_encoding(piece)
    except (OSError, EOFError):
        pass  # Reported when the table is read.
    return "utf-8"
