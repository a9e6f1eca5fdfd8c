"""Time series from end to end, with tiny models: tables of every look come back as they were written."""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rowsmith import Synthesizer
from rowsmith.errors import ConfigError

from ...shared import warm_interpreter
from ...shared.checkout import PYTHONPATH

pytest.importorskip("torch")

TINY: dict[str, Any] = {
    "model": {"name": "scratch", "options": {"width": 16, "layers": 1, "heads": 1, "dtype": "float32"}},
    "training": {"max_steps": 6},
    "data": {"holdout": 0},
}


def series(times: Any, groups: int = 5, length: int = 8) -> pd.DataFrame:
    """Some groups of readings; ``times`` gives those of each."""
    parts = []
    for group in range(groups):
        found = list(times(group, length))
        level = [f"L{(group + place) % 3}" for place in range(len(found))]
        parts.append(pd.DataFrame({"unit": f"u{group}", "at": found, "level": level}))
    return pd.concat(parts, ignore_index=True)


def fitted(frame: pd.DataFrame, group: str | None = "unit", **time_series: Any) -> Synthesizer:
    named = {"timestamp_column": "at", "is_timeseries": True, **time_series}
    given = {**TINY, "data": {**TINY["data"], "group_training_examples_by": group}, "time_series": named}
    return Synthesizer(config=given).fit(frame)


def parts(rows: pd.DataFrame) -> list[pd.DataFrame]:
    return [part for _, part in rows.groupby("unit", sort=False)]


@pytest.fixture(scope="module")
def hourly() -> Synthesizer:
    frame = series(lambda group, n: pd.date_range(f"2020-01-0{group + 1} 22:00", periods=n - group % 2, freq="h"))
    return fitted(frame)


def test_as_many_new_series_as_in_training_with_the_same_extents(hourly: Synthesizer) -> None:
    """Promises F32, F33."""
    rows = hourly.sample()
    assert list(rows.columns) == ["unit", "at", "level"]
    assert rows["at"].dtype == np.dtype("datetime64[ns]") or str(rows["at"].dtype).startswith("datetime64")
    found = parts(rows)
    assert not {*rows["unit"]} & {f"u{group}" for group in range(5)}
    assert sorted((part["at"].iloc[0], len(part)) for part in found) == [
        (pd.Timestamp(f"2020-01-0{group + 1} 22:00"), 8 - group % 2) for group in range(5)
    ]
    assert all((part["at"].diff().dropna() == pd.Timedelta(hours=1)).all() for part in found)


def test_a_range_beyond_training_and_beyond_the_context(hourly: Synthesizer) -> None:
    """Promise F35."""
    from attrs import evolve

    config = hourly.config
    series_config = evolve(config.time_series, start_timestamp="2020-01-03", stop_timestamp="2020-01-06 12:30")
    hourly._config = evolve(config, time_series=series_config)
    try:
        rows = hourly.sample(groups=2)
    finally:
        hourly._config = config
    for part in parts(rows):
        assert part["at"].tolist() == pd.date_range("2020-01-03", "2020-01-06 12:30", freq="h").tolist()


@pytest.mark.slow
def test_groups_of_training_go_on_from_their_kept_beginnings() -> None:
    frame = series(lambda group, n: pd.date_range(f"2020-01-0{group + 1}", periods=n))
    frame["kind"] = ["ab"[int(unit[1]) % 2] * 2 for unit in frame["unit"]]
    config = {
        **TINY,
        "data": {"holdout": 0, "group_training_examples_by": "unit"},
        "assembler": {"name": "sequential", "options": {"keep_prefill": True}},
    }
    rows = Synthesizer(time_column="at", config=config).fit(frame).sample()
    assert [*rows["unit"].unique()] == [*frame["unit"].unique()]
    for part in parts(rows):
        assert len(part) == 8
        assert (part["at"].diff().dropna() == pd.Timedelta(days=1)).all()
        assert part["kind"].nunique() == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("times", "given", "expected"),
    [
        # Months, written day first; sorted as times and not as text.
        (
            lambda group, n: [f"{day:%d/%m/%Y}" for day in pd.date_range("2020-01-01", periods=n, freq="MS")],
            {"timestamp_format": "%d/%m/%Y"},
            [f"{day:%d/%m/%Y}" for day in pd.date_range("2020-01-01", periods=8, freq="MS")],
        ),
        # The clock alone, over midnight.
        (
            lambda group, n: [f"{t:%H:%M}" for t in pd.date_range("2020-01-01 22:00", periods=n, freq="30min")],
            {},
            ["22:00", "22:30", "23:00", "23:30", "00:00", "00:30", "01:00", "01:30"],
        ),
        # Numbers that count seconds, in steps below one.
        (lambda group, n: [place / 4 for place in range(n)], {}, [place / 4 for place in range(8)]),
        # A format that tables are not written in.
        (
            lambda group, n: [f"{day:%d-%b-%y}" for day in pd.date_range("1999-12-28", periods=n)],
            {"timestamp_format": "%d-%b-%y"},
            [f"{day:%d-%b-%y}" for day in pd.date_range("1999-12-28", periods=8)],
        ),
    ],
    ids=["months", "clock", "seconds", "foreign"],
)
def test_every_kind_of_time_comes_back_as_it_was_written(times: Any, given: Any, expected: list[Any]) -> None:
    """Promise G11."""
    frame = series(times)
    rows = fitted(frame, **given).sample()
    assert (rows.dtypes == frame.dtypes).all()
    assert [part["at"].tolist() for part in parts(rows)] == [expected] * 5


@pytest.mark.slow
def test_rows_without_a_time_are_numbered_and_come_back_without_one() -> None:
    """Promise G8: it is taken out again at the end."""
    frame = series(lambda group, n: range(n)).drop(columns="at")
    config = copy.deepcopy(TINY)
    model = Synthesizer(
        config={
            **config,
            "data": {"holdout": 0, "group_training_examples_by": "unit"},
            "time_series": {"is_timeseries": True, "timestamp_interval_seconds": 60},
        }
    ).fit(frame)
    rows = model.sample()
    assert list(rows.columns) == ["unit", "level"]
    assert [len(part) for part in parts(rows)] == [8] * 5


@pytest.mark.slow
def test_learned_steps_keep_order_and_the_number_of_records() -> None:
    def times(group: int, n: int) -> pd.DatetimeIndex:
        days = np.cumsum(np.random.default_rng(group).integers(0, 4, n))
        return pd.DatetimeIndex(np.datetime64("2020-01-01") + days)

    frame = series(times, groups=8)
    rows = fitted(frame).sample()
    assert frame["at"].min() <= rows["at"].min()
    assert sorted(len(part) for part in parts(rows)) == sorted(len(part) for part in parts(frame))
    assert all(part["at"].is_monotonic_increasing for part in parts(rows))


@pytest.mark.slow
def test_learned_steps_of_months_keep_to_the_day_of_the_month() -> None:
    def times(group: int, n: int) -> pd.DatetimeIndex:
        months = np.cumsum(np.random.default_rng(group).integers(1, 4, n))
        return pd.DatetimeIndex([pd.Timestamp("2019-12-31") + pd.DateOffset(months=int(month)) for month in months])

    rows = fitted(series(times, groups=8)).sample()
    assert all(part["at"].is_monotonic_increasing for part in parts(rows))
    assert (rows["at"] + pd.offsets.MonthEnd(0) - rows["at"] <= pd.Timedelta(days=3)).all()


@pytest.mark.slow
def test_one_series_without_groups_and_longer_than_the_context() -> None:
    """Promise F34."""
    frame = series(lambda group, n: pd.date_range("2020-01-01", periods=n), groups=1, length=300).drop(columns="unit")
    rows = fitted(frame, group=None).sample()
    assert list(rows.columns) == ["at", "level"]
    assert rows["at"].tolist() == frame["at"].tolist()


@pytest.fixture(scope="module")
def rising() -> Synthesizer:
    days = pd.date_range("2019-01-01", periods=400)
    level = 100 + 0.5 * np.arange(400) + 20 * np.sin(2 * np.pi * np.arange(400) / 7)
    frame = pd.DataFrame({"at": days, "level": (level + np.random.default_rng(0).normal(0, 1, 400)).round(1)})
    return fitted(frame, group=None)


def test_a_long_series_keeps_its_level_and_its_season(rising: Synthesizer) -> None:
    rows = rising.sample()
    assert rows["at"].tolist() == pd.date_range("2019-01-01", periods=400).tolist()
    curve = 100 + 0.5 * np.arange(400) + 20 * np.sin(2 * np.pi * np.arange(400) / 7)
    assert (rows["level"] - curve).abs().max() < 10
    assert any("trend" in line for line in rising._fitted().transforms.inventory())


def test_the_curve_is_that_of_the_times_that_are_written_also_between_places_and_beyond_training(
    rising: Synthesizer,
) -> None:
    from attrs import evolve

    config = rising.config
    series_config = evolve(config.time_series, start_timestamp="2019-11-03", stop_timestamp="2020-03-01")
    rising._config = evolve(config, time_series=series_config)
    try:
        rows = rising.sample(groups=2)
    finally:
        rising._config = config
    assert rows["series"].value_counts().to_dict() == {1: 120, 2: 120}
    day = (rows["at"] - pd.Timestamp("2019-01-01")).dt.days
    assert (rows["level"] - 100 - 0.5 * day - 20 * np.sin(2 * np.pi * day / 7)).abs().max() < 15


def test_one_series_of_learned_steps_has_as_many_rows_whatever_steps_the_model_writes() -> None:
    days = pd.bdate_range("2020-01-01", periods=90)
    frame = pd.DataFrame({"at": days, "level": ["abc"[place % 3] for place in range(90)]})
    rows = fitted(frame, group=None).sample()
    assert len(rows) == 90
    assert rows["at"].is_monotonic_increasing


def test_series_whose_steps_nothing_tells_are_refused_before_training() -> None:
    frame = series(lambda group, n: pd.date_range("2020-01-01", periods=n))
    config = {**TINY, "data": {"group_training_examples_by": "unit"}, "transforms": []}
    with pytest.raises(ConfigError, match="need the transform 'groups'"):
        Synthesizer(time_column="at", config=config).fit(frame)


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """That of a process that finds this checkout, and no settings of the machine."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("ROWSMITH_")}
    return {**found, "PYTHONPATH": PYTHONPATH, "OMP_NUM_THREADS": "1"}


def run(folder: Path, environment: dict[str, str], *arguments: str) -> None:
    done = warm_interpreter.run(*arguments, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def whole(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained model, and what a generation that nothing disturbs writes."""
    folder = tmp_path_factory.mktemp("whole")
    frame = series(lambda group, n: pd.date_range("2020-01-01", periods=n + group), groups=6, length=6)
    frame.to_csv(folder / "in.csv", index=False)
    options = [
        *("--group-by", "unit", "--time-column", "at", "--set", "training.max_steps=6", "--set", "data.holdout=0"),
        *("--set", "model.options.width=16", "--set", "model.options.layers=1", "--set", "model.options.dtype=float32"),
        *("--set", "backend={name: timeseries, options: {max_prompts_per_batch: 2}}"),
    ]
    run(folder, environment, "train", "in.csv", "--run-dir", "run", *options)
    run(folder, environment, "generate", "--run-dir", "run", "-g", "80", "--seed", "0", "-o", "whole.csv")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_generation_that_is_ended_midway_goes_on_after_its_finished_series(
    how: signal.Signals, whole: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """Promise F37."""
    shutil.copytree(whole / "run", tmp_path / "run")
    arguments = ("generate", "--run-dir", "run", "-g", "80", "--seed", "0")
    started = warm_interpreter.Command(arguments, cwd=tmp_path, env=environment)
    # Ended once some series are on the disk.
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and started.poll() is None:
        if any(path.stat().st_size > 5_000 for path in (tmp_path / "run").glob("generation-*.journal")):
            break
        time.sleep(0.005)
    started.send_signal(how)
    started.wait(timeout=120)
    assert started.returncode != 0
    journal = next((tmp_path / "run").glob("generation-*.journal"))
    kept = journal.read_bytes()

    run(tmp_path, environment, *arguments, "--resume", "-v")
    assert len(kept) > 5_000
    assert not journal.exists()
    assert (tmp_path / "run" / "synthetic.csv").read_text() == (whole / "whole.csv").read_text()
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())["generation"]
    assert (figures["num_valid_groups"], figures["all_groups_succeeded"]) == (80, True)
