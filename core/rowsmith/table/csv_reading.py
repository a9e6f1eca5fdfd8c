"""Reading delimited text exactly: every field as it is written, every flaw an error.

A field without quotes and without text is null; ``""`` is empty text; ``NA`` is the text NA. Blank
lines are skipped, but in a file of one column they are nulls. The delimiter (comma, semicolon, tab or
bar) is told from the header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa
from pyarrow import csv

from rowsmith.errors import DataError
from rowsmith.table.columns import CODED_TEXT, compact, single_array
from rowsmith.table.encoded import Encoded
from rowsmith.table.frames import check_names
from rowsmith.table.inference import ANY_TYPE
from rowsmith.table.limits import Limits
from rowsmith.table.schema import Source, Storage

__all__ = ["DELIMITERS", "read_csv"]

DELIMITERS = (",", ";", "\t", "|")

_HEAD = 1 << 16
_SAMPLE_ROWS = 20
_BLOCK = 1 << 22
_LARGEST_BLOCK = 2**31 - 2
_END = b"rowsmith-end-of-file"
_BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def read_csv(data: bytes, where: str, limits: Limits) -> Mapping[str, Encoded]:
    """Read delimited text.

    Args:
        data: The whole file.
        where: The file, for messages.
        limits: Bounds on its rows and columns.

    Returns:
        Spelled columns by name, at least one row.

    Raises:
        DataError: The text is damaged or not a table; the message names row or byte.
    """
    check_encoding(data, where)
    delimiter, width = _sniff(data)
    limits.check_shape(where, 0, width)
    rows = _parse(data, where, delimiter, width)
    limits.check_shape(where, rows.num_rows, rows.num_columns)
    names = check_names([column[0].as_py() or "" for column in rows.columns])
    if rows.num_rows < 2:
        raise DataError(f"{where} has a header but no rows; at least one row is needed")
    storage = Storage(source=Source.CSV, delimiter=delimiter)
    body = rows.slice(1)
    return {
        name: Encoded(compact(single_array(column)), storage, ANY_TYPE)
        for name, column in zip(names, body.columns, strict=True)
    }


def check_encoding(data: bytes, where: str) -> None:
    """Refuse what is not text in UTF-8 at the first look.

    Args:
        data: The whole file.
        where: The file, for messages.

    Raises:
        DataError: The file is empty, holds NUL, or starts like UTF-16 or UTF-32.
    """
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            raise DataError(f"{where} is written in {encoding}; save it as UTF-8")
    nul = data.find(b"\0")
    if nul >= 0:
        raise DataError(f"{where} holds a NUL at byte {nul}; it is damaged, compressed or not text in UTF-8")
    if not data.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n"):
        raise DataError(f"{where} is empty; at least a header and one row are needed")


def _sniff(data: bytes) -> tuple[str, int]:
    """The delimiter and the number of columns, told from the first records."""
    widths = {delimiter: _widths(data, delimiter) for delimiter in DELIMITERS}
    found = sorted((each for each in DELIMITERS if widths[each][0] > 1), key=lambda each: -widths[each][0])
    steady = [each for each in found if len(set(widths[each])) == 1]
    delimiter = (steady or found or [","])[0]
    return delimiter, widths[delimiter][0]


def _widths(data: bytes, delimiter: str) -> list[int]:
    """The number of fields of each of the first records that are not blank."""
    field = re.compile(rb'(?:"[^"]*(?:""[^"]*)*")?[^\r\n' + re.escape(delimiter.encode()) + rb"]*")
    end, position = min(len(data), _HEAD), 3 if data.startswith(b"\xef\xbb\xbf") else 0
    widths: list[int] = []
    while len(widths) < _SAMPLE_ROWS and (position < end or not widths):
        width, start = 1, position
        position = _after(field, data, position)
        while data[position : position + 1] == delimiter.encode():
            width += 1
            position = _after(field, data, position + 1)
        if position > start:
            widths.append(width)
        position += 1
    return widths


def _after(field: re.Pattern[bytes], data: bytes, position: int) -> int:
    found = field.match(data, position)
    return found.end() if found else position


def _parse(data: bytes, where: str, delimiter: str, width: int) -> pa.Table:
    """All records, the header first, as coded text in columns f0, f1 and so on."""
    quoted = b'"' in data
    if not data.endswith((b"\n", b"\r")):
        data += b"\n"
    if quoted:
        # A quote left open swallows this last record; nothing else in Arrow tells of it.
        data = b"".join((data, _END, delimiter.encode() * (width - 1), b"\n"))
    rows = _arrow_rows(data, where, delimiter, width)
    if not quoted:
        return rows
    if rows.column(0)[-1].as_py() != _END.decode():
        raise DataError(f"{where}, row {rows.num_rows - 1}: a quote is opened and never closed; close it or remove it")
    return rows.slice(0, rows.num_rows - 1)


def _arrow_rows(data: bytes, where: str, delimiter: str, width: int) -> pa.Table:
    try:
        return _arrow_parse(data, delimiter, width, _BLOCK, threads=True)
    except pa.ArrowException:
        pass
    # Once more without threads, for the row's number, and in one block, for very long fields.
    try:
        return _arrow_parse(data, delimiter, width, min(len(data) + 1, _LARGEST_BLOCK), threads=False)
    except pa.ArrowException as error:
        raise _explained(str(error), data, where) from error


def _arrow_parse(data: bytes, delimiter: str, width: int, block: int, *, threads: bool) -> pa.Table:
    return csv.read_csv(
        pa.py_buffer(data),
        read_options=csv.ReadOptions(autogenerate_column_names=True, use_threads=threads, block_size=block),
        parse_options=csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=b'"' in data, ignore_empty_lines=width > 1
        ),
        convert_options=csv.ConvertOptions(
            column_types={f"f{place}": CODED_TEXT for place in range(width)},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _explained(message: str, data: bytes, where: str) -> DataError:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return DataError(
            f"{where} is not UTF-8 at byte {error.start} (0x{data[error.start]:02x}); "
            "save it as UTF-8 (such files are often Latin-1 or Windows-1252)"
        )
    if found := re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", message):
        row, expected, got = map(int, found.groups())
        return DataError(
            f"{where}, row {row - 1}: {got} field{'s' if got > 1 else ''}, but the header has {expected}; "
            "correct the row (a field that holds the delimiter needs quotes, and every quote must be closed)"
        )
    return DataError(f"{where} cannot be read as delimited text: {message[:200]}")
