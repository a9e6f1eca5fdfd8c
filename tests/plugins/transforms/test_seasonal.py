"""Values over time without their trend and seasons, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.config.sections import DataConfig, TimeSeriesConfig
from rowsmith.errors import ParameterError
from rowsmith.table.types.spelling import parse_numbers, spell_numbers
from rowsmith.transforms import default_transforms, fit_transforms
from rowsmith_plugins.transforms.changes import transform as changes
from rowsmith_plugins.transforms.groups import transform as groups
from rowsmith_plugins.transforms.options import SeasonalOptions
from rowsmith_plugins.transforms.seasonal.transform import FittedSeasonal, SeasonalTransform, build

from .tables import T, check_round_trip, check_state, column, context, draws, schema, seeds, table, texts

DAYS = column("t", T.DATETIME, datetime_format="%Y-%m-%d")
HOURS = column("t", T.DATETIME, datetime_format="%Y-%m-%d %H:%M")
SECONDS = column("t", T.INTEGER)
TENTHS = column("x", T.DECIMAL, scale=1, max_scale=1, nullable=True)


def times(count: int, freq: str = "D") -> list[str]:
    format_ = "%Y-%m-%d" if freq[-1] in "DWS" else "%Y-%m-%d %H:%M"
    return list(pd.date_range("2001-01-01", periods=count, freq=freq).strftime(format_))


def fit(values: Any, found: Any = TENTHS, time: Any = DAYS, at: Any = None, **options: Any) -> tuple[Any, pa.Table]:
    spelled = [None if np.isnan(value) else spell_numbers([value], found)[0] for value in np.asarray(values, float)]
    held = table({"t": times(len(spelled)) if at is None else at, "x": spelled})
    transform = SeasonalTransform((), "t", SeasonalOptions(**options))
    fitted = transform.fit(held, schema(time, found))
    check_state(transform, fitted, held)
    return fitted, held


def rest_of(fitted: FittedSeasonal, held: pa.Table) -> np.ndarray:
    return parse_numbers([value for value in texts(fitted.apply(held))["x"] if value is not None])


def cycles(fitted: FittedSeasonal) -> list[str]:
    return [season.cycle for each in fitted.taken for season in each.curve.seasons]


def yearly(count: int, seed: int = 0) -> np.ndarray:
    day = np.arange(count)
    noise = np.random.default_rng(seed).normal(0, 0.5, count)
    return 300 + 0.02 * day + 3 * np.cos(2 * np.pi * day / 365.25) + noise


def test_what_is_left_of_a_trend_with_seasons_has_neither_and_comes_back_exactly() -> None:
    values = yearly(3000)
    values[40:55] = np.nan
    fitted, held = fit(values)
    assert cycles(fitted) == ["year"]
    assert rest_of(fitted, held).std() < 0.6
    assert texts(check_round_trip(fitted, held)) == texts(held)
    assert "x" in fitted.notes()[0]
    assert "the year" in fitted.notes()[0]
    assert "3,000 rows" in fitted.inventory()[0]


def test_days_and_weeks_are_found_and_seasons_may_grow() -> None:
    hour = np.arange(24 * 200)
    noise = np.random.default_rng(1).normal(0, 1, len(hour))
    weekday = hour // 24 % 7 < 5
    fitted, held = fit(50 + 10 * weekday * np.cos(2 * np.pi * hour / 24) + noise, time=HOURS, at=times(len(hour), "h"))
    assert {*cycles(fitted)} <= {"day", "week"}
    assert rest_of(fitted, held).std() < 1.5
    month = np.arange(180)
    growing = month * (1 + 0.3 * np.cos(2 * np.pi * month / 12)) + np.random.default_rng(2).normal(0, 1, 180)
    fitted, held = fit(growing, at=times(180, "MS"))
    assert fitted.taken[0].curve.seasons[0].growing > 0
    assert rest_of(fitted, held).std() < 4


def test_a_cycle_of_any_length_is_found_where_times_are_numbers() -> None:
    second = np.arange(0, 4000, 10)
    values = 5 * np.sin(2 * np.pi * second / 370) + np.random.default_rng(3).normal(0, 0.5, len(second))
    fitted, held = fit(values, time=SECONDS, at=[str(each) for each in second])
    assert cycles(fitted) == ["period"]
    assert fitted.taken[0].curve.seasons[0].seconds == pytest.approx(370, rel=0.02)
    assert rest_of(fitted, held).std() < 1


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(4).normal(0, 5, 1000),
        yearly(40),
        np.where(np.random.default_rng(5).random(1000) < 0.6, 0.0, yearly(1000)),
        np.floor(yearly(3000) / 10),
        np.full(100, np.nan),
    ],
    ids=["noise", "few rows", "many zeros", "few values", "nulls alone"],
)
def test_columns_without_a_curve_stay_as_they_are(values: np.ndarray) -> None:
    fitted, held = fit(values)
    assert fitted.taken == ()
    assert (fitted.notes(), fitted.inventory()) == ([], [])
    assert texts(fitted.apply(held)) == texts(fitted.invert(held, draws(held.num_rows), {})) == texts(held)


def test_columns_may_be_left_out_or_asked_for() -> None:
    assert fit(yearly(3000), exclude=("x",))[0].taken == ()
    assert fit(np.floor(yearly(3000) / 10), columns=("x",))[0].taken
    with pytest.raises(ParameterError, match="no smooth curve over time"):
        fit(np.random.default_rng(0).normal(0, 5, 500), columns=("x",))
    with pytest.raises(ParameterError, match="no numeric column 'y'"):
        fit(yearly(300), columns=("y",))


def test_series_share_a_curve_each_at_its_own_level() -> None:
    parts = {name: yearly(1500, seed) + 100 * seed for seed, name in enumerate("abc")}
    held = table(
        {
            "g": [name for name in parts for _ in range(1500)],
            "t": times(1500) * 3,
            "x": spell_numbers(np.concatenate(list(parts.values())), TENTHS),
        }
    )
    fitted = SeasonalTransform(("g",), "t").fit(held, schema(column("g"), DAYS, TENTHS))
    rest = rest_of(fitted, held).reshape(3, 1500)
    assert (rest.std(axis=1) < 0.6).all()
    assert np.diff(rest.mean(axis=1)) == pytest.approx([100, 100], abs=0.2)


def test_what_is_never_negative_stays_so_and_a_trend_goes_on_beyond_training() -> None:
    count = np.maximum(0, np.rint(yearly(3000) - 299)).astype(int)
    fitted, _ = fit(count, found=column("x", T.INTEGER))
    low = table({"t": times(3600), "x": [str(fitted.taken[0].middle - 500)] * 3600})
    assert parse_numbers(texts(fitted.invert(low, draws(3600), {}))["x"]).min() == 0
    fitted, _ = fit(yearly(3000))
    usual = table({"t": times(3600), "x": spell_numbers([fitted.taken[0].middle / 10] * 3600, TENTHS)})
    back = parse_numbers(texts(fitted.invert(usual, draws(3600), {}))["x"])
    assert back[-365:].mean() - back[:365].mean() == pytest.approx(0.02 * 3235, rel=0.05)


def test_values_without_a_grid_of_their_own_are_kept_finely() -> None:
    fitted, held = fit(yearly(3000) + 1 / 3, found=column("x", T.DECIMAL))
    before, after = (parse_numbers(texts(each)["x"]) for each in (held, check_round_trip(fitted, held)))
    assert np.abs(before - after).max() < 1e-4


@settings(max_examples=25)
@given(
    seed=seeds,
    rows=st.integers(60, 400),
    style=st.sampled_from(
        [
            column("x", T.INTEGER, nullable=True),
            column("x", T.DECIMAL, scale=2, max_scale=2, nullable=True),
            column("x", T.DECIMAL, max_scale=3, nullable=True),
            column("x", T.DECIMAL, max_scale=2, whole_point=False, nullable=True),
            column("x", T.DECIMAL, nullable=True),
        ]
    ),
    power=st.integers(0, 9),
    step=st.sampled_from([1.0, 5.0]),
)
def test_the_promise_holds_for_any_numbers(seed: int, rows: int, style: Any, power: int, step: float) -> None:
    rng = np.random.default_rng(seed)
    values = (
        np.rint((yearly(rows, seed) - 300) * 10 + rng.normal(0, 10 ** rng.integers(0, 3), rows)) * step * 10.0**power
    )
    values[rng.random(rows) < rng.choice([0, 0.3])] = np.nan
    fitted, held = fit(values, found=style)
    check_round_trip(fitted, held, seed)
    # Rows not seen before, of other times and far away.
    other = table({"t": times(rows, "7D"), "x": [*texts(held)["x"][:0:-1], "1000000000000000"]})
    check_round_trip(fitted, other, seed)


@given(rest=st.lists(st.sampled_from(["-99999.9", "0.0", "310.2", "123456789012.5", None]), min_size=5, max_size=5))
@settings(max_examples=20)
def test_whatever_is_left_becomes_a_value(rest: list[str | None]) -> None:
    fitted, _ = fit(yearly(800), found=column("x", T.DECIMAL, scale=1, max_scale=1))
    back = texts(fitted.invert(table({"t": times(5), "x": rest}), draws(5), {}))["x"]
    assert None not in back
    assert spell_numbers(parse_numbers(back), TENTHS) == back


def test_time_series_have_it_before_groups_and_others_do_not() -> None:
    names = default_transforms(grouped=True, timeseries=True)
    assert names.index("seasonal") < names.index("groups") < names.index("changes")
    assert "seasonal" not in default_transforms(grouped=True)
    given_ = {"time_series": TimeSeriesConfig(is_timeseries=True, timestamp_column="t"), "data": DataConfig()}
    assert build(context(**given_), None) == SeasonalTransform((), "t")
    with pytest.raises(ParameterError, match="needs a column of times"):
        SeasonalTransform().fit(table({"x": ["1"]}), schema(column("x", T.INTEGER)))


def test_what_is_left_of_a_wandering_series_is_still_told_by_its_changes() -> None:
    values = 100 + np.random.default_rng(0).normal(0, 1, 1200).cumsum() + np.arange(1200) * 0.05
    series = {"time_series": TimeSeriesConfig(is_timeseries=True, timestamp_column="t")}
    steps = [("seasonal", build(context(**series), None)), ("groups", groups.build(context(**series), None))]
    steps.append(("changes", changes.build(context(**series), None)))
    held = table({"t": times(1200), "x": spell_numbers(values, TENTHS)})
    fitted, _ = fit_transforms(held, schema(DAYS, column("x", T.DECIMAL, scale=1, max_scale=1)), steps)
    assert fitted.notes()
    assert "x~change" in fitted.schema_after.names
