"""Tables as JSON lines: one flat object a line, the same keys in every line.

Numbers retain their spelling. A column holds JSON strings, numbers or booleans, beside nulls; text that
looks like a number stays text.
"""

from __future__ import annotations

import json
import re
from array import array
from json.encoder import encode_basestring
from typing import IO, Any

import numpy as np
import pyarrow as pa

from rowsmith.errors import DataError
from rowsmith.storage.malloc import release_freed_memory
from rowsmith.table.columns import distinct, from_codes, single_array
from rowsmith.table.files.fragments import Fragments, joined_rows, write_rows
from rowsmith.table.files.text_encoding import guess_encoding
from rowsmith.table.files.text_source import BOM, TextSource, check_text
from rowsmith.table.frames.conversion import check_names
from rowsmith.table.limits import Limits
from rowsmith.table.read_options import ReadOptions
from rowsmith.table.schema import ColumnSchema, ColumnType, Source, Storage, TableSchema
from rowsmith.table.types.encoded import Encoded, EncodedTable
from rowsmith.table.types.inference import BOOLEANS, NUMBERS, TEXTS
from rowsmith.table.types.null_marks import marked_storage, nulls_to_marks, types_without_marks
from rowsmith.table.types.number_shapes import JSON_NUMBER

__all__ = ["read_jsonl", "write_jsonl"]

_ALLOWED = {"string": TEXTS, "number": NUMBERS, "boolean": BOOLEANS, "": ()}
_NUMBER = re.compile(JSON_NUMBER)
_BLOCK_ROWS = 1 << 18
_NUMERIC_DTYPE = re.compile(r"(?i)u?int\d+|float\d+|double|float|halffloat|decimal")


class _Number(str):
    """The spelling of a JSON number."""

    __slots__ = ()


def read_jsonl(source: TextSource, limits: Limits, options: ReadOptions) -> EncodedTable:
    """Read JSON lines, a line at a time.

    Args:
        source: The file, UTF-8.
        limits: Bounds on its bytes, rows and columns.
        options: Dropped columns and null marks.

    Returns:
        Spelled columns, in the order of the first line, at least one row.

    Raises:
        DataError: A line is damaged or unlike the first; the message names line and column.
        OSError: The file cannot be read.
    """
    where = str(source)
    check_text(source.scan(limits), where, skipped=source.skip_rows > 0)
    reading = _Reading(where, options)
    names: list[str] = []
    with source.open() as stream:
        for number, line in enumerate(iter(lambda: stream.readline(limits.record + 1), b""), start=1):
            limits.check_record(f"{where}, line {number},", len(line))
            text = line.removeprefix(BOM) if number == 1 else line
            if not text.strip():
                continue
            record = reading.parse(text, number)
            if not names:
                names = check_names(list(record))
                reading.start([names[index] for index in options.selected(names)])
            reading.add(record, number)
            if reading.rows % _BLOCK_ROWS == 0:
                limits.check_shape(where, reading.rows, len(names))
                reading.close_block()
    if not names:
        raise DataError(f"{where} is empty; at least one line with a JSON object is needed")
    limits.check_shape(where, reading.rows, len(names))
    return EncodedTable(reading.encoded())


class _Reading:
    """The columns built so far."""

    def __init__(self, where: str, options: ReadOptions) -> None:
        self.where = where
        self.options = options
        self.rows = 0
        self.builders: dict[str, _Builder] = {}
        self._parse = json.JSONDecoder(
            parse_int=_Number, parse_float=_Number, parse_constant=_no_constant, object_pairs_hook=_unique_pairs
        ).decode

    def start(self, names: list[str]) -> None:
        """Begin with the columns of the first line."""
        self.builders = {name: _Builder(name, self.options) for name in names}

    def parse(self, line: bytes, number: int) -> dict[str, Any]:
        """Parse the object of one line."""
        try:
            record = self._parse(line.decode())
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.where}, line {number} is not UTF-8 (0x{line[error.start]:02x}); set data.encoding to the "
                f"encoding that the file is in, perhaps {guess_encoding(line)}"
            ) from error
        except (ValueError, RecursionError) as error:
            raise DataError(f"{self.where}, line {number}: not a JSON object ({error}); correct the line") from error
        if not isinstance(record, dict):
            raise DataError(f"{self.where}, line {number}: not a JSON object; each line must be one")
        return record

    def add(self, record: dict[str, Any], number: int) -> None:
        """Append one row."""
        for name in self.options.drop:
            record.pop(name, None)
        if record.keys() != self.builders.keys():
            raise self._keys_error(record, number)
        for name, value in record.items():
            try:
                self.builders[name].add(value)
            except ValueError as error:
                raise DataError(f"{self.where}, line {number}, column {name!r}: {error}") from error
        self.rows += 1

    def close_block(self) -> None:
        """Encode the rows so far, so that at most one block is in memory."""
        for builder in self.builders.values():
            builder.close_block()
        release_freed_memory()

    def encoded(self) -> dict[str, Encoded]:
        """The spelled columns."""
        columns = {name: builder.encoded() for name, builder in self.builders.items()}
        release_freed_memory()
        return columns

    def _keys_error(self, record: dict[str, Any], number: int) -> DataError:
        missing = [name for name in self.builders if name not in record]
        what = f"misses the key {missing[0]!r}" if missing else ""
        if not missing:
            what = f"has the extra key {next(name for name in record if name not in self.builders)!r}"
        return DataError(
            f"{self.where}, line {number} {what}; every line must have the keys of the first, null where unknown"
        )


class _Builder:
    """The values of one column: their kind, and the distinct texts and codes of the current block."""

    def __init__(self, name: str, options: ReadOptions) -> None:
        self.name = name
        self.options = options
        self.marks: dict[str, int] = {}
        self.kind = ""
        self.code_of: dict[str, int] = {}
        self.codes = array("i")
        self.blocks: list[pa.DictionaryArray] = []

    def add(self, value: Any) -> None:
        """Append one cell; ``ValueError`` if it is nested or of another kind than those before."""
        if value is None:
            self.codes.append(-1)
            return
        kind, text = _kind_and_text(value)
        if kind == "string" and self.options.null_values and self.options.is_null(text):
            self.marks[text] = self.marks.get(text, 0) + 1
            self.codes.append(-1)
            return
        if kind != self.kind:
            if self.kind:
                hint = " (data.null_values names texts that are read as null)" if "string" in (kind, self.kind) else ""
                raise ValueError(f"a {kind} among {self.kind}s; a column must hold one kind of value{hint}")
            self.kind = kind
        self.codes.append(self.code_of.setdefault(text, len(self.code_of)))

    def close_block(self) -> None:
        """Encode the rows of the block."""
        try:
            self.blocks.append(from_codes(list(self.code_of), np.array(self.codes, dtype=np.int32)))
        except UnicodeEncodeError as error:
            raise DataError(f"column {self.name!r} holds text that is not valid Unicode (a lone surrogate)") from error
        self.code_of, self.codes = {}, array("i")

    def encoded(self) -> Encoded:
        """The spelled column."""
        self.close_block()
        spelled = single_array(pa.chunked_array(self.blocks))
        storage = Storage(source=Source.JSON, element=self.kind)
        allowed = (
            types_without_marks(_ALLOWED[self.kind]) if self.marks and self.kind == "string" else _ALLOWED[self.kind]
        )
        return Encoded(
            spelled, marked_storage(storage, self.marks, spelled.null_count - sum(self.marks.values())), allowed
        )


def _kind_and_text(value: Any) -> tuple[str, str]:
    if isinstance(value, _Number):
        return "number", str(value)
    if isinstance(value, str):
        return "string", value
    if isinstance(value, bool):
        return "boolean", "true" if value else "false"
    raise ValueError("a nested value; only strings, numbers, booleans and null are supported, so flatten it first")


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} occurs twice")
    return record


def write_jsonl(columns: pa.Table, schema: TableSchema, file: IO[bytes]) -> None:
    """Write a spelled table as JSON lines.

    Args:
        columns: The table.
        schema: Its columns, in the order to write them.
        file: An open binary file.
    """
    parts: list[Fragments] = []
    for index, column in enumerate(schema):
        values, codes = distinct(columns, column.name)
        start = ("," if index else "{") + encode_basestring(column.name) + ":"
        end = "}\n" if index == len(schema) - 1 else ""
        marked, codes = nulls_to_marks(values, codes, column)
        texts = [*_json_texts(values, column), *map(encode_basestring, marked[len(values) :]), "null"]
        parts.append(Fragments([start + text + end for text in texts], codes))
    write_rows(joined_rows(parts), file)


def _json_texts(values: list[str], column: ColumnSchema) -> list[str]:
    if column.type is ColumnType.BOOLEAN and column.storage.element != "string":
        false = (column.spellings or ("false", "true"))[0]
        return ["false" if value == false else "true" for value in values]
    if _is_number(column):
        return [value if _NUMBER.match(value) else encode_basestring(value) for value in values]
    return [encode_basestring(value) for value in values]


def _is_number(column: ColumnSchema) -> bool:
    storage = column.storage
    if storage.source is Source.JSON:
        return storage.element == "number"
    if storage.source is Source.CSV:
        return column.whole_dates or column.type in (ColumnType.INTEGER, ColumnType.DECIMAL)
    dtype = storage.categories_dtype if storage.categories is not None else storage.dtype
    return bool(_NUMERIC_DTYPE.match(dtype)) or storage.element in ("int", "float", "decimal")
