"""Numbers and date-times: what is read can be written back, to the letter."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.errors import DataError
from rowsmith.table.columns import from_codes
from rowsmith.table.schema import ColumnSchema, ColumnType, Storage
from rowsmith.table.types.datetimes import find_format, parse_datetimes, spell_datetimes
from rowsmith.table.types.inference import ANY_TYPE, infer_column
from rowsmith.table.types.spelling import parse_numbers, spell_numbers

from ...shared.table_strategies import doubles, unicode_text


def inferred(values: list[str], wanted: str | None = None) -> ColumnSchema:
    distinct = list(dict.fromkeys(values))
    codes = np.array([distinct.index(value) for value in values])
    return infer_column("x", from_codes(distinct, codes), Storage(), ANY_TYPE, wanted)


number_texts = st.one_of(
    st.integers(-(2**53), 2**53).map(str),
    doubles.map(repr),
    st.decimals(-(10**6), 10**6, places=3).map(str),
    st.floats(-1e5, 1e5).map(lambda number: f"{number:.2f}"),
    st.floats(-1e5, 1e5).map(lambda number: f"{number:g}"),
)


@given(st.lists(number_texts, min_size=1, max_size=8))
@settings(max_examples=200)
def test_numbers_are_written_back_to_the_letter(values: list[str]) -> None:
    column = inferred(values)
    if column.type in (ColumnType.INTEGER, ColumnType.DECIMAL):
        assert spell_numbers(parse_numbers(values), column) == values


@given(st.lists(st.integers(-(2**53), 2**53).map(str), min_size=1))
def test_integers_are_integers(values: list[str]) -> None:
    assert inferred(values).type is ColumnType.INTEGER


@given(st.integers(1, 6), st.lists(st.integers(-(10**8), 10**8), min_size=1))
def test_fixed_digits_are_decimals_of_that_scale(scale: int, values: list[int]) -> None:
    texts = [f"{value / 10**scale:.{scale}f}" for value in values]
    column = inferred(texts)
    assert column.type is ColumnType.DECIMAL
    assert column.scale == scale


@given(st.lists(doubles.filter(lambda number: abs(number) < 1.8e308), min_size=1))
def test_shortest_texts_are_decimals(values: list[float]) -> None:
    assert inferred([repr(value) for value in values]).type is ColumnType.DECIMAL


@pytest.mark.parametrize(
    ("values", "scale", "most", "whole_point"),
    [
        (["1.50", "2.25"], 2, 2, True),
        (["1.5", "2.25", "3.0"], None, 2, True),
        (["1.5", "2.25", "3"], None, 2, False),
        (["1.5", "2.25", "1e-07"], None, 7, True),
        (["1.81295", "8e-05", "-1.25e-05"], None, 7, True),
    ],
)
def test_styles_of_decimals(values: list[str], scale: int | None, most: int | None, whole_point: bool) -> None:
    column = inferred(values)
    assert (column.scale, column.max_scale, column.whole_point) == (scale, most, whole_point)


def test_new_numbers_are_rounded_to_the_columns_digits() -> None:
    assert spell_numbers([0.123456789], inferred(["1.81295", "8e-05"])) == ["0.12346"]
    assert spell_numbers([2.6, -0.4], inferred(["1", "2"])) == ["3", "0"]
    assert spell_numbers([2.345678, -0.001], inferred(["1.50", "2.25"])) == ["2.35", "0.00"]
    assert spell_numbers([2.345678, -0.001, 4.0], inferred(["1.5", "2.25"])) == ["2.35", "0.0", "4.0"]
    assert spell_numbers([2.345678, 4.0], inferred(["1.5", "2"])) == ["2.3", "4"]


@pytest.mark.parametrize("values", [["x"], ["1", "inf"], ["nan"], ["1e999"], [""]])
def test_what_is_no_number_is_refused(values: list[str]) -> None:
    with pytest.raises(DataError):
        parse_numbers(values)


def test_numbers_may_be_null_or_coded() -> None:
    coded = from_codes(["1", "2.5"], np.array([1, -1, 0]))
    np.testing.assert_array_equal(parse_numbers(coded), [2.5, np.nan, 1])
    np.testing.assert_array_equal(parse_numbers(["1", None]), [1, np.nan])
    with pytest.raises(DataError):
        spell_numbers([np.nan], inferred(["1"]))


FORMATS = {
    "%Y-%m-%d": "%Y-%m-%d",
    "%Y/%m/%d": "%Y/%m/%d",
    "%m/%d/%Y": "%m/%d/%Y",
    "%Y-%m-%d %H:%M:%S": "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S": "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f": "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%SZ": "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d %H:%M:%S+02:00": "%Y-%m-%d %H:%M:%S+02:00",
    "%d %b %Y": "%d %b %Y",
    "%m/%d/%Y %I:%M %p": "%m/%d/%Y %I:%M %p",
}


@given(st.lists(st.datetimes(dt.datetime(1000, 1, 1)), min_size=1), st.sampled_from(list(FORMATS)))
@settings(max_examples=200)
def test_formats_agree_with_strftime(moments: list[dt.datetime], format_: str) -> None:
    texts = [moment.strftime(format_) for moment in moments]
    found = find_format(texts)
    assert found is not None
    assert spell_datetimes(parse_datetimes(texts, found), found) == texts
    expected = [dt.datetime.strptime(text, format_) for text in texts]
    assert parse_datetimes(texts, format_).tolist() == expected


@given(st.lists(st.datetimes(dt.datetime(1, 1, 1)), min_size=1), st.sampled_from(["s", "ms", "us"]))
def test_any_instant_is_spelled(moments: list[dt.datetime], unit: str) -> None:
    values = np.array(moments, dtype=f"datetime64[{unit}]")
    for format_ in ("%Y-%m-%d %H:%M:%S.%f", "%-m/%-d/%Y %-I:%M:%S.%f %p"):
        np.testing.assert_array_equal(parse_datetimes(spell_datetimes(values, format_), format_), values)


@pytest.mark.parametrize(
    ("values", "format_"),
    [
        (["01/02/2020", "03/04/2021"], "%m/%d/%Y"),
        (["01/02/2020", "13/04/2021"], "%d/%m/%Y"),
        (["1/2/2020", "10/14/2021"], "%-m/%-d/%Y"),
        (["1.2.2020", "14.10.2021"], "%-d.%-m.%Y"),
        (["2020-02-30"], None),
        (["2020-01-01", "2020-1-1"], None),
        (["2020-01-01T00:00:00Z", "2020-01-01T00:00:00+01:00"], None),
        (["2020-01-01T00:00:00.123Z"], "%Y-%m-%dT%H:%M:%S.%3fZ"),
        (["2020-01-01 00:00:00.123456789"], "%Y-%m-%d %H:%M:%S.%9f"),
        (["2020-01-01 24:00:00"], None),
        (["20200101"], None),
        (["12:30:00"], None),
        (["\uff11/2/2020"], None),
        (["2020-01-01\n"], None),
    ],
)
def test_formats_found(values: list[str], format_: str | None) -> None:
    assert find_format(values) == format_


@given(st.lists(unicode_text, min_size=1))
def test_text_is_never_changed_by_a_type(values: list[str]) -> None:
    column = inferred(values)
    if column.type is ColumnType.DATETIME:
        assert column.datetime_format is not None
        assert spell_datetimes(parse_datetimes(values, column.datetime_format), column.datetime_format) == values


def test_a_wrong_date_is_named() -> None:
    with pytest.raises(DataError, match="'2020-13-01'"):
        parse_datetimes(["2020-01-01", "2020-13-01"], "%Y-%m-%d")
    assert np.isnat(parse_datetimes(pa.array([None], pa.string()), "%Y-%m-%d")).all()
