"""pandas reads a Parquet file that was written as it reads the one that was learned."""

from __future__ import annotations

import datetime as dt
import decimal
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rowsmith.table import Table, from_frame, read_table, write_table

DAYS = pd.date_range("2020-01-01", periods=4)


def arrow(values: Any, type_: pa.DataType) -> pd.Series:
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(values, type_)])))


def categories(values: list[Any], **how: Any) -> pd.Series:
    return pd.Series(pd.Categorical(values, **how))


COLUMNS: dict[str, pd.Series] = {
    **{name: pd.Series([1, 2, 3, 4], dtype=name) for name in ("int64", "int8", "int16", "uint16", "uint64")},
    **{name: pd.Series([1, None, 3, 4], dtype=name) for name in ("Int64", "Int8", "UInt32", "Float64", "Float32")},
    **{name: pd.Series([1.5, np.nan, 2.5, 3.5], dtype=name) for name in ("float64", "float32")},
    "bool": pd.Series([True, False, True, True]),
    "boolean": pd.Series([True, None, False, True], dtype="boolean"),
    "text": pd.Series(["a", "b", None, "a"]),
    "object text": pd.Series(["a", "b", None, "a"], dtype=object),
    "string": pd.Series(["a", "b", None, "a"], dtype="string"),
    "category": categories(["a", "b", None, "a"]),
    "ordered category": categories(["a", "b", "b", "a"], categories=["b", "a", "c"], ordered=True),
    "category of numbers": categories([1, 2, 1, 2]),
    "category of dates": categories(list(DAYS[:2]) * 2),
    "category of booleans": categories([True, False, True, True]),
    "datetime": pd.Series(DAYS),
    "datetime in seconds": pd.Series(DAYS.as_unit("s")),
    "datetime with a zone": pd.Series(DAYS.tz_localize("Europe/Berlin")),
    "timedelta": pd.Series(pd.to_timedelta([1, 2, 3, 4], unit="h")),
    "period": pd.Series(pd.period_range("2020-01", periods=4, freq="M")),
    "date": pd.Series(list(DAYS.date)),
    "time": pd.Series([dt.time(1, minute) for minute in range(4)]),
    "decimal": pd.Series([decimal.Decimal("1.25"), decimal.Decimal("2.50")] * 2),
    "arrow int": arrow([1, 2, None, 4], pa.int64()),
    "arrow float": arrow([1.5, 2.5, None, 4.5], pa.float64()),
    "arrow string": arrow(["a", None, "b", "c"], pa.string()),
    "arrow large string": arrow(["a", None, "b", "c"], pa.large_string()),
    "arrow bool": arrow([True, None, False, True], pa.bool_()),
    "arrow timestamp": arrow(list(DAYS), pa.timestamp("us", tz="UTC")),
    "arrow date": arrow(list(DAYS.date), pa.date32()),
    "arrow time": arrow([dt.time(1, minute) for minute in range(4)], pa.time64("us")),
    "arrow duration": arrow([1, 2, 3, None], pa.duration("s")),
    "arrow decimal": arrow([decimal.Decimal("1.25")] * 4, pa.decimal128(10, 2)),
}


def written(table: Table) -> io.BytesIO:
    file = io.BytesIO()
    write_table(table.columns, table.schema, file, "parquet")
    return file


def same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    for name in wanted:
        if isinstance(wanted[name].dtype, pd.CategoricalDtype):
            assert found[name].dtype.ordered == wanted[name].dtype.ordered
            assert isinstance(found[name].dtype, pd.CategoricalDtype)
        else:
            assert found[name].dtype == wanted[name].dtype, name
    pd.testing.assert_frame_equal(found, wanted, check_categorical=False)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_file_that_pandas_wrote_comes_back_in_its_dtypes(name: str, tmp_path: Path) -> None:
    COLUMNS[name].to_frame("x").to_parquet(tmp_path / "x.parquet")
    same(pd.read_parquet(written(read_table(tmp_path / "x.parquet"))), pd.read_parquet(tmp_path / "x.parquet"))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_frame_is_written_as_pandas_writes_it(name: str) -> None:
    frame, plain = COLUMNS[name].to_frame("x"), io.BytesIO()
    frame.to_parquet(plain)
    same(pd.read_parquet(written(from_frame(frame))), pd.read_parquet(plain))


def test_all_dtypes_in_one_file(tmp_path: Path) -> None:
    frame = pd.DataFrame(COLUMNS)
    frame.to_parquet(tmp_path / "x.parquet")
    same(pd.read_parquet(written(read_table(tmp_path / "x.parquet"))), pd.read_parquet(tmp_path / "x.parquet"))


ARROW = {
    "dictionary": pa.array(["a", "b", None, "a"]).dictionary_encode(),
    "ordered dictionary": pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, 1], pa.int8()), ["b", "a"], ordered=True),
    "int": pa.array([1, 2, 3, 4], pa.int16()),
    "int with nulls": pa.array([1, None, 3, 4], pa.int64()),
    "string": pa.array(["a", None, "b", "c"]),
    "date": pa.array(list(DAYS.date), pa.date32()),
    "timestamp": pa.array(list(DAYS), pa.timestamp("ms", tz="Europe/Berlin")),
    "decimal": pa.array([decimal.Decimal("1.25")] * 4, pa.decimal128(10, 2)),
    "null": pa.nulls(4),
}


@pytest.mark.parametrize("name", ARROW)
def test_a_file_that_others_wrote_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": ARROW[name], "y": [1, 2, 3, 4]}), path)
    file = written(read_table(path))
    same(pd.read_parquet(file), pd.read_parquet(path))
    file.seek(0)
    assert pq.read_table(file).schema.field("x").type == pq.read_table(path).schema.field("x").type
    assert pq.read_schema(file).pandas_metadata is None


def test_a_dictionary_that_pandas_cannot_read_back_from_itself_is_written_so_that_it_can() -> None:
    frame = arrow(["a", "b", "a", "a"], pa.dictionary(pa.int8(), pa.string())).to_frame("x")
    assert pd.read_parquet(written(from_frame(frame)))["x"].tolist() == ["a", "b", "a", "a"]


@pytest.mark.parametrize("noted", ["__import__('os')", "x" * 100, "no such dtype", "nosuchdtype", 7, None, {"a": 1}])
def test_a_dtype_that_pandas_would_not_note_is_overlooked(noted: Any, tmp_path: Path) -> None:
    import json

    path = tmp_path / "x.parquet"
    entry = {"name": "x", "field_name": "x", "pandas_type": "int64", "numpy_type": noted, "metadata": None}
    told = json.dumps({"columns": [entry], "index_columns": [], "column_indexes": []})
    pq.write_table(pa.table({"x": [1, 2, 3]}).replace_schema_metadata({"pandas": told}), path)
    assert pd.read_parquet(written(read_table(path)))["x"].tolist() == [1, 2, 3]
