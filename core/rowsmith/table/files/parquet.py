"""Tables as Parquet files, in the same Arrow types.

The footer is read first, so that a file that declares too much is refused before anything is loaded;
strings are read as dictionaries, so that repeated values are held once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from attrs import evolve

from rowsmith.errors import DataError
from rowsmith.storage.malloc import release_freed_memory
from rowsmith.table.frames import named_frame
from rowsmith.table.frames.arrow_encoding import encode_arrow, is_text
from rowsmith.table.frames.conversion import check_names
from rowsmith.table.frames.encoding import encode_column
from rowsmith.table.limits import Limits
from rowsmith.table.read_options import ReadOptions
from rowsmith.table.schema import ColumnSchema, TableSchema
from rowsmith.table.types.encoded import Encoded, EncodedTable
from rowsmith.table.types.null_marks import marks_to_null

__all__ = ["read_parquet", "write_parquet"]

_BLOCK_ROWS = 1 << 18
_BUFFER = 1 << 20
_DTYPE = re.compile(r"[A-Za-z0-9_]{1,40}(\[[A-Za-z0-9_:,= /+-]{1,60}\]){0,2}")
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


def read_parquet(path: Path, limits: Limits, options: ReadOptions) -> EncodedTable:
    """Read a Parquet file.

    Args:
        path: The file.
        limits: Bounds on what its footer may claim.
        options: Dropped columns and null marks.

    Returns:
        Spelled columns, at least one row; an index that pandas stored is left out.

    Raises:
        DataError: The file is damaged, too large, or holds types that are not supported.
    """
    where = str(path)
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            schema = file.schema_arrow
            _check_footer(file.metadata, where, limits, path.stat().st_size)
            names = check_names([name for name in schema.names if not _PANDAS_INDEX.fullmatch(name)])
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where} cannot be read as Parquet: {str(error)[:200]}") from error
    names = [names[index] for index in options.selected(names)]
    _check_types(schema, names)
    encoded, noted = _encode(path, schema, names, limits), _noted_dtypes(schema)
    named = {name: _with_dtype(each, noted.get(name, "")) for name, each in encoded.items()}
    return EncodedTable({name: marks_to_null(each, options) for name, each in named.items()})


def _noted_dtypes(schema: pa.Schema) -> dict[str, str]:
    """The dtypes that pandas noted in a file, by column, as far as they can be what pandas writes."""
    try:
        entries = (schema.pandas_metadata or {}).get("columns", [])
        pairs = [(entry["field_name"], entry["numpy_type"]) for entry in entries]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
    return {name: dtype for name, dtype in pairs if isinstance(name, str) and _is_dtype(dtype)}


def _is_dtype(noted: object) -> bool:
    """Whether pandas knows a dtype by some words."""
    try:
        return isinstance(noted, str) and bool(_DTYPE.fullmatch(noted)) and bool(pd.api.types.pandas_dtype(noted))
    except (TypeError, ValueError, NotImplementedError, KeyError, AttributeError):
        return False


def _with_dtype(encoded: Encoded, noted: str) -> Encoded:
    """A column with the dtype that pandas noted, if its Arrow type allows it."""
    if not encoded.storage.dtype.endswith("[pyarrow]"):
        return encoded
    return evolve(encoded, storage=evolve(encoded.storage, parquet=noted))


def _check_footer(metadata: pq.FileMetaData, where: str, limits: Limits, packed: int) -> None:
    limits.check_shape(where, metadata.num_rows, metadata.num_columns)
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    limits.check_unpacked(where, size, packed)
    if metadata.num_rows < 1:
        raise DataError(f"{where} has no rows; at least one is needed")


def _check_types(schema: pa.Schema, names: list[str]) -> None:
    for name in names:
        type_ = schema.field(name).type
        if pa.types.is_nested(type_):
            raise DataError(f"column {name!r} is nested ({str(type_)[:60]}); flatten it first")


def _encode(path: Path, schema: pa.Schema, names: list[str], limits: Limits) -> Mapping[str, Encoded]:
    strings = [name for name in names if is_text(schema.field(name).type)]
    encoded: dict[str, Encoded] = {}
    packed = path.stat().st_size

    def blocks(file: pq.ParquetFile, name: str) -> Iterator[pa.Array]:
        for batch in file.iter_batches(batch_size=_BLOCK_ROWS, columns=[name], use_threads=False):
            # The footer of a malicious file declares less than there is.
            limits.check_unpacked(str(path), batch.nbytes, packed)
            yield batch.column(name)

    try:
        with pq.ParquetFile(path, read_dictionary=strings, buffer_size=_BUFFER, pre_buffer=False) as file:
            for name in names:
                freq = _frequency(schema.field(name))
                if freq:
                    encoded[name] = encode_column(name, _periods(blocks(file, name), freq))
                else:
                    encoded[name] = encode_arrow(name, blocks(file, name), schema.field(name).type)
                release_freed_memory()
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {str(error)[:200]}") from error
    return encoded


def _frequency(field: pa.Field) -> str:
    """The frequency of a column that pandas wrote of periods; empty for other columns."""
    if isinstance(field.type, pa.BaseExtensionType):
        # pandas makes its type known to Arrow when it first needs it.
        return str(field.type.freq) if field.type.extension_name == "pandas.period" else ""
    metadata = field.metadata or {}
    if metadata.get(b"ARROW:extension:name") != b"pandas.period":
        return ""
    return str(json.loads(metadata[b"ARROW:extension:metadata"])["freq"])


def _periods(blocks: Iterator[pa.Array], freq: str) -> pd.Series:
    plain = [block.storage if isinstance(block, pa.ExtensionArray) else block for block in blocks]
    ticks = np.concatenate([block.fill_null(np.iinfo(np.int64).min).to_numpy() for block in plain])
    return pd.Series(pd.arrays.PeriodArray(ticks.astype(np.int64), dtype=pd.PeriodDtype(freq)))


def write_parquet(columns: pa.Table, schema: TableSchema, file: IO[bytes]) -> None:
    """Write a spelled table as Parquet, in the types of the user's table.

    Args:
        columns: The table.
        schema: Its columns.
        file: An open binary file.

    Raises:
        DataError: A value does not fit its column's dtype.
    """
    schema = evolve(schema, columns=tuple(_without_mixed_marks(each) for each in schema))
    frame = named_frame(columns, schema)
    frame = pd.DataFrame({column.name: _storable(frame[column.name], column) for column in schema}, copy=False)
    try:
        table = _with_uuids(pa.Table.from_pandas(frame, preserve_index=False), schema)
    except pa.ArrowException as error:
        raise DataError(f"the table cannot be written as Parquet: {error}") from error
    pq.write_table(table.replace_schema_metadata(_metadata(table.schema, schema)), file)


def _metadata(written: pa.Schema, schema: TableSchema) -> dict[bytes, bytes]:
    """Pandas metadata of the columns: what it noted in the source file, except what it cannot read.

    Without a note pandas reads a column by its Arrow type, and dictionaries as categories.
    """
    noted = {column.name: column.storage.parquet for column in schema}
    metadata = dict(written.pandas_metadata or {})
    entries = []
    for entry in metadata.get("columns", []):
        name = entry["field_name"]
        unread = entry["numpy_type"].startswith("dictionary<")
        dtype = noted.get(name)
        if not unread and (dtype is None or _is_dtype(dtype)):
            entries.append(entry if dtype is None else {**entry, "numpy_type": dtype})
    rest = {key: value for key, value in (written.metadata or {}).items() if key != b"pandas"}
    return {**rest, b"pandas": json.dumps({**metadata, "columns": entries}).encode()} if entries else rest


def _storable(series: pd.Series, column: ColumnSchema) -> pd.Series:
    """A column of time as a dtype that Arrow takes without loss, UUIDs as bytes; other columns as they are."""
    storage = column.storage
    plain = storage.unit or storage.element == "uuid" or storage.categories_dtype.startswith("period[")
    if plain and isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    if storage.element == "uuid":
        return series.map(lambda value: value.bytes, na_action="ignore")
    if storage.element == "Timedelta":
        return series.astype("timedelta64[ns]")
    return series.astype(pd.PeriodDtype(storage.unit)) if storage.element == "period" else series


def _with_uuids(table: pa.Table, schema: TableSchema) -> pa.Table:
    """Only recent releases of Arrow convert UUIDs; they are made from their bytes for all releases."""
    for index, column in enumerate(schema):
        if column.storage.element == "uuid":
            values = table.column(index).cast(pa.binary(16)).cast(pa.uuid())
            table = table.set_column(index, column.name, values)
    return table


def _without_mixed_marks(column: ColumnSchema) -> ColumnSchema:
    """A column whose nulls have marks only where its values are text as well: a Parquet column has one type."""
    storage = column.storage
    if not storage.null_marks or storage.element in ("", "str"):
        return column
    return evolve(column, storage=evolve(storage, null_marks=()))
