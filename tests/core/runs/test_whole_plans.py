"""A plan is whole before it is saved: what the table decides stands in it, and training goes by nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attrs import frozen

from rowsmith import Synthesizer
from rowsmith.config import RunConfig
from rowsmith.runs.jobs import dry_run
from rowsmith.runs.plan import PLAN_FILE, Plan
from rowsmith.runs.stages import Run
from rowsmith.runs.validation import registry_for
from rowsmith.sequences import Interval, RowOrder
from rowsmith.storage.run_directory import RunDirectory


@frozen
class Begun:
    """How things stand when training begins: the plan on the disk, and what the stage goes by."""

    plan: Plan
    config: RunConfig


def settings(**series: Any) -> dict[str, Any]:
    return {"data": {"group_training_examples_by": "g"}, "time_series": {"is_timeseries": True, **series}}


GAPS = {"data": {"group_training_examples_by": "g", "order_training_examples_by": "gaps"}}
CASES = {
    "plain": ({}, None),
    "grouped": ({"data": {"group_training_examples_by": "g"}}, RowOrder(column=None)),
    "order with gaps": (GAPS, RowOrder(column=None)),
    "timed": (settings(timestamp_column="t"), RowOrder(column="t", interval=Interval(ticks=3600 * 10**6))),
    "untimed": (
        settings(timestamp_interval_seconds=60),
        RowOrder(column="elapsed_seconds", made=True, interval=Interval(ticks=60 * 10**6)),
    ),
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    times = np.tile(pd.date_range("2024-01-01", periods=15, freq="h"), 4)
    gaps = [None if row % 7 == 3 else row for row in range(60)]
    frame = pd.DataFrame({"g": np.repeat([*"abcd"], 15), "t": times, "gaps": gaps, "x": np.arange(60) % 9})
    frame.to_csv(tmp_path / "table.csv", index=False)
    return tmp_path / "table.csv"


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Begun]:
    """What training begins with, time by time; it is broken off there."""
    seen: list[Begun] = []

    def learn(run: Run, part: Any) -> None:
        seen.append(Begun(Plan.load(run.directory), run.config))
        raise KeyboardInterrupt

    monkeypatch.setattr("rowsmith.runs.stages.learn", learn)
    return seen


@pytest.mark.parametrize("case", CASES)
def test_what_the_table_decides_is_in_the_plan_before_training_and_when_it_is_resumed(
    case: str, table: Path, tmp_path: Path, begun: list[Begun]
) -> None:
    chosen, order = CASES[case]
    for resume in (False, True):
        with pytest.raises(KeyboardInterrupt):
            Synthesizer(**chosen, run_directory=tmp_path / "run", resume=resume).fit(table)
    first, again = begun
    assert first == again
    assert first.plan.order == order
    assert first.config == first.plan.learned_config
    asked = Synthesizer(**chosen).config
    assert (first.plan.config.order_column, first.plan.config.data.group_columns) == (
        asked.order_column,
        asked.data.group_columns,
    )
    assert order is None or first.config.order_column == order.column


@pytest.mark.parametrize("case", CASES)
def test_a_dry_run_shows_what_the_table_decides(case: str, table: Path, tmp_path: Path) -> None:
    chosen, order = CASES[case]
    config = Synthesizer(**{**chosen, "data": {**chosen.get("data", {}), "source": str(table)}}).config
    plan = dry_run(Run(config=config, registry=registry_for(config), directory=RunDirectory(tmp_path / "run")))
    assert plan.order == order
    assert not (tmp_path / "run").exists()


def test_a_plan_of_a_version_that_did_not_say_so_is_read_and_resumed(
    table: Path, tmp_path: Path, begun: list[Begun]
) -> None:
    chosen, order = CASES["untimed"]
    directory = RunDirectory(tmp_path / "run")
    for resume in (False, True):
        with pytest.raises(KeyboardInterrupt):
            Synthesizer(**chosen, run_directory=directory.root, resume=resume).fit(table)
        saved = json.loads(directory.read_text(PLAN_FILE))
        del saved["order"]
        directory.write_json(PLAN_FILE, saved)
    assert Plan.load(directory).order is None
    assert begun[1].plan.order == order
