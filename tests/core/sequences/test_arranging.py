"""Rows of a group stand together and in the order of their values."""

import re
from itertools import groupby

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.config import DataConfig, RunConfig, TimeSeriesConfig
from rowsmith.errors import ConfigError, DataError
from rowsmith.sequences import arrange, group_bounds
from rowsmith.table import from_frame
from rowsmith.table.types.datetimes import spell_datetimes


def config(by=("g",), order=None, time=None, types=None):
    data = DataConfig(group_training_examples_by=by or None, order_training_examples_by=order, types=types or {})
    return RunConfig(data=data, time_series=TimeSeriesConfig(is_timeseries=time is not None, timestamp_column=time))


def arranged(frame, types=None, **settings):
    result = arrange(from_frame(frame, types=types), config(**settings))
    return result.table.to_frame(), result.groups


ROWS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([1, 2, 3]), st.integers(-3, 3)), min_size=1)


@given(ROWS, st.booleans(), st.booleans())
def test_groups_stand_together_by_first_appearance_and_in_order(rows, ordered, two_columns):
    frame = pd.DataFrame(rows, columns=["g", "h", "t"]).assign(n=range(len(rows)))
    by = ("g", "h") if two_columns else ("g",)
    result, groups = arranged(frame, by=by, order="t" if ordered else None)
    keys = [*result[[*by]].itertuples(index=False, name=None)]
    assert sorted(result["n"]) == [*range(len(rows))]
    assert [key for key, _ in groupby(keys)] == [*dict.fromkeys(frame[[*by]].itertuples(index=False, name=None))]
    assert groups.tolist() == [number for number, (_, run) in enumerate(groupby(keys)) for _ in run]
    for _, part in result.groupby([*by], sort=False):
        places = [*zip(part["t"] if ordered else [0] * len(part), part["n"], strict=True)]
        assert places == sorted(places)  # ties keep the order of the table


@given(
    st.lists(st.integers(-(2**35), 2**35), min_size=2, unique=True), st.sampled_from(["%m/%d/%Y %H:%M:%S", "%Y-%m-%d"])
)
def test_date_times_are_ordered_as_times_in_any_spelling(seconds, format_):
    instants = np.array(sorted(seconds), dtype="datetime64[s]")
    texts = [*dict.fromkeys(spell_datetimes(instants, format_))]
    shuffled = np.random.default_rng(0).permutation(texts)
    frame = pd.DataFrame({"g": "a", "t": shuffled, "x": range(len(texts))})
    result, _ = arranged(frame, types={"t": "datetime"}, order="t")
    assert [*result["t"]] == texts


def test_timestamps_are_not_sorted_as_text():
    """Promise G5."""
    # As text, 10/1/2024 comes before 2/1/2024 and 9:00 after 10:00.
    times = ["10/1/2024 9:00", "2/1/2024 10:00", "2/1/2024 9:00", "12/31/2023 23:00"]
    frame = pd.DataFrame({"sensor": ["s"] * 4, "time": times, "x": range(4)})
    result, _ = arranged(frame, by=("sensor",), time="time")
    assert [*result["x"]] == [3, 2, 1, 0]


@pytest.mark.parametrize("values", [[10, 9, -1], [1.5, 1.25, -10.0], [2**60 + 1, 2**60, 2**53], ["100", "20", "3"]])
def test_numbers_are_not_sorted_as_text(values):
    frame = pd.DataFrame({"g": "a", "t": values, "x": range(3)})
    result, _ = arranged(frame, order="t", types={"t": "integer"} if isinstance(values[0], str) else None)
    assert [*result["x"]] == [2, 1, 0]


def test_a_time_series_without_a_group_column_is_one_group():
    frame = pd.DataFrame({"time": ["2024-01-02", "2024-01-01"], "x": [1, 2]})
    result, groups = arranged(frame, by=None, time="time")
    assert [*result["x"]] == [2, 1]
    assert groups.tolist() == [0, 0]


def test_what_is_arranged_already_is_not_copied():
    table = from_frame(pd.DataFrame({"g": ["a", "a", "b"], "x": [1, 2, 3]}))
    assert arrange(table, config()).table.columns is table.columns


def test_taking_rows_numbers_the_groups_anew():
    table = from_frame(pd.DataFrame({"g": [*"aabbcc"], "x": range(6)}))
    part = arrange(table, config()).take(np.array([0, 4, 5]))
    assert part.groups.tolist() == [0, 1, 1]
    assert part.num_groups == 2
    assert [bound.tolist() for bound in group_bounds(part.groups)] == [[0, 1], [1, 3]]


@pytest.mark.parametrize("by", [("g",), ("x", "g")])
def test_rows_without_a_group_are_named(by):
    keys = [None if row in (2, 3, 10, 11, 12, 13, 14) else 1 for row in range(20)]
    frame = pd.DataFrame({"g": keys, "t": keys, "x": range(20)})
    with pytest.raises(DataError, match=r"'g' has no value in rows 3, 4, 11, 12, 13 and 2 more") as caught:
        arranged(frame, by=by, order="t")
    assert "data.group_training_examples_by" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([None, 3, None, 1, 2, None], [1, 0, 2, 3, 4, 5]),
        (["2024-02-01", None, "2024-01-01", "2024-01-02", None, "2024-01-03"], [2, 0, 1, 3, 5, 4]),
        ([None] * 6, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_rows_without_a_place_are_the_last_of_their_group_as_they_stand(values, expected):
    frame = pd.DataFrame({"g": ["b"] * 3 + ["a"] * 3, "t": values, "x": range(6)})
    result, groups = arranged(frame, order="t")
    assert [*result["x"]] == expected
    assert groups.tolist() == [0, 0, 0, 1, 1, 1]


def test_all_unknown_columns_are_named_at_once():
    frame = pd.DataFrame({"customer": ["a"], "date": ["2024-01-01"], "x": [1]})
    with pytest.raises(ConfigError) as caught:
        arranged(frame, by=("custmer", "shop"), order="dat")
    assert caught.value.problems == (
        "the table has no column 'custmer', did you mean 'customer'? @ data.group_training_examples_by",
        "the table has no column 'shop'; its columns are 'customer', 'date', 'x' @ data.group_training_examples_by",
        "the table has no column 'dat', did you mean 'date'? @ data.order_training_examples_by",
    )


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        (["2024-01", "2024-03", "2024-02"], "set data.types: {t: datetime}"),
        (["10", "9", "8"], "set data.types: {t: integer}"),
        (["first", "second", "third"], "name another column as data.order_training_examples_by"),
        (pd.Categorical(["b", "a", "c"], ["c", "b", "a"], ordered=True), "numbers or date-times"),
        ([True, False, True], "numbers or date-times"),
    ],
)
def test_a_column_that_cannot_order_rows_says_what_to_do(values, advice):
    with pytest.raises(DataError, match=re.escape(advice)):
        arranged(pd.DataFrame({"g": "a", "t": values, "x": [1, 2, 3]}), order="t")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["2024-01-02", "soon", "2024-01-01", "2024-01-02"], ("row 2", "'soon'; correct it, remove such")),
        (["soon", "2024-01-02", "2024-01-01", "2024-01-03"], ("row 1", "'soon'; correct it, remove such")),
        (["3", "1.5", "2", "four", "five"], ("row 4", "'four'; correct it and 1 other")),
    ],
)
def test_one_value_that_cannot_be_ordered_among_others_is_named_with_its_row(values, words):
    with pytest.raises(DataError, match=re.escape(words[0])) as caught:
        arranged(pd.DataFrame({"g": "a", "t": values, "x": range(len(values))}), order="t")
    assert words[1] in str(caught.value)


@pytest.mark.parametrize("names", [["g"], ["g", "t"]])
def test_a_table_of_nothing_but_groups_and_times_is_a_table(names):
    frame = pd.DataFrame({"g": ["a", "b", "a"], "t": [2, 1, 1]})[names]
    result, groups = arranged(frame, order="t" if "t" in names else None)
    assert [*result["g"]] == ["a", "a", "b"]
    assert groups.tolist() == [0, 0, 1]
