"""The record dialect of one schema: writing, reading, grammar."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from rowsmith.dialect.booleans import boolean_spellings
from rowsmith.dialect.grammar import json_schema, record_regex
from rowsmith.dialect.text import OTHER
from rowsmith.dialect.validation import Record, compile_validator
from rowsmith.dialect.writing import CellWriter
from rowsmith.errors import DataError
from rowsmith.table.columns import from_codes
from rowsmith.table.files.fragments import joined_rows
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema

__all__ = ["RecordDialect", "speller"]


class RecordDialect:
    """Writes, reads and describes the records of a schema.

    Invariant: ``spell([decode(line) for line in encode(columns)])`` equals ``columns`` if no
    cell was replaced by the marker of unseen values.

    Args:
        schema: The columns as the model reads and writes them, at least one.

    Raises:
        DataError: The schema has no columns, or lists the marker of unseen values as a value.
    """

    def __init__(self, schema: ModelSchema) -> None:
        if not len(schema):
            raise DataError("a record needs at least one column; check the transforms that leave columns out")
        for column in schema:
            if OTHER in (column.values or ()):
                raise DataError(f"column {column.name!r} holds {OTHER!r}, which is reserved; change that value")
        self.schema = schema
        last = len(schema) - 1
        self._writers = [
            CellWriter(column, first=index == 0, last=index == last) for index, column in enumerate(schema)
        ]
        self._validate = compile_validator(schema)

    def encode(self, columns: pa.Table) -> list[str]:
        """Write the rows of a table as records.

        Args:
            columns: A spelled table with the schema's columns.

        Returns:
            One line for each row, with its line end.

        Raises:
            DataError: A column cannot hold a value, such as null if training saw none; the message names
                row and column.
        """
        lines: list[str] = []
        for block in joined_rows([writer.fragments(columns) for writer in self._writers]):
            lines.extend(block.to_pylist())
        return lines

    def encode_record(self, record: Mapping[str, str | None]) -> str:
        """Write one record as a line.

        Args:
            record: Spelled value by column, None for null.

        Returns:
            Its line, with the line end.

        Raises:
            DataError: A column is missing, or cannot hold its value.
        """
        missing = [name for name in self.schema.names if name not in record]
        if missing:
            raise DataError(f"the record has no value for the column {missing[0]!r}; give None for a missing one")
        names = self.schema.names
        return "".join(writer.cell(record[name]) for writer, name in zip(self._writers, names, strict=True))

    def decode(self, line: str) -> Record:
        """Parse and validate one record.

        Any JSON text of the object is accepted, with keys in any order, with or without the line end.

        Args:
            line: The text of the record.

        Returns:
            Values in schema order. ``str`` of a number is its spelling.

        Raises:
            RecordError: The text is not JSON, a key is missing, additional or repeated, or a value does
                not fit its column; the first such error.
        """
        return self._validate(line)

    def spell(self, records: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Convert decoded records to a spelled table.

        Args:
            records: Values by column as ``decode`` gives them. Whole floats and NaN are read as
                integers and null, since records may have passed through a DataFrame.

        Returns:
            The table, columns in schema order.
        """
        arrays = [_spelled_column([record[column.name] for record in records], column) for column in self.schema]
        return pa.table(arrays, names=list(self.schema.names))

    def regex(self) -> str:
        """A regular expression that matches exactly one record with its line end."""
        return self._regex

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema (draft 2020-12) of a record."""
        return json_schema(self.schema)

    @cached_property
    def _regex(self) -> str:
        return record_regex(self.schema)


def _spelled_column(values: Sequence[Any], column: ModelColumn) -> pa.DictionaryArray:
    texts: dict[str, int] = {}
    spelling = speller(column)
    codes = np.empty(len(values), dtype=np.int32)
    for row, value in enumerate(values):
        if value is None or value != value:
            codes[row] = -1
        else:
            codes[row] = texts.setdefault(spelling(value), len(texts))
    return from_codes(list(texts), codes)


def speller(column: ModelColumn) -> Callable[[Any], str]:
    """The function that spells the decoded values of a column."""
    if column.kind is JsonKind.BOOLEAN:
        spellings = boolean_spellings(column)
        return lambda value: spellings[bool(value)]
    return _spelled_number if column.kind is JsonKind.NUMBER else str


def _spelled_number(value: int | float | Decimal) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
