"""Time series from end to end, with tiny models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from rowsmith import Synthesizer
from rowsmith.errors import ParameterError
from rowsmith.runs.reporting import Reporter

pytest.importorskip("torch")

HOUR = pd.Timedelta(hours=1)


@pytest.fixture(scope="module")
def fitted(readings: pd.DataFrame, tiny: dict[str, Any]) -> Synthesizer:
    return Synthesizer(group_by="sensor", time_column="at", **tiny).fit(readings)


def test_series_have_every_time_and_names_of_their_own(fitted: Synthesizer, readings: pd.DataFrame) -> None:
    rows = fitted.sample(groups=2)
    assert (rows.dtypes == readings.dtypes).all()
    assert rows["sensor"].nunique() == 2
    assert not {*rows["sensor"]} & {*readings["sensor"]}
    for _, part in rows.groupby("sensor"):
        assert [*part["at"]] == sorted(readings["at"].unique())


class _Examples(Reporter):
    """Remembers how many training examples there were."""

    count = 0

    def stage_finished(self, name: str, seconds: float, detail: str = "") -> None:
        if name == "tokenizing":
            self.count = int(detail.split()[0].replace(",", ""))


def test_an_example_of_a_series_holds_many_records(readings: pd.DataFrame, tiny: dict[str, Any]) -> None:
    told = _Examples()
    Synthesizer(group_by="sensor", time_column="at", reporter=told, **tiny).fit(readings)
    assert 0 < told.count <= len(readings) // 10


def test_few_windows_of_a_long_series_are_cut_at_many_places(tiny: dict[str, Any]) -> None:
    frame = pd.DataFrame(
        {"at": pd.date_range("2020-01-01", periods=2_200, freq="h"), "x": [n % 7 for n in range(2_200)]}
    )
    model = {"name": "scratch", "options": {**tiny["model"]["options"], "context": 512}}
    told = _Examples()
    settings = {**tiny, "model": model, "training": {"max_steps": 1}}
    Synthesizer(time_column="at", reporter=told, **settings).fit(frame)
    assert told.count >= 256


def test_series_are_not_counted_in_rows(fitted: Synthesizer) -> None:
    with pytest.raises(ParameterError, match="ask for groups"):
        fitted.sample(10)


def test_one_series_without_a_column_of_times(readings: pd.DataFrame, tiny: dict[str, Any]) -> None:
    series = {"is_timeseries": True, "timestamp_interval_seconds": 3600}
    one = readings[readings["sensor"] == "S1"].sort_values("at")[["level", "state"]]
    rows = Synthesizer(time_series=series, **tiny).fit(one).sample(groups=1)
    assert [*rows.columns] == ["level", "state"]
    assert len(rows) == len(one)  # the end is held out, but not how long the series is


def test_the_command_line_makes_series(readings: pd.DataFrame, tmp_path: Path) -> None:
    from rowsmith.cli.root import cli

    table, run = tmp_path / "readings.csv", tmp_path / "run"
    readings.to_csv(table, index=False, date_format="%d/%m/%Y %H:%M")
    small = ("training.max_steps=3", "model.options.width=32", "model.options.layers=1", "model.options.dtype=float32")
    options = [part for setting in small for part in ("--set", setting)]
    base = ["run", str(table), "--group-by", "sensor", "--time-column", "at", "--run-dir", str(run), *options]
    result = CliRunner().invoke(cli, [*base, "-n", "10"])
    assert (result.exit_code, "say how many with --groups" in result.stderr) == (2, True)
    result = CliRunner().invoke(cli, [*base, "-g", "2"])
    assert result.exit_code == 0, result.stderr
    assert "2 groups, 80 rows in" in result.stderr
    rows = pd.read_csv(run / "synthetic.csv")
    steps = pd.to_datetime(rows["at"], format="%d/%m/%Y %H:%M").groupby(rows["sensor"]).diff().dropna()
    assert (steps == HOUR).all()
