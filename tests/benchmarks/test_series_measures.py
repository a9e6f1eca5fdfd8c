"""The measures of time series against slow and obvious ones, and where their values are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmarks.series_measures import LAGS, MEASURES, SeriesScorer, autocorrelation
from benchmarks.time_series import split_tail
from hypothesis import given, settings
from hypothesis import strategies as st


def weekly(
    years: int = 12, *, slope: float = 1.0, season: float = 3.0, seed: int = 0, noise: float = 0.3
) -> pd.DataFrame:
    """One series with a trend and a season."""
    days = pd.date_range("1990-01-06", periods=52 * years, freq="7D")
    time = np.arange(len(days)) / 52.18
    random = np.random.default_rng(seed)
    level = 300 + slope * time + season * np.sin(2 * np.pi * time) + random.normal(0, noise, len(days))
    return pd.DataFrame({"day": days.strftime("%Y-%m-%d"), "level": level.round(2)})


def slow_scores(train: dict[str, list[float]], other: dict[str, list[float]]) -> dict[str, float]:
    """Measures of series of equal steps, a value at a time; the keys are the series."""
    real, mine = (list(each.values()) for each in (train, other))
    rest, my_rest = ([without_line(one) for one in each] for each in (real, mine))
    flat = [value for one in real for value in one]
    span = mean([len(one) - 1 for one in real])
    slope = abs(mean([slope_of(one) for one in mine]) - mean([slope_of(one) for one in real]))
    middle = mean([len(one) for one in sorted(real, key=len)[(len(real) - 1) // 2 : len(real) // 2 + 1]])
    lags = [lag for lag in LAGS if 2 * lag <= middle]
    differences = [abs(correlation(rest, lag) - correlation(my_rest, lag)) for lag in lags]
    return {
        "trend": slope * span / deviation(flat),
        "acf": mean([each for each in differences if not math.isnan(each)]),
    }


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def deviation(values: list[float]) -> float:
    return math.sqrt(mean([(value - mean(values)) ** 2 for value in values])) or math.nan


def slope_of(values: list[float]) -> float:
    return float(np.polyfit(range(len(values)), values, 1)[0]) if len(values) > 1 else 0.0


def without_line(values: list[float]) -> list[float]:
    slope, middle = slope_of(values), mean([float(place) for place in range(len(values))])
    return [value - mean(values) - slope * (place - middle) for place, value in enumerate(values)]


def correlation(series: list[list[float]], lag: int) -> float:
    products = [one[place] * one[place + lag] for one in series for place in range(len(one) - lag)]
    square = mean([value * value for one in series for value in one])
    return mean(products) / square if products and square > 0 else math.nan


numbers = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=12)
many = st.dictionaries(st.sampled_from("abc"), numbers, min_size=1)


def frame(series: dict[str, list[float]]) -> pd.DataFrame:
    rows = [(key, place, value) for key, values in series.items() for place, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["key", "time", "x"])


@given(many, many)
@settings(deadline=None)
def test_trend_and_autocorrelation_are_those_of_the_slow_way(train: dict[str, Any], other: dict[str, Any]) -> None:
    # Enough numbers off a line that nothing is divided by what is only a rounding error.
    train, other = train | {"z": [1.0, 5.0, 2.0, 9.0, 4.0]}, other | {"z": [3.0, -4.0, 8.0]}
    found = SeriesScorer.of(frame(train), ["key"], "time").score(frame(other))
    for name, value in slow_scores(train, other).items():
        assert found[name] == pytest.approx(value, abs=1e-6, nan_ok=True), name


@given(numbers, st.integers(1, 5))
def test_an_autocorrelation(values: list[float], lag: int) -> None:
    found = autocorrelation(np.array(values), np.array([0, len(values)]), lag)
    assert found == pytest.approx(correlation([values], lag), nan_ok=True)


def test_a_series_is_like_itself_in_whatever_order_its_rows_stand() -> None:
    table = weekly()
    scorer = SeriesScorer.of(table, [], "day")
    assert scorer.parts == ("month",)
    same = scorer.score(table)
    assert list(same) == list(MEASURES)
    assert same == pytest.approx(dict(zip(MEASURES, [1, 1, 0, 0, 0, 0, 1, 0], strict=True)))
    backwards = scorer.score(table[::-1])
    assert backwards["forward"] == backwards["interval kept"] == 0
    assert [backwards[name] for name in MEASURES[2:]] == pytest.approx([same[name] for name in MEASURES[2:]])


@pytest.mark.parametrize(
    ("changed", "measures"),
    [
        ({"slope": 2.0}, {"trend", "values KS"}),
        ({"season": 0.5}, {"profile", "by part", "acf"}),
        ({"noise": 3.0}, {"change KS", "acf", "by part"}),
    ],
)
def test_each_measure_sees_what_it_is_for(changed: dict[str, Any], measures: set[str]) -> None:
    scorer = SeriesScorer.of(weekly(), [], "day")
    like, unlike = scorer.score(weekly(seed=1)), scorer.score(weekly(seed=1, **changed))
    worse = {name for name in MEASURES if abs(unlike[name] - like[name]) > 0.1}
    assert measures <= worse
    assert like["by part"] > 0.85


def test_steps_that_differ_and_parts_of_a_day_are_seen() -> None:
    hours = pd.date_range("2024-02-28 22:00", periods=60, freq="h").strftime("%Y-%m-%d %H:%M")
    table = pd.DataFrame({"at": hours, "x": np.tile(np.arange(12.0), 5)})
    scorer = SeriesScorer.of(table, [], "at")
    assert scorer.parts == ("month", "day_of_week", "hour")
    gapped = scorer.score(table.drop(index=range(10, 20)))
    assert gapped["interval kept"] == pytest.approx(48 / 49)
    assert gapped["forward"] == 1


def test_the_tail_of_each_series_is_held_out() -> None:
    table = pd.concat([weekly(2).assign(site="a"), weekly(1).assign(site="b")]).sample(frac=1, random_state=0)
    head, tail = split_tail(table, ["site"], "day", 0.25)
    assert head.index.size + tail.index.size == len(table)
    assert tail["site"].value_counts().to_dict() == {"a": 26, "b": 13}
    for site in "ab":
        assert head[head["site"] == site]["day"].max() < tail[tail["site"] == site]["day"].min()
    head, tail = split_tail(weekly(1), [], "day", 0.5)
    assert head["day"].max() < tail["day"].min()


def test_a_table_without_numbers_cannot_be_scored() -> None:
    with pytest.raises(SystemExit, match="no numeric column"):
        SeriesScorer.of(pd.DataFrame({"time": [1, 2], "x": ["a", "b"]}), [], "time")
