"""Tables as Parquet files, in the same Arrow types.

The footer is read first, so that a file that claims too much is refused before anything is loaded;
strings are read as dictionaries, so that a value repeated a million times is held once.
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
from rowsmith.heap import release_freed_memory
from rowsmith.table.arrow_encoding import encode_arrow, is_text
from rowsmith.table.encoded import Encoded, EncodedTable
from rowsmith.table.encoding import encode_column
from rowsmith.table.frames import check_names, named_frame
from rowsmith.table.limits import Limits
from rowsmith.table.null_marks import take_marks
from rowsmith.table.read_options import ReadOptions
from rowsmith.table.schema import ColumnSchema, TableSchema

__all__ = ["read_parquet", "write_parquet"]

_BLOCK_ROWS = 1 << 18
_BUFFER = 1 << 20
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


def read_parquet(path: Path, limits: Limits, options: ReadOptions) -> EncodedTable:
    """Read a Parquet file.

    Args:
        path: The file.
        limits: Bounds on what its footer may claim.
        options: Columns to leave out, and texts that stand for null.

    Returns:
        Spelled columns, at least one row; an index that pandas stored is left out.

    Raises:
        DataError: The file is damaged, too large, or holds types that are not supported.
    """
    where = str(path)
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            schema = file.schema_arrow
            _check_footer(file.metadata, where, limits)
            names = check_names([name for name in schema.names if not _PANDAS_INDEX.fullmatch(name)])
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where} cannot be read as Parquet: {str(error)[:200]}") from error
    names = [names[place] for place in options.kept(names)]
    _check_types(schema, names)
    return EncodedTable({name: take_marks(each, options) for name, each in _encode(path, schema, names).items()})


def _check_footer(metadata: pq.FileMetaData, where: str, limits: Limits) -> None:
    limits.check_shape(where, metadata.num_rows, metadata.num_columns)
    limits.check_size(where, sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)))
    if metadata.num_rows < 1:
        raise DataError(f"{where} has no rows; at least one is needed")


def _check_types(schema: pa.Schema, names: list[str]) -> None:
    for name in names:
        type_ = schema.field(name).type
        if pa.types.is_nested(type_):
            raise DataError(f"column {name!r} is nested ({str(type_)[:60]}); flatten it first")


def _encode(path: Path, schema: pa.Schema, names: list[str]) -> Mapping[str, Encoded]:
    strings = [name for name in names if is_text(schema.field(name).type)]
    encoded: dict[str, Encoded] = {}
    try:
        with pq.ParquetFile(path, read_dictionary=strings, buffer_size=_BUFFER, pre_buffer=False) as file:
            for name in names:
                freq = _frequency(schema.field(name))
                if freq:
                    encoded[name] = encode_column(name, _periods(_blocks(file, name), freq))
                else:
                    encoded[name] = encode_arrow(name, _blocks(file, name), schema.field(name).type)
                release_freed_memory()
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {str(error)[:200]}") from error
    return encoded


def _blocks(file: pq.ParquetFile, name: str) -> Iterator[pa.Array]:
    for batch in file.iter_batches(batch_size=_BLOCK_ROWS, columns=[name], use_threads=False):
        yield batch.column(name)


def _frequency(field: pa.Field) -> str:
    """The frequency of a column that pandas wrote of periods; empty for other columns."""
    if isinstance(field.type, pa.BaseExtensionType):
        # pandas makes its type known to Arrow when it first needs it.
        return str(field.type.freq) if field.type.extension_name == "pandas.period" else ""
    told = field.metadata or {}
    if told.get(b"ARROW:extension:name") != b"pandas.period":
        return ""
    return str(json.loads(told[b"ARROW:extension:metadata"])["freq"])


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
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except pa.ArrowException as error:
        raise DataError(f"the table cannot be written as Parquet: {error}") from error
    pq.write_table(table, file)


def _storable(series: pd.Series, column: ColumnSchema) -> pd.Series:
    """A column of time as a dtype that Arrow takes without loss; other columns as they are."""
    storage = column.storage
    plain = storage.unit or storage.element == "uuid" or storage.categories_dtype.startswith("period[")
    if plain and isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    if storage.element == "Timedelta":
        return series.astype("timedelta64[ns]")
    return series.astype(pd.PeriodDtype(storage.unit)) if storage.element == "period" else series


def _without_mixed_marks(column: ColumnSchema) -> ColumnSchema:
    """A column whose nulls have marks only where its values are text as well: a Parquet column has one type."""
    storage = column.storage
    if not storage.null_marks or storage.element in ("", "str"):
        return column
    return evolve(column, storage=evolve(storage, null_marks=()))
