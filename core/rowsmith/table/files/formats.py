"""Tables from files and to files, by the file's suffix.

======================  ==================================================
suffix                  format
======================  ==================================================
.csv .txt .data         delimited text; the delimiter is inferred from the header
.tsv                    the same, tabs when written
.jsonl .ndjson          JSON lines
.parquet .pq            Parquet
any text format + .gz   the same, compressed
======================  ==================================================
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa
from attrs import evolve

from rowsmith.errors import DataError
from rowsmith.table.files.csv_reader import read_csv
from rowsmith.table.files.csv_writer import write_csv
from rowsmith.table.files.jsonl import read_jsonl, write_jsonl
from rowsmith.table.files.parquet import read_parquet, write_parquet
from rowsmith.table.files.text_encoding import is_utf8
from rowsmith.table.files.text_source import TextSource
from rowsmith.table.frames import build_table
from rowsmith.table.limits import Limits
from rowsmith.table.read_options import ReadOptions
from rowsmith.table.schema import TableSchema
from rowsmith.table.table import Table
from rowsmith.table.types.units import as_text

__all__ = ["FORMATS", "Limits", "ReadOptions", "file_format", "read_table", "write_table"]

FORMATS = {
    ".csv": "csv",
    ".txt": "csv",
    ".data": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""Format by suffix."""


def read_table(
    path: str | os.PathLike[str],
    *,
    types: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    options: ReadOptions | None = None,
) -> Table:
    """Read a table from a file.

    Args:
        path: The file; its suffix determines the format.
        types: Types by column name, instead of inferred ones: a ``ColumnType`` value,
            ``key`` or ``constant``.
        limits: Bounds on its size; the usual ones by default.
        options: The read options; by default the usual ones.

    Returns:
        The table, at least one row and one column.

    Raises:
        DataError: The file cannot be read, is damaged or too large, or a value does not fit ``types``;
            the message names row or byte.
    """
    path, limits, options = Path(path), limits or Limits(), options or ReadOptions()
    format_, compressed = file_format(path)
    try:
        if format_ == "parquet":
            return build_table(read_parquet(path, limits, options), types or {}, options)
        source = TextSource(path, compressed, options.encoding, options.skip_rows)
        read = read_jsonl if format_ == "jsonl" else read_csv
        found = read(source, limits, options)
        notes = (
            [] if is_utf8(options.encoding) else [f"{path} is read as {options.encoding}; rows are written as UTF-8"]
        )
        return build_table(evolve(found, notes=(*notes, *found.notes)), types or {}, options)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def file_format(path: Path) -> tuple[str, bool]:
    """The format of an existing file, by its suffix, and whether it is compressed.

    Raises:
        DataError: There is no such file, or its suffix is unknown.
    """
    _check_file(path)
    return _format_of(path.name)


def write_table(
    columns: pa.Table,
    schema: TableSchema,
    file: str | os.PathLike[str] | IO[bytes],
    format: str | None = None,
    *,
    csv_safe: bool = False,
) -> None:
    """Write a spelled table to a file.

    Delimited text is written in the spelling of the table, with the delimiter of its source; durations, times of day
    and periods of a frame or a Parquet file as readable text.

    Args:
        columns: The table.
        schema: Its columns, in the order to write them.
        file: A path, or an open binary file.
        format: ``csv``, ``tsv``, ``jsonl`` or ``parquet``, text formats optionally followed by ``.gz``;
            by default that of the path's suffix.
        csv_safe: Whether text in delimited files that a spreadsheet would read as a formula gets an
            apostrophe before it. It is not removed on reading.

    Raises:
        DataError: The format is unknown, or a value does not fit its column's dtype.
        OSError: The file cannot be written.
    """
    name = os.fspath(file) if isinstance(file, str | os.PathLike) else ""
    if format is None and not name:
        raise DataError("a stream needs a format: csv, tsv, jsonl or parquet")
    format_, compressed = _format_of(os.path.basename(name) if format is None else f"x.{format}")
    with _opened(file, compressed) as stream:
        if format_ == "parquet":
            write_parquet(columns, schema, stream)
            return
        columns, schema = as_text(columns, schema)
        if format_ == "jsonl":
            write_jsonl(columns, schema, stream)
        else:
            delimiter = "\t" if format_ == "tsv" else schema.columns[0].storage.delimiter
            write_csv(columns, schema, stream, delimiter, safe=csv_safe)


def _format_of(name: str) -> tuple[str, bool]:
    base = name.lower().removesuffix(".gz")
    compressed = base != name.lower()
    format_ = FORMATS.get(os.path.splitext(base)[1], "")
    if not format_ or (compressed and format_ == "parquet"):
        raise DataError(
            f"the format of {name!r} is unknown; use a file name that ends in one of {', '.join(FORMATS)} "
            "(text formats also with .gz)"
        )
    return format_, compressed


def _check_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise DataError(f"{path} is a folder; name a file in it")
        if not path.exists():
            raise DataError(f"there is no file {path}; check the path")
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{str(path)!r} is not a usable path: {error}") from error


@contextmanager
def _opened(file: str | os.PathLike[str] | IO[bytes], compressed: bool) -> Iterator[IO[bytes]]:
    """A stream to write to; one that was given is left open."""
    if isinstance(file, str | os.PathLike):
        with open(file, "wb") as raw, _compressing(raw, compressed) as stream:
            yield stream
    else:
        with _compressing(file, compressed) as stream:
            yield stream


@contextmanager
def _compressing(raw: IO[bytes], compressed: bool) -> Iterator[IO[bytes]]:
    if not compressed:
        yield raw
        return
    # Without name and time, the same table gives the same bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as stream:
        yield stream  # type: ignore[misc]
