"""Writing delimited text in the table's own spelling.

Null is an empty field, empty text is ``""``; fields are quoted only where they must be; lines end in a
line feed. What ``read_csv`` reads of it is the same table.
"""

from __future__ import annotations

from typing import IO

import pyarrow as pa

from rowsmith.table.columns import distinct
from rowsmith.table.fragments import Fragments, joined_rows, write_rows
from rowsmith.table.schema import TableSchema

__all__ = ["write_csv"]

_ALWAYS_QUOTED = frozenset('"\r\n')
_QUOTED_IN_NAMES = frozenset(',;\t|"\r\n\ufeff')


def write_csv(columns: pa.Table, schema: TableSchema, file: IO[bytes], delimiter: str) -> None:
    """Write a spelled table.

    Args:
        columns: The table.
        schema: Its columns, in the order to write them.
        file: An open binary file.
        delimiter: What stands between fields.
    """
    names = [_field(name, _QUOTED_IN_NAMES) for name in schema.names]
    file.write((delimiter.join(names) + "\n").encode())
    # In one column any delimiter must be quoted, since the header does not tell which one is meant.
    special = _ALWAYS_QUOTED | {delimiter} if len(names) > 1 else _QUOTED_IN_NAMES
    parts: list[Fragments] = []
    for place, name in enumerate(schema.names):
        values, codes = distinct(columns, name)
        end = "\n" if place == len(names) - 1 else delimiter
        parts.append(Fragments([*(_field(value, special) + end for value in values), end], codes))
    write_rows(joined_rows(parts), file)


def _field(text: str, special: frozenset[str]) -> str:
    if text and special.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'
