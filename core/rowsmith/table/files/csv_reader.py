"""Exact reading of delimited text: fields as written, every flaw an error.

A field without quotes and without text is null; ``""`` is empty text; ``NA`` is the text NA, unless the
options name it as a null value. Blank
lines are skipped, but in a file of one column they are nulls. The delimiter (comma, semicolon, tab or
bar) is inferred from the header.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import IO, cast

import pyarrow as pa
from attrs import frozen
from pyarrow import csv

from rowsmith.errors import DataError
from rowsmith.storage.malloc import release_freed_memory
from rowsmith.table.columns import CODED_TEXT, compact, single_array
from rowsmith.table.files.csv_causes import DELIMITERS, header_notes, is_number, ragged_cause
from rowsmith.table.files.text_encoding import guess_encoding
from rowsmith.table.files.text_source import BOM, Look, TextSource, check_text
from rowsmith.table.frames.conversion import check_names
from rowsmith.table.limits import Limits
from rowsmith.table.read_options import ReadOptions
from rowsmith.table.row_index import row_index
from rowsmith.table.schema import Layout, RowIndex, Source, Storage
from rowsmith.table.types.encoded import Encoded, EncodedTable
from rowsmith.table.types.inference import ANY_TYPE
from rowsmith.table.types.null_marks import marks_to_null

__all__ = ["DELIMITERS", "read_csv"]

_HEAD = 1 << 16
_SAMPLE_ROWS = 20
# Arrow reads up to 32 blocks ahead.
_BLOCK = 1 << 20
_LARGEST_BLOCK = 2**31 - 2
_GATHERED_ROWS = 1 << 18
_END = b"rowsmith-end-of-file"
_TOO_LONG = re.compile(r"straddling|block size|out of sync")


_INDEX = (
    "the first column has no name and counts the rows from {start}: it is read as the row index, which is not learned; "
    "rows that are written are counted again"
)
_PREAMBLE = "if the table begins further down, set data.skip_rows to the number of lines before it"


@frozen(eq=False)
class _Column:
    """A column as read."""

    name: str
    array: pa.DictionaryArray

    @property
    def blank(self) -> bool:
        """Whether no row has a value."""
        return bool(self.array.null_count == len(self.array))


def read_csv(source: TextSource, limits: Limits, options: ReadOptions) -> EncodedTable:
    """Read delimited text, a block at a time.

    Args:
        source: The file.
        limits: Bounds on its bytes, rows and columns.
        options: The read options.

    Returns:
        Spelled columns, at least one row.

    Raises:
        DataError: The text is damaged or not a table; the message names row or byte.
        OSError: The file cannot be read.
    """
    where, look = str(source), source.look(limits)
    check_text(look, where, skipped=source.skip_rows > 0)
    delimiter, width = _sniff(look.head)
    limits.check_shape(where, 0, width)
    arrays = _parse(source, look, delimiter, width, limits, header=options.header)
    rows = len(arrays[0])
    limits.check_shape(where, rows - int(options.header), len(arrays))
    names = [array[0].as_py() or "" for array in arrays] if options.header else _made_names(len(arrays))
    if rows == int(options.header):
        raise DataError(f"{where} has a header but no rows; at least one row is needed")
    found = [
        _Column(names[number], compact(arrays[number].slice(int(options.header)))) for number in options.selected(names)
    ]
    index = None if found[0].name or len(found) == 1 else row_index(found[0].array)
    try:
        check_names([each.name for each in found], unnamed=_may_lack_names(found, index))
    except DataError as error:
        raise DataError(f"{error}{_header_hint(names) if options.header else ''}") from None
    columns = found if index is None else found[1:]
    storage = Storage(source=Source.CSV, delimiter=delimiter)
    encoded = {each.name: marks_to_null(Encoded(each.array, storage, ANY_TYPE), options) for each in columns}
    notes = [] if index is None else [_INDEX.format(start=index.start)]
    notes += [_unnamed_note(found, number) for number, each in enumerate(found) if each in columns and not each.name]
    if options.header:
        notes += [*header_notes({each.name: each.array for each in columns}, look.head)]
    return EncodedTable(encoded, Layout(header=options.header, index=index), tuple(notes))


def _made_names(width: int) -> list[str]:
    return [f"column_{number}" for number in range(1, width + 1)]


def _header_hint(names: list[str]) -> str:
    """The setting that helps where the first line holds no names."""
    if any(map(is_number, names)):
        return "; if the first line is a row of values, set data.header: false"
    return f"; {_PREAMBLE}"


def _may_lack_names(found: list[_Column], index: RowIndex | None) -> list[int]:
    """Columns, counted from 1, that may lack a name: the first, and one that delimiters at line ends make."""
    if len(found) == 1:
        return []
    first_is_column = index is None and not found[0].name
    return [1, *([len(found)] if found[-1].blank and not first_is_column else [])]


def _unnamed_note(found: list[_Column], number: int) -> str:
    what = (
        "the last column has neither a name nor a value, as where every line ends with the delimiter"
        if number
        else "the first column has no name, and does not count the rows: it is a column like any other"
    )
    return f"{what}; it is written back as it was, and data.drop: [''] leaves it out"


def _sniff(data: bytes) -> tuple[str, int]:
    """Infer delimiter and number of columns from the first records."""
    widths = {delimiter: _widths(data, delimiter) for delimiter in DELIMITERS}
    found = sorted((each for each in DELIMITERS if widths[each][0] > 1), key=lambda each: -widths[each][0])
    steady = [each for each in found if len(set(widths[each])) == 1]
    delimiter = (steady or found or [","])[0]
    return delimiter, widths[delimiter][0]


def _widths(data: bytes, delimiter: str) -> list[int]:
    """The number of fields of each of the first records that are not blank."""
    field = re.compile(rb'(?:"[^"]*(?:""[^"]*)*")?[^\r\n' + re.escape(delimiter.encode()) + rb"]*")
    end, position = min(len(data), _HEAD), len(BOM) if data.startswith(BOM) else 0
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


def _parse(
    source: TextSource, look: Look, delimiter: str, width: int, limits: Limits, *, header: bool
) -> list[pa.DictionaryArray]:
    """All records, the header first, by column."""
    tail = b"" if look.ended else b"\n"
    if look.quoted:
        # An unclosed quote swallows this last record, which Arrow does not report.
        tail += _END + delimiter.encode() * (width - 1) + b"\n"
    arrays = _arrow_rows(source, look, tail, delimiter, width, limits, header=header)
    if not look.quoted:
        return arrays
    rows = len(arrays[0]) - 1
    if arrays[0][rows].as_py() != _END.decode():
        raise DataError(
            f"{source}, row {rows + (not header)}: a quote is opened and never closed; close it or remove it"
        )
    return [array.slice(0, rows) for array in arrays]


def _arrow_rows(
    source: TextSource, look: Look, tail: bytes, delimiter: str, width: int, limits: Limits, *, header: bool
) -> list[pa.DictionaryArray]:
    longest = min(look.size + len(tail) + 1, limits.record, _LARGEST_BLOCK)

    def gathered(block: int, *, threads: bool) -> list[pa.DictionaryArray]:
        batches = _batches(source, look, tail, delimiter, width, block=block, threads=threads)
        return _gathered(_counted(batches, str(source), limits))

    try:
        return gathered(min(longest, _BLOCK), threads=True)
    except pa.ArrowException:
        pass
    # Once more without threads, for the row's number, and in large blocks, for very long fields.
    try:
        return gathered(longest, threads=False)
    except pa.ArrowException as error:
        if longest < look.size and _TOO_LONG.search(str(error)):
            limits.check_record(str(source), longest + 1)
        raise _explained(str(error), source, look.head, header=header) from error


def _counted(batches: Iterable[pa.RecordBatch], where: str, limits: Limits) -> Iterator[pa.RecordBatch]:
    """Pass batches on, and refuse too many rows; header and end are no rows."""
    rows = -2
    for batch in batches:
        rows += batch.num_rows
        limits.check_shape(where, max(0, rows), batch.num_columns)
        yield batch


def _batches(
    source: TextSource, look: Look, tail: bytes, delimiter: str, width: int, *, block: int, threads: bool
) -> Iterator[pa.RecordBatch]:
    # The reader is closed before the stream, since its threads read ahead.
    with (
        source.open() as stream,
        csv.open_csv(
            pa.PythonFile(_Continued(cast(IO[bytes], stream), tail), mode="r"),
            read_options=csv.ReadOptions(autogenerate_column_names=True, use_threads=threads, block_size=block),
            parse_options=csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=look.quoted, ignore_empty_lines=width > 1
            ),
            convert_options=csv.ConvertOptions(
                column_types={f"f{number}": CODED_TEXT for number in range(width)},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        ) as reader,
    ):
        yield from reader


class _Continued(io.RawIOBase):
    """A stream, then some more bytes."""

    def __init__(self, stream: IO[bytes], tail: bytes) -> None:
        self._streams = [io.BytesIO(tail), stream]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        filled = 0
        # Arrow takes a block that is not full for one without a line end.
        while self._streams and filled < len(buffer):
            found = self._streams[-1].read(len(buffer) - filled)
            buffer[filled : filled + len(found)] = found
            filled += len(found)
            if not found:
                self._streams.pop()
        return filled


def _gathered(batches: Iterable[pa.RecordBatch]) -> list[pa.DictionaryArray]:
    """The columns of all batches, joined in stages, so that no more than one stage is in memory."""
    parts: list[list[pa.DictionaryArray]] = []
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) >= _GATHERED_ROWS:
            parts.append(_joined(waiting))
            waiting = []
            release_freed_memory()
    if waiting or not parts:
        parts.append(_joined(waiting))
    arrays = [single_array(pa.chunked_array(list(chunks))) for chunks in zip(*parts, strict=True)]
    release_freed_memory()
    return arrays


def _joined(batches: list[pa.RecordBatch]) -> list[pa.DictionaryArray]:
    return [single_array(column) for column in pa.Table.from_batches(batches).columns]


def _explained(message: str, where: TextSource, head: bytes, *, header: bool) -> DataError:
    wrong = where.not_utf8(_HEAD)
    if wrong is not None:
        number, following = wrong
        return DataError(
            f"{where} is not UTF-8 at byte {number} (0x{following[0]:02x}); set data.encoding to the encoding that it "
            f"is in, perhaps {guess_encoding(following)}"
        )
    if found := re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", message):
        row, expected, got = map(int, found.groups())
        first = "the header" if header else "the first row"
        return DataError(
            f"{where}, row {row - header}: {got} field{'s' if got > 1 else ''}, but {first} has {expected}; "
            + (
                ragged_cause(head)
                or "correct the row (a field that holds the delimiter needs quotes, and every quote must be closed); "
                + _PREAMBLE
            )
        )
    return DataError(f"{where} cannot be read as delimited text: {message[:200]}")
