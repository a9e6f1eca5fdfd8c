"""Judging rows in Python: of a fitted Synthesizer, and tables of others."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import rowsmith
from rowsmith import ConfigError, DataError, RunDirectoryError, Synthesizer
from rowsmith.errors import ParameterError
from rowsmith.evaluation.tables import ColumnKind, Part


def test_the_rows_of_a_synthesizer_are_judged_beside_what_it_learned(
    frame: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path
) -> None:
    frame = frame.assign(id=[f"P-{number:04d}" for number in range(len(frame))])
    synthesizer = Synthesizer(**tiny).fit(frame)
    rows = synthesizer.sample(60)
    outcome = synthesizer.evaluate(rows, evaluation=["column-shapes", "pair-trends", "copies"])
    assert outcome.report.sizes == {"real": 143, "synthetic": 60, "holdout": 7}
    assert outcome.tables is not None
    assert outcome.tables.column("id").kind is ColumnKind.KEY
    assert [column.name for column in outcome.tables.columns] == list(frame.columns)
    assert set(outcome.report.changed) == set(frame.columns)
    assert [line.label for line in outcome.verdict][:2] == ["verdict", "quality"]
    assert not outcome.report.failed
    shapes = outcome.measures["column-shapes"]
    assert shapes.value is not None
    assert outcome.frame().query("measure == 'column-shapes'")["value"].tolist() == [shapes.value]

    given = synthesizer.evaluate(rows, frame.iloc[:40], evaluation=["column-shapes"])
    assert given.report.sizes["holdout"] == 40
    with pytest.raises(ConfigError, match="expected one of auto, quick, full, none or a list"):
        synthesizer.evaluate(rows, evaluation="best")
    with pytest.raises(DataError, match="is not the table that was learned from"):
        synthesizer.evaluate(rows, real=frame.iloc[1:], evaluation=["column-shapes"])

    copy = pickle.loads(pickle.dumps(synthesizer))
    with pytest.raises(RunDirectoryError, match="learned from a DataFrame"):
        copy.evaluate(rows, evaluation=["column-shapes"])
    again = copy.evaluate(rows, real=frame, evaluation=["column-shapes", "pair-trends", "copies"])
    assert again.as_dict()["quality"] == outcome.as_dict()["quality"]


def _people(rows: int, seed: int) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    age = chance.integers(18, 80, rows)
    return pd.DataFrame({"age": age, "old": np.where(age > 60, "yes", "no"), "pay": chance.normal(30, 5, rows)})


def test_tables_of_others_are_judged_and_a_copied_table_is_told_from_a_good_one(tmp_path: Path) -> None:
    real, holdout, good = (_people(800, seed) for seed in range(3))
    chosen = ["column-shapes", "pair-trends", "copies"]
    outcome = rowsmith.evaluate_tables(real, good, holdout, evaluation=chosen)
    assert not outcome.report.warnings
    copied = rowsmith.evaluate_tables(real, real, holdout, evaluation=chosen)
    assert copied.report.warnings
    page = outcome.save(tmp_path / "report")
    assert page.name == "report.html"
    assert sorted(path.name for path in page.parent.iterdir() if not path.name.startswith(".")) == [
        "evaluation.json",
        "report.html",
    ]


def test_groups_are_named_by_the_labels_of_the_frame() -> None:
    frame = _people(120, 1).assign(person=np.repeat(np.arange(30), 4)).rename(columns={"person": 7})
    outcome = rowsmith.evaluate_tables(frame, frame, group_by=7, keys=[7], evaluation=["sequence-lengths"])
    assert outcome.tables is not None
    assert int(outcome.tables.groups[Part.REAL].max()) == 29
    assert outcome.tables.column("7").kind is ColumnKind.KEY


def test_a_time_series_without_groups_is_one_group() -> None:
    times = pd.DataFrame({"at": pd.date_range("2024-01-01", periods=60), "x": np.arange(60.0)})
    outcome = rowsmith.evaluate_tables(times, times, time_column="at", evaluation=["column-shapes"])
    assert outcome.tables is not None
    assert outcome.tables.groups[Part.REAL].tolist() == [0] * 60


def test_the_quality_of_a_series_of_one_column_is_that_of_its_column() -> None:
    times = pd.DataFrame({"at": pd.date_range("2024-01-01", periods=60), "x": np.arange(60.0)})
    outcome = rowsmith.evaluate_tables(times, times, time_column="at", evaluation=["column-shapes", "pair-trends"])
    assert outcome.quality.value == 1.0
    assert outcome.quality.reason == "pair-trends does not apply: no pairs: one column with values to compare"


def test_the_series_of_a_lone_series_are_numbered_by_a_column_of_the_synthetic_table() -> None:
    times = pd.DataFrame({"at": pd.date_range("2024-01-01", periods=60), "x": np.arange(60.0)})
    three = pd.concat([times.assign(series=number) for number in (1, 2, 3)], ignore_index=True)
    outcome = rowsmith.evaluate_tables(
        times, three, time_column="at", series_column="series", evaluation=["sequence-lengths"]
    )
    assert outcome.tables is not None
    assert int(outcome.tables.groups[Part.SYNTHETIC].max()) == 2
    assert [column.name for column in outcome.tables.columns] == ["at", "x"]
    for column, group, message in (
        ("no-such", None, "the synthetic table has no column 'no-such'"),
        ("x", None, "both tables have a column 'x'"),
        ("series", "x", "give time_column, and no group_by"),
    ):
        with pytest.raises(ParameterError, match=message):
            rowsmith.evaluate_tables(times, three, time_column="at", group_by=group, series_column=column)
