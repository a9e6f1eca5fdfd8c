"""Labels of timing columns, and the arithmetic of months, that sampling by ids and writing by labels share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.sequences.intervals import TICKS, month_number, month_start, months_between, months_later
from rowsmith.sequences.timing_labels import TimingLabels
from rowsmith.table.schema import Timing, TimingRole

MOMENTS = st.integers(-60_000_000_000, 120_000_000_000).map(lambda seconds: seconds // 100 * TICKS)


def labels(numbers: list[float], role: TimingRole = TimingRole.POSITION) -> TimingLabels:
    values = tuple(f"at {number}" for number in numbers)
    return TimingLabels.of_values(Timing(role=role, amounts=tuple(zip(values, numbers, strict=True))), values)


@given(
    st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=8, unique=True),
    st.lists(st.floats(-60, 60), max_size=6),
)
def test_the_nearest_label_is_found_and_the_lower_one_on_a_tie(numbers: list[float], wanted: list[float]) -> None:
    found = labels(numbers)
    ascending = np.sort(numbers)
    expected = [int(np.argmin(np.abs(ascending - each))) for each in wanted]
    assert found.nearest(np.array(wanted, dtype=np.float64)).tolist() == expected
    assert [found.amount(found.label(each)) for each in wanted] == [ascending[index] for index in expected]


def test_labels_of_the_calendar_are_those_of_the_moment() -> None:
    hours = TimingLabels.of_values(Timing(role=TimingRole.HOUR), (None, "3", "20", "12"))
    assert hours.labels == ("3", "12", "20")
    assert hours.label(86_400 * 7 + 3_600 * 13) == "12"
    assert hours.nearest(np.array([3_600.0 * 4, 3_600.0 * 23])).tolist() == [0, 2]


def test_labels_without_a_number_and_null_are_left_out() -> None:
    steps = TimingLabels.of_values(
        Timing(role=TimingRole.STEP, amounts=(("b", 2.0), ("a", 1.0))), (None, "b", "x", "a")
    )
    assert steps.labels == ("a", "b")


@given(MOMENTS, st.integers(0, 600))
def test_months_later_are_as_many_months_apart(start: int, months: int) -> None:
    later = months_later(start, months)
    assert months_between(start, later) == months
    assert month_start(month_number(later)) <= later < month_start(month_number(later) + 1)


@pytest.mark.parametrize(("day", "expected"), [("2024-01-31", "2024-02-29"), ("2024-01-30", "2024-02-29")])
def test_a_day_that_a_month_lacks_becomes_its_last(day: str, expected: str) -> None:
    start = int(np.datetime64(day, "us").astype(np.int64))
    assert np.datetime64(months_later(start, 1), "us").astype("datetime64[D]") == np.datetime64(expected)
