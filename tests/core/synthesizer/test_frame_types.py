"""Frames of any dtypes and labels through a whole fit."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rowsmith import Synthesizer
from rowsmith.config import load_config
from rowsmith.errors import ConfigError
from rowsmith.sequences import prepare_series
from rowsmith.table import from_frame


def _uuids(chance: np.random.Generator, count: int) -> list[uuid.UUID]:
    return [uuid.UUID(bytes=chance.bytes(16), version=4) for _ in range(count)]


def _objects(values: list[Any]) -> pd.Series:
    return pd.Series(values, dtype=object)


@pytest.fixture
def times() -> pd.DataFrame:
    chance = np.random.default_rng(5)
    rows = 150
    some = chance.random(rows) < 0.2
    minutes = chance.integers(0, 24 * 60, rows).tolist()
    seconds = np.where(some, 0, chance.exponential(4_000, rows)).tolist()
    shops = _uuids(chance, 3)
    frame = pd.DataFrame(
        {
            "took": pd.to_timedelta(chance.integers(0, 500, rows), unit="min"),
            "idle": _objects(
                [None if none else dt.timedelta(seconds=int(s)) for none, s in zip(some, seconds, strict=True)]
            ),
            "at": _objects([dt.time(minute // 60, minute % 60) for minute in minutes]),
            "month": pd.PeriodIndex.from_ordinals(chance.integers(600, 640, rows), freq="M"),
            "id": _objects(_uuids(chance, rows)),
            "shop": _objects([shops[place] for place in chance.integers(0, 3, rows)]),
        }
    )
    frame.loc[some, "took"] = pd.NaT
    frame.loc[~some, "month"] = pd.NaT
    return frame


def test_times_and_uuids_are_learned_and_given_back(times: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path) -> None:
    synthesizer = Synthesizer(**tiny).fit(times)
    sample = synthesizer.sample(100)
    pd.testing.assert_series_equal(sample.dtypes, times.dtypes)
    for name in times:
        assert {type(value) for value in sample[name].dropna()} == {type(value) for value in times[name].dropna()}
    assert synthesizer.results is not None and synthesizer.results.valid_record_fraction == 1.0
    # Whole minutes stay whole minutes, between the least and the greatest that were learned.
    assert (sample["took"].dropna() % pd.Timedelta("1min") == pd.Timedelta(0)).all()
    assert sample["took"].nunique() > 50
    assert times["took"].min() <= sample["took"].min() <= sample["took"].max() <= times["took"].max()
    assert sample["at"].nunique() > 50
    assert all(time.second == 0 for time in sample["at"])
    assert sample["id"].nunique() == 100
    assert not {*sample["id"]} & {*times["id"]}
    assert all(each.version == 4 and each.variant == uuid.RFC_4122 for each in sample["id"])
    assert {*sample["shop"]} <= {*times["shop"]}
    synthesizer.save(tmp_path / "saved")
    again = Synthesizer.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(again.sample(100, seed=3), synthesizer.sample(100, seed=3))


@pytest.mark.slow
def test_a_parquet_file_of_such_types(times: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "times.parquet"
    times.drop(columns=["id", "shop"]).to_parquet(path)
    sample = Synthesizer(**tiny).fit(path).sample(50)
    assert sample.dtypes.astype(str).to_dict() == {
        "took": f"duration[{np.datetime_data(times['took'].dtype)[0]}][pyarrow]",
        "idle": "duration[us][pyarrow]",
        "at": "time64[us][pyarrow]",
        "month": "period[M]",
    }


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(pd.to_timedelta(np.arange(60) * 250, unit="ms"), id="milliseconds"),
        pytest.param(_objects([dt.time(m // 60, m % 60) for m in range(0, 1200, 20)]), id="times"),
        pytest.param(pd.period_range("2018-01", periods=60, freq="M"), id="months", marks=pytest.mark.slow),
        pytest.param(pd.to_timedelta(np.arange(60) * 15, unit="min"), id="minutes", marks=pytest.mark.slow),
    ],
)
def test_a_series_in_steps_of_any_such_time(times: Any, tiny: dict[str, Any]) -> None:
    frame = pd.DataFrame({"t": times, "y": np.sin(np.arange(60) / 5).round(2)})
    sample = Synthesizer(**tiny, time_column="t", data={"holdout": 0}).fit(frame).sample(groups=1)
    pd.testing.assert_series_equal(sample["t"], frame["t"])


def test_an_interval_is_in_seconds_whatever_the_unit_of_the_durations() -> None:
    table = from_frame(pd.DataFrame({"t": pd.to_timedelta([0, 15, 30], unit="min"), "y": [1, 2, 3]}))
    settings = {"is_timeseries": True, "timestamp_column": "t", "timestamp_interval_seconds": 900}
    prepared = prepare_series(table, load_config(values={"time_series": settings}))
    plan = prepared.plan(prepared.table, np.zeros(3, dtype=np.int64))
    assert [span.interval.seconds for span in plan.spans] == [900]
    assert prepared.axis.write([0, 900 * 10**6], table.schema["t"]) == ["0", "15"]


def test_settings_name_columns_by_their_labels() -> None:
    config = Synthesizer(
        group_by=[0, ("a", 1)],
        order_by=("b", 2),
        data={"types": {0: "text"}, "drop": (3, pd.Timestamp("2024-01-01"))},
    ).config
    assert config.data.group_columns == ("0", "('a', 1)")
    assert config.order_column == "('b', 2)"
    assert (dict(config.data.types), config.data.drop) == ({"0": "text"}, ("3", "2024-01-01 00:00:00"))


def test_labels_of_columns_that_stay(tiny: dict[str, Any]) -> None:
    frame = pd.DataFrame({0: [1, 2] * 20, 1: ["x", "y"] * 20, "1a": [True] * 40})
    sample = Synthesizer(**tiny, data={"drop": [0]}).fit(frame).sample(5)
    assert sample.columns.tolist() == [1, "1a"]


def test_ids_of_category_dtype_are_made_anew_and_numbers_of_it_are_numbers(tiny: dict[str, Any]) -> None:
    chance = np.random.default_rng(2)
    known = [f"P{number:05d}" for number in chance.permutation(9_000)[:150]]
    frame = pd.DataFrame(
        {
            "id": pd.Categorical(known),
            "age": pd.Categorical(chance.integers(0, 90, 150), ordered=True),
            "city": pd.Categorical(["Ulm", "Rome"] * 75, categories=["Rome", "Ulm", "Bonn"]),
        }
    )
    sample = Synthesizer(**tiny).fit(frame).sample(60)
    assert sample["id"].nunique() == 60
    assert not {*sample["id"]} & {*known}
    # The categories of made-up values are those that occur; those of a fixed set are the user's that rows have.
    assert sample["id"].cat.categories.tolist() == sorted(sample["id"])
    assert sample["age"].dtype == pd.CategoricalDtype(sorted({*sample["age"]}), ordered=True)
    assert sample["age"].nunique() > 20
    assert sample["city"].dtype == pd.CategoricalDtype(["Rome", "Ulm"])


@pytest.mark.parametrize(
    ("kind", "given", "wrong"),
    [
        ("text", ["zed", "yan"], None),
        pytest.param("whole", [70, 71], "x", marks=pytest.mark.slow),
        ("uuid", [uuid.UUID(int=5), uuid.UUID(int=6)], "x"),
    ],
)
def test_categories_name_groups(kind: str, given: list[Any], wrong: Any, tiny: dict[str, Any]) -> None:
    ids = {"text": [f"u{n:02d}" for n in range(20)], "whole": list(range(20))}
    names = ids.get(kind) or _uuids(np.random.default_rng(1), 20)
    frame = pd.DataFrame({"who": pd.Categorical(np.repeat(names, 5)), "x": list("abcab") * 20})
    synthesizer = Synthesizer(**tiny, group_by="who", data={"holdout": 0}).fit(frame)
    made = synthesizer.sample(groups=3)["who"]
    assert made.nunique() == 3
    assert not {*made} & {*names}
    assert {*made.cat.categories} == {*made}
    assert made.cat.categories.dtype == frame["who"].cat.categories.dtype
    assert [*synthesizer.sample(groups=given)["who"].unique()] == given
    if wrong is not None:
        with pytest.raises(ConfigError, match=r"generation\.group_keys"):
            synthesizer.sample(groups=[wrong])


@pytest.mark.parametrize("group", [0, ("who", 1)], ids=str)
def test_columns_and_groups_by_labels_that_are_not_text(group: Any, tiny: dict[str, Any], tmp_path: Path) -> None:
    rows = [[f"u{place // 5}", place % 5, "ab"[place % 2]] for place in range(100)]
    labels = pd.RangeIndex(3) if group == 0 else pd.MultiIndex.from_tuples([("who", 1), ("when", 1), ("what", 2)])
    frame = pd.DataFrame(rows, columns=labels)
    by = group if group == 0 else [group]
    order, kind = (1, 2) if group == 0 else (("when", 1), ("what", 2))
    synthesizer = Synthesizer(**tiny, group_by=by, order_by=order, data={"types": {kind: "categorical"}}).fit(frame)
    sample = synthesizer.sample(groups=2)
    pd.testing.assert_index_equal(sample.columns, frame.columns)
    pd.testing.assert_series_equal(sample.dtypes, frame.dtypes)
    assert synthesizer.results is not None and synthesizer.results.df.columns.equals(frame.columns)
    synthesizer.save(tmp_path / "saved")
    pd.testing.assert_index_equal(Synthesizer.load(tmp_path / "saved").sample(groups=1).columns, frame.columns)
