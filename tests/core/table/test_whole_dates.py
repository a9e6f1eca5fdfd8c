"""Whole numbers that are dates are found by themselves and come back as numbers; other numbers stay numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.cli.commands.starting_config import starting_config
from rowsmith.table import from_frame, read_table, write_table
from rowsmith.table.frames.respelling import spell_frame
from rowsmith.table.read_options import ReadOptions
from rowsmith.table.schema import ColumnType
from rowsmith.table.types.datetimes import format_fit, parse_datetimes, spell_datetimes

T = ColumnType
RNG = np.random.default_rng(1)
MOMENTS = pd.Series(pd.Timestamp("2019-03-01") + pd.to_timedelta(RNG.integers(0, 10**8, 400), unit="s"))
SECONDS = (MOMENTS - pd.Timestamp(0)) // pd.Timedelta(seconds=1)
UNIFORM = RNG.integers(10**9, 2 * 10**9, 400)


def digits(format_: str) -> Any:
    return MOMENTS.dt.strftime(format_).astype("int64")


@pytest.mark.parametrize(
    ("name", "values", "format_"),
    [
        ("booked", digits("%Y%m%d"), "%Y%m%d"),
        ("x", digits("%Y%m%d"), "%Y%m%d"),
        ("x", digits("%Y%m"), "%Y%m"),
        ("x", digits("%Y%m%d%H"), "%Y%m%d%H"),
        ("x", digits("%Y%m%d%H%M"), "%Y%m%d%H%M"),
        ("x", digits("%Y%m%d%H%M%S"), "%Y%m%d%H%M%S"),
        ("month", pd.Series([202401, 202402, 202403] * 20), "%Y%m"),
        ("created_at", SECONDS, "%s"),
        ("loggedTime", SECONDS, "%s"),
        ("x", SECONDS // 60 * 60, "%s"),
        ("x", SECONDS * 1000 + 7, "%Q"),
        ("ts", SECONDS * 1000, "%Q"),
    ],
)
def test_dates_written_as_numbers_are_found(name: str, values: Any, format_: str) -> None:
    frame = pd.DataFrame({name: values})
    table = from_frame(frame)
    assert (table.schema[name].type, table.schema[name].datetime_format) == (T.DATETIME, format_)
    pd.testing.assert_frame_equal(table.to_frame(), frame)
    assert spell_frame(frame, table.schema).equals(table.columns)
    (note,) = table.notes
    assert note.startswith(f"column {name!r} is read as")
    assert f"data.types: {{{name}: integer}}" in note


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x", RNG.integers(10**5, 10**6, 400)),
        ("date", RNG.integers(10**7, 10**8, 400)),
        ("x", np.arange(20200001, 20200401)),
        ("x", np.where(np.arange(400) == 7, 20200230, digits("%Y%m%d"))),
        ("x", digits("%Y%m%d") - 2_000_000),
        ("x", np.array([202401, 202402, 202403] * 20)),
        ("x", UNIFORM),
        ("customer_id", UNIFORM),
        ("salary", UNIFORM // 10**5 * 10**5),
        ("order_id", UNIFORM * 1000 + 7),
        ("x", RNG.integers(978 * 10**10, 979 * 10**10, 400)),
        ("created", RNG.integers(0, 2**32, 400)),
        ("year", RNG.integers(1990, 2024, 400)),
    ],
)
def test_other_numbers_stay_numbers(name: str, values: Any) -> None:
    table = from_frame(pd.DataFrame({name: values}))
    assert table.schema[name].type is T.INTEGER
    assert table.notes == ()


def test_article_numbers_with_a_check_digit_are_no_milliseconds() -> None:
    bodies = RNG.integers(10**11, 2 * 10**11, 400)
    places = bodies[:, None] // 10 ** np.arange(12) % 10
    numbers = bodies * 10 + (-(3 * places[:, ::2].sum(axis=1) + places[:, 1::2].sum(axis=1)) % 10)
    assert from_frame(pd.DataFrame({"article": numbers})).schema["article"].type is T.INTEGER
    assert from_frame(pd.DataFrame({"article": numbers + 1})).schema["article"].type is T.DATETIME


@pytest.mark.parametrize("dtype", ["int32", "Int64", "float64", "int64[pyarrow]", "object"])
def test_dates_come_back_in_their_dtype(dtype: str) -> None:
    values = digits("%Y%m%d").astype(dtype)
    if dtype in ("Int64", "float64"):
        values[3] = None
    frame = pd.DataFrame({"day": values})
    table = from_frame(frame)
    assert table.schema["day"].type is T.DATETIME
    pd.testing.assert_frame_equal(table.to_frame(), frame)


def test_texts_of_a_frame_come_back_as_texts() -> None:
    frame = pd.DataFrame({"day": MOMENTS.dt.strftime("%Y%m%d")})
    table = from_frame(frame)
    assert table.schema["day"].type is T.DATETIME
    pd.testing.assert_frame_equal(table.to_frame(), frame)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_files_keep_them_as_numbers(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"day": digits("%Y%m%d"), "x": 1.5})
    table = from_frame(frame)
    write_table(table.columns, table.schema, tmp_path / f"a.{suffix}")
    again = read_table(tmp_path / f"a.{suffix}")
    assert again.schema["day"].type is T.DATETIME
    pd.testing.assert_frame_equal(again.to_frame(), frame, check_dtype=suffix != "parquet")
    assert str(again.to_frame()["day"].dtype).startswith("int64")
    if suffix != "parquet":
        write_table(again.columns, again.schema, tmp_path / f"b.{suffix}")
        assert (tmp_path / f"b.{suffix}").read_bytes() == (tmp_path / f"a.{suffix}").read_bytes()


def test_the_users_word_wins() -> None:
    frame = pd.DataFrame({"day": digits("%Y%m%d"), "x": UNIFORM})
    table = from_frame(frame, types={"day": "integer", "x": "datetime"})
    assert [each.type for each in table.schema] == [T.INTEGER, T.DATETIME]
    assert table.schema["x"].datetime_format == "%s"
    assert table.notes == ()


def test_dates_with_marks_among_them(tmp_path: Path) -> None:
    values = [*map(str, digits("%Y%m%d")), *["NA"] * 9]
    (tmp_path / "x.csv").write_text("day,b\n" + "".join(f"{value},1\n" for value in values))
    marked = read_table(tmp_path / "x.csv").schema["day"].marked
    assert marked is not None
    assert (marked.datetime_format, marked.marks) == ("%Y%m%d", ("NA",))


def test_the_starting_configuration_tells_of_them() -> None:
    text = starting_config("x.csv", from_frame(pd.DataFrame({"day": digits("%Y%m%d")})), ReadOptions())
    assert "datetime" in text
    assert "# column 'day' is read as dates (YYYYMMDD)" in text


@settings(max_examples=50)
@given(st.lists(st.integers(-62_135_596_800, 253_402_300_799), min_size=1), st.sampled_from([("%s", 1), ("%Q", 1000)]))
def test_seconds_and_milliseconds_are_read_and_written(seconds: list[int], kind: tuple[str, int]) -> None:
    format_, unit = kind
    texts = [str(second * unit) for second in seconds]
    assert spell_datetimes(parse_datetimes(texts, format_), format_) == texts
    assert format_fit(pa.array(["253402300800000000", "-0", "1.0", "01"]), format_).tolist() == [False] * 4
