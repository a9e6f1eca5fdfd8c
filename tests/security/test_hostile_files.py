"""Damaged and hostile files: each is read exactly and comes back the same, or is refused with a reason."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, event, example, given, settings

from rowsmith.errors import DataError
from rowsmith.table import Table, from_frame, read_table, write_table

from .strategies import csv_files, jsonl_files, odd_frames, parquet_files

# A profile may ask for more.
many = settings(
    max_examples=max(200, settings().max_examples),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def read(path: Path, data: bytes) -> Table | None:
    """The table, or None when it is refused with a message that names the file or the column."""
    path.write_bytes(data)
    try:
        table = read_table(path)
        event("read")
        return table
    except DataError as error:
        assert len(str(error)) > 20
        str(error).encode()
        return None


def cells(table: Table) -> dict[str, list[str | None]]:
    return {name: table.columns.column(name).to_pylist() for name in table.schema.names}


def assert_comes_back(table: Table, folder: Path, suffix: str) -> None:
    assert len(table) >= 1
    assert len(table.to_frame()) == len(table)
    path = folder / f"again{suffix}"
    write_table(table.columns, table.schema, path)
    first = path.read_bytes()
    again = read_table(path)
    assert cells(again) == cells(table)
    write_table(again.columns, again.schema, path)
    assert path.read_bytes() == first


@given(csv_files)
@many
def test_delimited_text_is_exact_or_refused(folder: Path, data: bytes) -> None:
    table = read(folder / "x.csv", data)
    if table is None:
        return
    assert_comes_back(table, folder, ".csv")
    # Another reader's word on the same text; it cannot tell an empty field from empty text.
    text = data.decode().removeprefix("\ufeff")
    delimiter = table.schema.columns[0].storage.delimiter
    rows = [
        row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row or len(table.schema) == 1
    ]
    found = zip(*([name, *(cell or "" for cell in column)] for name, column in cells(table).items()), strict=True)
    assert [list(row) for row in found] == [row or [""] for row in rows]


@given(jsonl_files)
@many
def test_json_lines_are_exact_or_refused(folder: Path, data: bytes) -> None:
    table = read(folder / "x.jsonl", data)
    if table is None:
        return
    assert_comes_back(table, folder, ".jsonl")
    text = data.decode().removeprefix("\ufeff")
    lines = [json.loads(line, parse_int=str, parse_float=str) for line in text.split("\n") if line.strip()]
    words = {None: None, True: "true", False: "false"}
    for row, line in enumerate(lines):
        for name, column in cells(table).items():
            value = line[name]
            assert column[row] == (value if isinstance(value, str) else words[value])


@given(parquet_files)
@many
def test_parquet_is_exact_or_refused(folder: Path, data: bytes) -> None:
    table = read(folder / "x.parquet", data)
    if table is not None:
        assert_comes_back(table, folder, ".parquet")


@given(odd_frames())
@example(pd.DataFrame({"x": np.array([1.5], dtype="longdouble")}))
@example(pd.DataFrame({"x": pd.Series([np.timedelta64(1, "s")], dtype=object)}))
@many
def test_frames_come_back_or_are_refused(frame: pd.DataFrame) -> None:
    before = frame.copy(deep=True)
    try:
        table = from_frame(frame)
    except DataError as error:
        str(error).encode()
        return
    event("read")
    expected = before.reset_index(drop=True)
    pd.testing.assert_frame_equal(table.to_frame(), expected, check_exact=True)
