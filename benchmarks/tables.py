"""Tables of any length: a given one repeated with noise, or a made one like a census."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rowsmith.table import Table, from_frame, read_table, to_frame, write_table
from rowsmith.table.columns import codes_of, distinct, from_codes, single_array
from rowsmith.table.schema import ColumnType, TableSchema
from rowsmith.table.types.spelling import parse_numbers, spell_numbers

CENSUS_ROWS = 48_842

_MOVED = 0.05
_SHIFT = 500
_WIDE = 1_000
_CHUNK = 200_000
_CATEGORIES = {
    "workclass": 9, "education": 16, "marital_status": 7, "occupation": 15, "relationship": 6,
    "race": 5, "sex": 2, "native_country": 42, "income": 2,
}  # fmt: skip


def base_table(path: Path | None) -> Table:
    """The table of a file, or a made one of 48,842 rows and 15 columns."""
    return read_table(path) if path else from_frame(made_frame(CENSUS_ROWS))


def made_frame(rows: int, seed: int = 0) -> pd.DataFrame:
    """Fifteen columns shaped like a census: six of integers, nine of categories."""
    random = np.random.default_rng(seed)
    frame = {
        "age": random.integers(17, 91, rows),
        "weight": random.lognormal(12, 0.5, rows).astype(int),
        "education_years": random.integers(1, 17, rows),
        "capital_gain": np.where(random.random(rows) < 0.92, 0, random.choice(np.arange(100, 20_000, 167), rows)),
        "capital_loss": np.where(random.random(rows) < 0.95, 0, random.choice(np.arange(150, 4_000, 43), rows)),
        "hours": np.clip(np.rint(random.normal(40, 12, rows)), 1, 99).astype(int),
    }
    for name, count in _CATEGORIES.items():
        shares = 1 / np.arange(1, count + 1)
        frame[name] = np.array([f"{name} {place}" for place in range(count)])[
            random.choice(count, rows, p=shares / shares.sum())
        ]
    return pd.DataFrame(frame)


def repeated(table: Table, rows: int, random: np.random.Generator) -> pa.Table:
    """Rows drawn from a table; one cell in twenty is another row's, and wide integers are moved a little.

    Args:
        table: The table.
        rows: How many.
        random: Draws.
    """
    chosen = random.integers(0, len(table), rows)
    arrays = {}
    for column in table.schema:
        places = np.where(random.random(rows) < _MOVED, random.integers(0, len(table), rows), chosen)
        array = single_array(table.columns.column(column.name))
        values, codes = array.dictionary.to_pylist(), codes_of(array)[places]
        if column.type is ColumnType.INTEGER and len(values) > _WIDE:
            numbers = parse_numbers(values)[codes] + random.integers(0, _SHIFT, rows)
            unique, moved = np.unique(numbers, return_inverse=True)
            values, codes = spell_numbers(unique, column), np.where(codes < 0, -1, moved)
        arrays[column.name] = from_codes(values, codes)
    return pa.table(arrays)


def resampled(columns: pa.Table, rows: int, random: np.random.Generator) -> pa.Table:
    """The same for a transformed table, whose values stay those that it has."""
    chosen = random.integers(0, columns.num_rows, rows)
    arrays = {}
    for name in columns.column_names:
        values, codes = distinct(columns, name)
        places = np.where(random.random(rows) < _MOVED, random.integers(0, columns.num_rows, rows), chosen)
        arrays[name] = from_codes(values, codes[places])
    return pa.table(arrays)


def write_repeated(table: Table, rows: int, path: Path, seed: int = 0) -> None:
    """Write a file of ``repeated`` rows, CSV, JSON lines or Parquet by its suffix, a chunk at a time."""
    random = np.random.default_rng(seed)
    chunks = (repeated(table, min(_CHUNK, rows - start), random) for start in range(0, rows, _CHUNK))
    if path.suffix == ".parquet":
        _write_parquet(chunks, table.schema, path)
    else:
        _write_text(chunks, table.schema, path)


def _write_text(chunks: Iterable[pa.Table], schema: TableSchema, path: Path) -> None:
    format_ = path.suffix.removeprefix(".")
    with path.open("wb") as file:
        for number, columns in enumerate(chunks):
            chunk = io.BytesIO()
            write_table(columns, schema, chunk, format_)
            text = chunk.getvalue()
            file.write(text[text.index(b"\n") + 1 :] if number and format_ == "csv" else text)


def _write_parquet(chunks: Iterable[pa.Table], schema: TableSchema, path: Path) -> None:
    tables = (pa.Table.from_pandas(to_frame(columns, schema), preserve_index=False) for columns in chunks)
    first = next(tables)
    with pq.ParquetWriter(path, first.schema) as writer:
        for each in itertools.chain([first], tables):
            writer.write_table(each.cast(first.schema))
