"""Conditions on rows: read as a user writes them, and met by the rows that a filter of the frame takes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.conditions import read_conditions, read_constraints, rows_meeting
from rowsmith.config import load_config
from rowsmith.errors import ConfigError
from rowsmith.table import from_frame


def _frame(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": random.integers(18, 60, rows),
            "score": np.round(random.normal(0, 2, rows), 1),
            "city": random.choice(["Ulm", "Rome", "Oslo"], rows),
            "member": random.random(rows) < 0.5,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 90, rows), unit="D"),
            "visits": pd.array(np.where(random.random(rows) < 0.3, None, random.integers(0, 5, rows)), dtype="Int64"),
        }
    )


def _met(frame: pd.DataFrame, wanted: dict) -> pd.Series:
    table = from_frame(frame)
    return pd.Series(rows_meeting(table.columns, table.schema, read_conditions(wanted, table.schema)))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    ages=st.tuples(st.integers(10, 70), st.integers(0, 30)),
    city=st.sampled_from(["Ulm", "Rome", "Nowhere"]),
    member=st.booleans(),
    days=st.integers(0, 100),
)
def test_rows_meet_conditions_as_a_filter_of_the_frame_says(seed, ages, city, member, days):
    frame = _frame(80, seed)
    low, high, last = ages[0], ages[0] + ages[1], pd.Timestamp("2024-01-01") + pd.Timedelta(days=days)
    wanted = {
        "age": {"min": low, "max": high},
        "city": [city, "Oslo"],
        "member": member,
        "day": {"max": str(last.date())},
        "visits": [None, 3],
    }
    expected = (
        frame["age"].between(low, high)
        & frame["city"].isin([city, "Oslo"])
        & (frame["member"] == member)
        & (frame["day"] <= last)
        & (frame["visits"].isna() | (frame["visits"] == 3).fillna(False))
    )
    assert _met(frame, wanted).tolist() == expected.tolist()


def test_constraints_hold_or_are_left_open_by_a_null():
    frame = _frame(80, 1)
    table = from_frame(frame)
    constraints = read_constraints(["visits * 10 <= age", "score < 1"], table.schema)
    found = rows_meeting(table.columns, table.schema, constraints)
    visits = frame["visits"].astype("float64")
    expected = (visits.isna() | (visits * 10 <= frame["age"])) & (frame["score"] < 1)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("agee <= 3", r"no column 'agee', did you mean 'age'\? @ generation\.constraints"),
        ("city -> age", "a constraint compares two expressions"),
        ("city < age", "only numbers and date-times can be computed with"),
    ],
)
def test_what_is_no_constraint_is_named(statement, message):
    schema = from_frame(_frame(60, 0)).schema
    with pytest.raises(ConfigError, match=message):
        read_constraints([statement], schema)


@pytest.mark.parametrize("value", [7, "7", "7.0", 7.0])
def test_a_number_is_the_same_however_it_is_written(value):
    frame = pd.DataFrame({"x": [7, 8, 7, 9] * 5})
    assert _met(frame, {"x": value}).sum() == 10


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"agee": 3}, r"no column 'agee', did you mean 'age'\? @ generation\.given"),
        ({"age": "old"}, r"column 'age': 'old' is not a number @ generation\.given\.age"),
        ({"age": {"min": 40, "max": 30}}, "the range from 40 to 30 is empty"),
        ({"age": {"from": 40}}, "a range has min and max"),
        ({"age": []}, "no value is given"),
        ({"age": None}, "the table has no null there"),
        ({"city": {"min": "A"}}, "which have no range; list the values"),
        ({"member": "maybe"}, "'maybe' is neither"),
        ({"day": "soon"}, r"'soon' is not a date-time"),
        ({"age": {"min": "x"}, "member": 7}, r"(?s)'x' is not a number.*7 is neither"),
    ],
)
def test_what_cannot_be_met_is_named_with_its_place(wanted, message):
    schema = from_frame(_frame(60, 0)).schema
    with pytest.raises(ConfigError, match=message):
        read_conditions(wanted, schema)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"group_training_examples_by": "id"}}, "cannot be generated under conditions"),
        ({"time_series": {"is_timeseries": True, "timestamp_column": "t"}}, "cannot be generated under conditions"),
        ({"generation": {"temperature": 0}}, "temperature above 0"),
        ({"generation": {"top_p": 0.9}}, "top_p to 1"),
    ],
)
def test_conditions_where_they_cannot_hold_are_refused(sections, message):
    values = {**sections, "generation": {**sections.get("generation", {}), "given": {"x": 1}}}
    with pytest.raises(ConfigError, match=message):
        load_config(values=values)
