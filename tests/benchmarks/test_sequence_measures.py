"""The measures of grouped tables against slow and obvious ones, and where their values are known."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmarks.sequence_measures import LAGS, MEASURES, SHORTEST, Scorer
from hypothesis import given, settings
from hypothesis import strategies as st

Rows = list[dict[str, Any]]
Code = Callable[[Any], Any]


def slow_scores(train: Rows, table: Rows, numeric: Sequence[str], other: Sequence[str]) -> dict[str, float]:
    """All measures of rows with the columns ``g``, ``t`` and those named, a row at a time."""
    codes = {name: cut([row[name] for row in train]) for name in numeric} | {
        name: dict(zip([row[name] for row in train], itertools.count(), strict=False)).get for name in other
    }
    names = ["t", *[name for name in codes if name != "t"]]
    both = [
        [{name: codes[name](row[name]) for name in names} | {"g": row["g"]} for row in rows] for rows in (train, table)
    ]
    ours, theirs = steps(train), steps(table)
    known = bool(ours and theirs)
    return {
        "length KS": apart(Counter(row["g"] for row in train).values(), Counter(row["g"] for row in table).values()),
        "uni": mean(alike(*([row[name] for row in rows] for rows in both)) for name in names),
        "pairs": mean(
            alike(*([(row[one], row[two]) for row in rows] for rows in both))
            for one, two in itertools.combinations(names, 2)
        ),
        "coherence": mean(
            alike(*([(now[name], then[name]) for now, then in neighbours(rows)] for rows in both)) for name in names
        ),
        "in order": mean(step >= 0 for step in theirs) if known else math.nan,
        "repeats": mean(step == 0 for step in theirs) if known else math.nan,
        "gap KS": apart(ours, theirs) if known else math.nan,
        "acf": acf_difference(train, table, numeric),
    }


def mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known) if known else math.nan


def cut(values: Sequence[float | None]) -> Code:
    """Tells how many of the inner deciles a number reaches."""
    edges = sorted(set(np.quantile([value for value in values if value is not None], np.linspace(0, 1, 11))))[1:-1]
    return lambda value: None if value is None else sum(value >= edge for edge in edges)


def alike(left: Sequence[Any], right: Sequence[Any]) -> float:
    if not left or not right:
        return math.nan
    first, second = Counter(left), Counter(right)
    return 1 - sum(abs(first[value] / len(left) - second[value] / len(right)) for value in {*left, *right}) / 2


def apart(left: Iterable[float], right: Iterable[float]) -> float:
    first, second = list(left), list(right)

    def below(values: list[float], bound: float) -> float:
        return mean(value <= bound for value in values)

    return max(abs(below(first, bound) - below(second, bound)) for bound in (*first, *second))


def neighbours(rows: Rows) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    last: dict[Any, dict[str, Any]] = {}
    found = []
    for row in rows:
        if row["g"] in last:
            found.append((last[row["g"]], row))
        last[row["g"]] = row
    return found


def steps(rows: Rows) -> list[float]:
    return [then["t"] - now["t"] for now, then in neighbours(rows)]


def acf_difference(train: Rows, table: Rows, names: Sequence[str]) -> float:
    differences = []
    for name, lag in itertools.product(names, LAGS):
        real, mine = (mean_correlation(rows, name, lag) for rows in (train, table))
        if not math.isnan(real) and not math.isnan(mine):
            differences.append(abs(real - mine))
    return mean(differences)


def mean_correlation(rows: Rows, name: str, lag: int) -> float:
    found = []
    for group in {row["g"] for row in rows}:
        values = [row[name] for row in rows if row["g"] == group]
        known = [value for value in values if value is not None]
        if len(values) < SHORTEST or not known:
            continue
        middle = mean(known)
        spread = mean((value - middle) ** 2 for value in known)
        products = [
            (now - middle) * (then - middle)
            for now, then in zip(values, values[lag:], strict=False)
            if now is not None and then is not None
        ]
        if spread > 0 and products:
            found.append(mean(products) / spread)
    return mean(found)


rows = st.lists(
    st.fixed_dictionaries(
        {
            "g": st.sampled_from("ab"),
            "t": st.integers(0, 5),
            "x": st.none() | st.integers(-3, 3),
            "kind": st.sampled_from(["p", "q", "r"]),
        }
    ),
    min_size=1,
    max_size=40,
)


@given(rows, rows)
@settings(deadline=None)
def test_every_measure_is_that_of_the_slow_way(train: Rows, table: Rows) -> None:
    # All kinds occur in training, since the slow way has no code for rare ones.
    train = train + [{"g": "z", "t": 1, "x": 0, "kind": kind} for kind in "pqr"]
    frames = [pd.DataFrame(each, columns=["g", "t", "x", "kind"]).astype({"x": float}) for each in (train, table)]
    found = Scorer.of(frames[0], ["g"], "t").score(frames[1])
    expected = slow_scores(train, table, ["t", "x"], ["kind"])
    assert list(found) == list(MEASURES)
    for name in MEASURES:
        assert found[name] == pytest.approx(expected[name], abs=1e-9, nan_ok=True), name


def walks(groups: int, seed: int) -> pd.DataFrame:
    """Walks with dates, some on one day."""
    random = np.random.default_rng(seed)
    parts = []
    for number in range(groups):
        size = int(random.integers(1, 20))
        days = np.cumsum(random.integers(0, 4, size))
        parts.append(
            pd.DataFrame(
                {
                    "shop": f"s{number}",
                    "till": number % 2,
                    "day": (pd.Timestamp(2020, 1, 30) + pd.to_timedelta(days, unit="D")).strftime("%Y-%m-%d"),
                    "level": random.normal(0, 1, size).cumsum().round(2),
                    "open": random.random(size) < 0.5,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_a_table_is_like_itself_and_other_groups_nearly() -> None:
    table = walks(200, 0)
    scorer = Scorer.of(table, ["shop"], "day")
    same, other = scorer.score(table), scorer.score(walks(200, 1))
    for name, value in {
        "length KS": 0,
        "uni": 1,
        "pairs": 1,
        "coherence": 1,
        "in order": 1,
        "gap KS": 0,
        "acf": 0,
    }.items():
        assert same[name] == pytest.approx(value)
        assert other[name] == pytest.approx(value, abs=0.2)
    assert same["repeats"] == pytest.approx(
        (np.diff(pd.to_datetime(table["day"])) == np.timedelta64(0, "us")).mean(), abs=0.05
    )


def test_rows_out_of_order_are_seen_where_they_matter() -> None:
    table = walks(200, 0)
    shuffled = Scorer.of(table, ["shop"], "day").score(table.sample(frac=1, random_state=1))
    assert shuffled["uni"] == pytest.approx(1)
    assert shuffled["length KS"] == 0
    assert shuffled["coherence"] < 0.95
    assert shuffled["in order"] < 0.7
    assert shuffled["gap KS"] > 0.3
    assert shuffled["acf"] > 0.2


def test_groups_by_several_columns_and_without_an_order() -> None:
    table = walks(60, 0)
    joined = table.assign(shop=table["shop"] + "/" + table["till"].astype(str)).drop(columns="till")
    two, one = Scorer.of(table, ["shop", "till"]), Scorer.of(joined, ["shop"])
    other = walks(60, 1)
    found = two.score(other)
    expected = one.score(other.assign(shop=other["shop"] + "/" + other["till"].astype(str)).drop(columns="till"))
    assert found == pytest.approx(expected, nan_ok=True)
    assert [name for name in MEASURES if np.isnan(found[name])] == ["in order", "repeats", "gap KS"]


def test_the_ten_commonest_texts_are_told_apart_and_the_others_are_one() -> None:
    counts = {f"k{number}": 20 - number for number in range(12)}
    table = pd.DataFrame({"g": 0, "k": [kind for kind, count in counts.items() for _ in range(count)]})
    scorer = Scorer.of(table, ["g"])
    assert scorer.score(table.replace({"k": {"k11": "k10"}}))["uni"] == pytest.approx(1)
    assert scorer.score(table.replace({"k": {"k11": "k9"}}))["uni"] == pytest.approx(1 - 9 / sum(counts.values()))


def test_without_numbers_or_long_groups_there_is_no_autocorrelation() -> None:
    assert np.isnan(Scorer.of(pd.DataFrame({"g": [1, 1], "k": ["a", "b"]}), ["g"]).train.correlations).all()
    short = pd.DataFrame({"g": [1, 1], "x": [1.0, 2.0]})
    assert np.isnan(Scorer.of(short, ["g"]).score(short)["acf"])
