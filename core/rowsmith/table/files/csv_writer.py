"""Writing delimited text in the table's own spelling.

Null is an empty field, or a mark that was read as null; empty text is ``""``; fields are quoted only where
they must be; lines end in a line feed. A row index is counted again, and a table that was read without a header
is written without one. ``read_csv`` reads the same table from it.
"""

from __future__ import annotations

import re
from typing import IO

import pyarrow as pa

from rowsmith.table.columns import distinct
from rowsmith.table.files.fragments import CountedFragments, Fragments, joined_rows, write_rows
from rowsmith.table.schema import JsonKind, TableSchema
from rowsmith.table.types.null_marks import nulls_to_marks

__all__ = ["write_csv"]

_ALWAYS_QUOTED = frozenset('"\r\n')
# Texts that spreadsheets read as formulas, also after spaces and quotes; plain numbers are not formulas.
_FORMULA = re.compile(r"(?![-+]?\d+(\.\d*)?([eE][-+]?\d+)?\Z)[\s\"']*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_QUOTED_IN_NAMES = frozenset(',;\t|"\r\n\ufeff')


def write_csv(columns: pa.Table, schema: TableSchema, file: IO[bytes], delimiter: str, *, safe: bool = False) -> None:
    """Write a spelled table.

    Args:
        columns: The table.
        schema: Its columns, in the order to write them.
        file: An open binary file.
        delimiter: The field delimiter.
        safe: Whether text that a spreadsheet would read as a formula gets an apostrophe before it; names
            too, but never a column of numbers.
    """
    names = [_field(_escaped_formula(name) if safe else name, _QUOTED_IN_NAMES) for name in schema.names]
    index = schema.layout.index
    if schema.layout.header:
        file.write((delimiter.join([*([] if index is None else [""]), *names]) + "\n").encode())
    # In one column any delimiter must be quoted, since the header does not determine it.
    special = _ALWAYS_QUOTED | {delimiter} if len(names) > 1 or index is not None else _QUOTED_IN_NAMES
    parts: list[Fragments | CountedFragments] = []
    if index is not None:
        parts.append(CountedFragments(index.start, columns.num_rows, delimiter))
    for position, column in enumerate(schema):
        values, codes = distinct(columns, column.name)
        if safe and column.json_kind is JsonKind.STRING:
            values = [_escaped_formula(value) for value in values]
        values, codes = nulls_to_marks(values, codes, column)
        end = "\n" if position == len(names) - 1 else delimiter
        parts.append(Fragments([*(_field(value, special) + end for value in values), end], codes))
    write_rows(joined_rows(parts), file)


def _escaped_formula(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _field(text: str, special: frozenset[str]) -> str:
    if text and special.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'
