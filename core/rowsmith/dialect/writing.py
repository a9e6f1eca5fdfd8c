"""Writing cells as the text of records."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from rowsmith.dialect.booleans import boolean_spellings
from rowsmith.dialect.numbers import number_regex
from rowsmith.dialect.text import OTHER, json_string
from rowsmith.errors import DataError
from rowsmith.table.columns import Codes, distinct
from rowsmith.table.files.fragments import Fragments
from rowsmith.table.schema import JsonKind, ModelColumn
from rowsmith.table.types.number_shapes import JSON_NUMBER

__all__ = ["CellWriter"]

_OTHER_TEXT = json_string(OTHER)


class CellWriter:
    """Writes the cells of one column as JSON, each with the punctuation around it.

    Args:
        column: The column.
        first: Whether it is the first column of the record.
        last: Whether it is the last column of the record.
    """

    def __init__(self, column: ModelColumn, *, first: bool, last: bool) -> None:
        self._column = column
        self._start = ("{" if first else ",") + json_string(column.name) + ":"
        self._end = "}\n" if last else ""
        self._write = _value_writer(column)
        self._allowed = None if column.values is None else frozenset(column.values)

    def cell(self, value: str | None) -> str:
        """The text of one cell.

        Args:
            value: Its spelled value, None for null.

        Raises:
            DataError: The column cannot hold it.
        """
        return self._start + self._value(value) + self._end

    def fragments(self, columns: pa.Table) -> Fragments:
        """The cells of every row.

        Args:
            columns: A spelled table with this column.

        Raises:
            DataError: The column cannot hold a value; the message names the row.
        """
        values, codes = distinct(columns, self._column.name)
        texts = [self._fragment(value, code, codes) for code, value in enumerate(values)]
        null = self._fragment(None, -1, codes) if (codes < 0).any() else ""
        return Fragments([*texts, null], codes)

    def _fragment(self, value: str | None, code: int, codes: Codes) -> str:
        try:
            return self.cell(value)
        except DataError as error:
            raise DataError(f"row {int(np.argmax(codes == code)) + 1}: {error}") from error

    def _value(self, value: str | None) -> str:
        if value is None:
            if self._column.nullable:
                return "null"
        elif self._allowed is None or value in self._allowed:
            return self._write(value)
        if self._column.other:
            return _OTHER_TEXT
        what = "a missing value" if value is None else f"the value {value[:60]!r}"
        raise DataError(
            f"column {self._column.name!r} cannot hold {what}, which the training table did not have; remove the row"
        )


def _value_writer(column: ModelColumn) -> Callable[[str], str]:
    if column.kind is JsonKind.STRING:
        return json_string
    if column.kind is JsonKind.BOOLEAN:
        false, true = boolean_spellings(column)
        words = {false: "false", true: "true"}
        return lambda value: words[value] if value in words else _reject(column, value, "boolean")
    pattern = re.compile(JSON_NUMBER.strip("^$") if column.closed else number_regex(column))
    return lambda value: value if pattern.fullmatch(value) else _reject(column, value, "JSON number of its kind")


def _reject(column: ModelColumn, value: str, what: str) -> str:
    raise DataError(f"column {column.name!r}: {value[:60]!r} is not a {what}; give the column another type")
