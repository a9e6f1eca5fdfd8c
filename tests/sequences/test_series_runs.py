"""Time series from end to end, with tiny models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from rowsmith import Synthesizer
from rowsmith.errors import ParameterError

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


def test_series_are_not_counted_in_rows(fitted: Synthesizer) -> None:
    with pytest.raises(ParameterError, match="ask for groups"):
        fitted.sample(10)


def test_one_series_without_a_column_of_times(readings: pd.DataFrame, tiny: dict[str, Any]) -> None:
    series = {"is_timeseries": True, "timestamp_interval_seconds": 3600}
    one = readings[readings["sensor"] == "S1"].sort_values("at")[["level", "state"]]
    rows = Synthesizer(time_series=series, **tiny).fit(one).sample(groups=1)
    assert [*rows.columns] == ["level", "state"]
    assert len(rows) == 38  # two rows of its end are held out


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
