"""DataFrames go in and come back the same; what is not supported is refused by column and row."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.errors import DataError
from rowsmith.table.columns import distinct, from_codes, replace_column
from rowsmith.table.files import read_table, write_table
from rowsmith.table.frames import from_frame, misfits, to_frame
from rowsmith.table.frames.respelling import spell_frame
from rowsmith.table.schema import ColumnType, TableSchema
from rowsmith.transforms import schema_from_state, schema_state

from ...shared.table_strategies import COLUMNS, frames, unicode_text


def assert_returns(frame: pd.DataFrame) -> None:
    before = frame.copy(deep=True)
    table = from_frame(frame)
    again = to_frame(table.columns, table.schema)
    pd.testing.assert_frame_equal(again, before.reset_index(drop=True), check_exact=True)
    pd.testing.assert_frame_equal(frame, before, check_exact=True)
    assert not misfits(table.columns, table.schema).any()


@given(st.data())
@settings(max_examples=15)
@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_every_dtype_comes_back(kind: str, data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 8))
    assert_returns(pd.DataFrame({"x": data.draw(COLUMNS[kind](rows))}))


@given(frames())
@settings(max_examples=60)
def test_mixed_frames_come_back(frame: pd.DataFrame) -> None:
    assert_returns(frame)


@given(frames())
@settings(max_examples=40)
def test_spelled_columns_hold_each_value_once(frame: pd.DataFrame) -> None:
    table = from_frame(frame)
    for column in table.schema:
        array = table.columns.column(column.name)
        assert array.num_chunks == 1
        assert array.type == pa.dictionary(pa.int32(), pa.string())
        values = array.chunk(0).dictionary.to_pylist()
        assert len(set(values)) == len(values)
        assert column.nullable == (array.null_count > 0)


def test_bits_of_zero_and_order_of_rows_survive() -> None:
    frame = pd.DataFrame({"x": [0.0, -0.0, 1.5, np.nan]}, index=[9, 8, 7, 6])
    again = from_frame(frame).to_frame()
    assert np.signbit(again["x"]).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame({"x": [1.0, np.inf]}), ["'x'", "row 2", "infinite"]),
        (pd.DataFrame({"x": pd.Series([[1], [2]])}), ["'x'", "row 1", "list"]),
        (pd.DataFrame({"x": pd.Series([None, {"a": 1}])}), ["'x'", "row 2", "dict"]),
        (pd.DataFrame({"x": pd.Series([b"a"], dtype=object)}), ["'x'", "row 1", "bytes"]),
        (pd.DataFrame({"x": pd.Series([1, "a"], dtype=object)}), ["'x'", "row 2", "str among int"]),
        (pd.DataFrame({"x": pd.Series([True, 1], dtype=object)}), ["'x'", "row 2", "int among bool"]),
        (pd.DataFrame({"x": [1 + 2j]}), ["'x'", "complex", "row 1"]),
        (
            pd.DataFrame({"x": pd.Series([pd.Period("2020", "M"), pd.Period("2020", "D")], dtype=object)}),
            ["'x'", "row 2", "frequency D"],
        ),
        (
            pd.DataFrame({"x": pd.Series([dt.time(1), dt.time(1, tzinfo=dt.UTC)], dtype=object)}),
            ["'x'", "row 2", "time zone"],
        ),
        (pd.DataFrame({"x": pd.cut([1, 5], 2)}), ["'x'", "interval", "categories"]),
        (pd.DataFrame({"x": pd.arrays.SparseArray([1, 2])}), ["'x'", "Sparse"]),
        (pd.DataFrame({"x": pd.Series([Decimal("NaN")], dtype=object)}), ["'x'", "row 1", "finite"]),
        (pd.DataFrame({"x": pd.Series(["a", "\ud800"], dtype=object)}), ["'x'", "row 2", "surrogate"]),
        (pd.DataFrame({"x": np.array(["99999-01-01"], dtype="datetime64[s]")}), ["'x'", "row 1", "9999"]),
        (
            pd.DataFrame(
                {"x": pd.Series([dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)], dtype=object)}
            ),
            ["'x'", "row 2", "time zone"],
        ),
        (pd.DataFrame({"x": pd.array([[1]], dtype=pd.ArrowDtype(pa.list_(pa.int64())))}), ["'x'", "list"]),
        (pd.DataFrame({"x": pd.array([b"a"], dtype=pd.ArrowDtype(pa.binary()))}), ["'x'", "binary"]),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), ["'x'", "column 2"]),
        (pd.DataFrame({"": [1]}), ["column 1", "no name"]),
        (pd.DataFrame({"x": []}), ["no rows"]),
        (pd.DataFrame(index=[1]), ["no columns"]),
        ([1, 2], ["list"]),
    ],
)
def test_what_is_not_supported_is_named(frame: pd.DataFrame, words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        from_frame(frame)
    for word in words:
        assert word in str(caught.value)


def test_values_that_do_not_fit_the_dtype_are_found() -> None:
    table = from_frame(pd.DataFrame({"x": np.array([1, 2, 3], dtype="int8"), "y": ["a", "b", "c"]}))
    columns = replace_column(table.columns, "x", {"x": from_codes(["1", "300"], np.array([0, 1, -1]))})
    assert misfits(columns, table.schema).tolist() == [False, True, True]
    with pytest.raises(DataError, match=r"'x', row 2: '300' cannot.*int8"):
        to_frame(columns, table.schema)


def test_large_whole_numbers_stay_exact() -> None:
    frame = pd.DataFrame(
        {"x": pd.array([2**53 + 1, None], dtype="Int64"), "y": np.array([2**64 - 1, 0], dtype="uint64")}
    )
    table = from_frame(frame)
    assert table.columns.column("x").to_pylist() == ["9007199254740993", None]
    assert_returns(frame)


@given(
    frames(
        kinds=(
            "str",
            "int64",
            "Float64",
            "boolean",
            "arrow double",
            "arrow large_string",
            "arrow date32",
            "arrow timestamp zone",
            "arrow decimal128",
            "arrow dictionary",
            "arrow duration",
            "arrow time32",
            "arrow time64",
            "period[M]",
            "period[Q-JAN]",
        )
    )
)
@settings(max_examples=25)
def test_parquet_keeps_arrow_types(tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    table = from_frame(frame)
    write_table(table.columns, table.schema, folder / "x.parquet")
    again = read_table(folder / "x.parquet")
    assert [values_of(again, name) for name in again.schema.names] == [
        values_of(table, name) for name in table.schema.names
    ]
    pq.write_table(pq.read_table(folder / "x.parquet"), folder / "groups.parquet", row_group_size=2)
    assert read_table(folder / "groups.parquet").columns.equals(again.columns)
    write_table(again.columns, again.schema, folder / "y.parquet")
    first, second = pq.read_table(folder / "x.parquet"), pq.read_table(folder / "y.parquet")
    assert first.schema.types == second.schema.types
    assert first.to_pydict() == second.to_pydict()


TIMES = {
    "took": pd.to_timedelta(["1h", None, "90min"]),
    "walked": pd.Series([pd.Timedelta(1), pd.NaT, pd.Timedelta(5)], dtype=object),
    "worked": pd.Series([dt.timedelta(days=-1), None, dt.timedelta(seconds=1)], dtype=object),
    "at": pd.Series([dt.time(9, 30), None, dt.time(0, 0, 0, 5)], dtype=object),
    "month": pd.PeriodIndex(["2024-01", None, "2024-12"], freq="M"),
    "quarter": pd.Series([pd.Period("2024Q1", "Q"), pd.NaT, pd.Period("2024Q2", "Q")], dtype=object),
    "shift": pd.Categorical(pd.to_timedelta(["8h", None, "12h"])),
    "id": pd.Series([uuid.UUID(int=7), None, uuid.UUID(int=2**127)], dtype=object),
    "shop": pd.Categorical([uuid.UUID(int=7), None, uuid.UUID(int=9)]),
}


def test_durations_times_periods_and_uuids_are_written_to_parquet_and_read_again(tmp_path: Path) -> None:
    table = from_frame(pd.DataFrame(TIMES))
    write_table(table.columns, table.schema, tmp_path / "x.parquet")
    again = read_table(tmp_path / "x.parquet")
    assert [values_of(again, name) for name in TIMES] == [values_of(table, name) for name in TIMES]
    write_table(again.columns, again.schema, tmp_path / "y.parquet")
    first, second = (pq.read_schema(tmp_path / name) for name in ("x.parquet", "y.parquet"))
    assert first.types == second.types
    assert {str(pa.duration("ns")), str(pa.time64("us"))} <= set(map(str, first.types))


def test_text_files_hold_durations_times_and_periods_as_people_write_them(tmp_path: Path) -> None:
    table = from_frame(pd.DataFrame(TIMES).drop(columns=["id", "shop"]))
    write_table(table.columns, table.schema, tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text().splitlines()[1:] == [
        "0 days 01:00:00,0 days 00:00:00.000000001,-1 days 00:00:00,09:30:00,2024-01,2024Q1,0 days 08:00:00",
        ",,,,,,",
        "0 days 01:30:00,0 days 00:00:00.000000005,0 days 00:00:01,00:00:00.000005,2024-12,2024Q2,0 days 12:00:00",
    ]
    write_table(table.columns, table.schema, tmp_path / "x.jsonl")
    assert '"took":"0 days 01:00:00"' in (tmp_path / "x.jsonl").read_text()


@pytest.mark.parametrize(("dtype", "unit"), [("timedelta64[ns]", "m"), ("timedelta64[s]", "m")])
def test_a_duration_is_a_number_of_its_coarsest_unit(dtype: str, unit: str) -> None:
    table = from_frame(pd.DataFrame({"x": pd.Series(pd.to_timedelta([60, 150, -1], unit="min")).astype(dtype)}))
    assert values_of(table, "x") == ["60", "150", "-1"]
    assert (table.schema["x"].type, table.schema["x"].storage.unit) == (ColumnType.INTEGER, unit)


def test_a_duration_is_no_date_whatever_its_number_looks_like() -> None:
    days = pd.date_range("2020-01-01", periods=400).strftime("%Y%m%d").astype(int)
    table = from_frame(pd.DataFrame({"date": days, "took": pd.to_timedelta(days, unit="s")}))
    assert [column.type for column in table.schema] == [ColumnType.DATETIME, ColumnType.INTEGER]


def test_what_is_no_time_of_the_column_is_found() -> None:
    frame = pd.DataFrame({"at": pd.Series([dt.time(9), dt.time(10)], dtype=object), "id": [uuid.uuid4(), uuid.uuid4()]})
    table = from_frame(frame)
    columns = pa.table({"at": from_codes(["23", "24"], np.array([0, 1])), "id": from_codes(["x"], np.array([-1, 0]))})
    assert misfits(columns.select(["at"]), TableSchema(columns=(table.schema["at"],))).tolist() == [False, True]
    assert misfits(columns, table.schema).tolist() == [False, True]


@given(st.lists(st.none() | st.uuids(), min_size=1, max_size=6))
@settings(max_examples=20)
def test_uuids_of_arrow_come_back(values: list[uuid.UUID | None]) -> None:
    stored = pa.array([None if value is None else value.bytes for value in values], pa.binary(16)).cast(pa.uuid())
    frame = pd.DataFrame({"x": pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([stored])))})
    again = from_frame(frame).to_frame()
    assert again["x"].dtype == frame["x"].dtype
    assert pa.array(again["x"].array).to_pylist() == values


def values_of(table: object, name: str) -> list[object]:
    return table.columns.column(name).to_pylist()  # type: ignore[attr-defined]


@given(st.lists(st.none() | unicode_text, min_size=1, max_size=10), st.data())
def test_distinct_and_from_codes_are_inverse(cells: list[str | None], data: st.DataObject) -> None:
    columns = pa.table({"x": pa.array(cells, pa.string()).dictionary_encode()})
    rows = data.draw(st.lists(st.integers(0, len(cells) - 1), min_size=1))
    values, codes = distinct(columns.take(rows), "x")
    assert [None if code < 0 else values[code] for code in codes.tolist()] == [cells[row] for row in rows]
    assert sorted(set(codes.tolist()) - {-1}) == list(range(len(values)))
    assert from_codes(values, codes).to_pylist() == [cells[row] for row in rows]


def test_replace_column_keeps_the_place() -> None:
    array = from_codes(["a"], np.array([0]))
    columns = pa.table({"x": array, "y": array, "z": array})
    assert replace_column(columns, "y", {"y1": array, "y": array}).column_names == ["x", "y1", "y", "z"]
    assert replace_column(columns, "y", {}).column_names == ["x", "z"]
    with pytest.raises(KeyError):
        replace_column(columns, "none", {})
    with pytest.raises(ValueError, match="'z'"):
        replace_column(columns, "y", {"z": array})


def test_types_by_the_user_win() -> None:
    frame = pd.DataFrame({"x": ["1", "2"], "y": [1, 2]})
    schema = from_frame(frame, types={"x": "integer", "y": "categorical"}).schema
    assert [column.type for column in schema] == [ColumnType.INTEGER, ColumnType.CATEGORICAL]


LABELS = (
    pd.RangeIndex(3),
    pd.RangeIndex(4, 10, 2),
    pd.Index([2, 0, 7]),
    pd.Index([2, 0, 7], dtype="uint8"),
    pd.Index([0.5, 1.0, np.nan]),
    pd.Index([True, False, None], dtype=object),
    pd.Index(["a", 1, pd.Timestamp("2024-01-01")], dtype=object),
    pd.Index([None, np.nan, ("a", 1)], tupleize_cols=False, dtype=object),
    pd.Index(["a", "b", "c"], name="kind"),
    pd.Index([*pd.date_range("2024-01-01", periods=3, tz="Europe/Paris")], name=7),
    pd.period_range("2024-01", periods=3, freq="Q"),
    pd.to_timedelta([1, 2, 3], unit="h"),
    pd.CategoricalIndex(["b", "a", "c"], categories=["c", "x", "b", "a"], ordered=True),
    pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("", 1)], names=["kind", None]),
    pd.MultiIndex.from_product([["x"], [*pd.date_range("2024-01-01", periods=3)]]),
)


@pytest.mark.parametrize("labels", LABELS, ids=str)
def test_labels_of_any_kind_are_given_back(labels: pd.Index) -> None:
    frame = pd.DataFrame([[1, "x", 2.5], [2, "y", 3.5]]).set_axis(labels, axis=1)
    table = from_frame(frame)
    assert all(isinstance(name, str) for name in table.schema.names)
    again = table.to_frame()
    pd.testing.assert_frame_equal(again, frame, check_column_type="equiv")
    assert list(map(type, again.columns)) == list(map(type, labels))
    assert schema_from_state(json.loads(json.dumps(schema_state(table.schema)))) == table.schema


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([1, "1"], ["columns 1 and 2", "1 and '1'", "the same as text"]),
        ([("a", 1), "('a', 1)"], ["columns 1 and 2", "the same as text"]),
        ([1, 1], ["two columns are named '1'"]),
        ([pd.Interval(0, 1), pd.Interval(1, 2)], ["column 1", "Interval", "rename"]),
    ],
)
def test_labels_that_cannot_be_told_apart_are_refused(labels: list[object], words: list[str]) -> None:
    frame = pd.DataFrame([[1, 2]], columns=pd.Index(labels, dtype=object, tupleize_cols=False))
    with pytest.raises(DataError) as caught:
        from_frame(frame)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_types_may_be_given_by_label() -> None:
    table = from_frame(pd.DataFrame({0: [1, 2], ("a", 1): [1, 2]}), types={0: "text", ("a", 1): "decimal"})
    assert {column.name: column.type for column in table.schema} == {"0": "text", "('a', 1)": "decimal"}


MANY = {
    "text": [f"v{number:03d}" for number in range(60)],
    "whole": [*range(-20, 40)],
    "decimal": [number / 4 for number in range(60)],
    "day": [*pd.date_range("2024-01-01", periods=60)],
    "took": pd.to_timedelta(range(60), unit="min"),
    "month": pd.period_range("2020-01", periods=60, freq="M"),
    "id": [uuid.UUID(int=number) for number in range(60)],
}


@pytest.mark.parametrize("kind", MANY)
@pytest.mark.parametrize("ordered", [False, True])
def test_categories_that_hardly_repeat_follow_from_the_values(kind: str, ordered: bool) -> None:
    dtype = pd.CategoricalDtype(pd.Index(MANY[kind]), ordered)
    frame = pd.DataFrame({"x": pd.Categorical.from_codes([*range(59, -1, -1), -1], dtype=dtype)})
    table = from_frame(frame)
    assert table.schema["x"].storage.categories is None
    pd.testing.assert_frame_equal(table.to_frame(), frame)
    assert table.columns.equals(spell_frame(frame, table.schema))
    assert table.take([0, 3]).to_frame()["x"].cat.categories.tolist() == [MANY[kind][56], MANY[kind][59]]
