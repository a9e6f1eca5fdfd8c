"""Rows under conditions, from a real model: every row meets them, and the rest of the row follows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rowsmith import Synthesizer
from rowsmith.cli.root import cli
from rowsmith.errors import ConfigError
from rowsmith.runs.reporting import Reporter

pytest.importorskip("torch")


def _table(rows: int = 1200) -> pd.DataFrame:
    """The last column says much of the first ones: masks on it alone would give the rows of all others."""
    random = np.random.default_rng(0)
    kind = random.choice(["cat", "dog", "owl"], rows, p=[0.6, 0.3, 0.1])
    weight = np.round(np.select([kind == "cat", kind == "dog"], [4.0, 20.0], 1.0) * random.lognormal(0, 0.2, rows), 1)
    return pd.DataFrame(
        {
            "kind": kind,
            "weight": weight,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 60, rows), unit="D"),
            "heavy": weight > 10,
        }
    )


class _Notes(Reporter):
    def __init__(self, notes: list[str]) -> None:
        self.notes = notes

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Synthesizer:
    options = {"width": 32, "layers": 1, "dtype": "float32"}
    settings: dict[str, Any] = {"training": {"max_steps": 150}, "model": {"name": "scratch", "options": options}}
    return Synthesizer(run_directory=tmp_path_factory.mktemp("given") / "run", **settings).fit(_table())


def test_early_columns_follow_a_condition_on_a_late_one(fitted: Synthesizer) -> None:
    rows = fitted.sample(300, given={"heavy": True}, seed=1)
    assert len(rows) == 300
    assert rows["heavy"].all()
    assert (rows["kind"] == "dog").mean() > 0.7  # 0.3 of all rows
    assert rows.dtypes.to_dict() == _table(10).dtypes.to_dict()


def test_ranges_lists_and_dates_hold_in_every_row(fitted: Synthesizer) -> None:
    wanted = {"weight": {"min": 2, "max": 5.5}, "kind": ["cat", "owl"], "day": {"min": "2024-02-01"}}
    rows = fitted.sample(120, given=wanted, seed=2)
    assert len(rows) == 120
    assert rows["weight"].between(2, 5.5).all()
    assert rows["kind"].isin(["cat", "owl"]).all()
    assert (rows["day"] >= "2024-02-01").all()


def test_a_constraint_holds_in_every_row_and_the_share_rejected_is_reported(
    fitted: Synthesizer, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model")
    notes: list[str] = []
    loaded = Synthesizer.load(tmp_path / "model", reporter=_Notes(notes))
    rows = loaded.sample(150, seed=4, constraints=["weight * 2 >= 5"])
    assert len(rows) == 150
    assert (rows["weight"] >= 2.5).all()
    assert any("the constraint 'weight * 2 >= 5' was not met by" in note for note in notes)


def test_the_same_seed_and_conditions_give_the_same_rows(fitted: Synthesizer) -> None:
    first, second = (fitted.sample(60, given={"kind": "owl"}, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    pd.testing.assert_frame_equal(fitted.sample(20, given={"kind": "owl"}, seed=3), first.head(20))


def test_a_condition_that_no_row_can_meet_is_refused_by_name(fitted: Synthesizer) -> None:
    with pytest.raises(ConfigError, match=r"no row can meet the condition on column 'weight'"):
        fitted.sample(10, given={"weight": {"min": 500}})
    with pytest.raises(ConfigError, match=r"no row can meet the condition on column 'kind'"):
        fitted.sample(10, given={"kind": "fox"})


def test_the_command_line_takes_values_ranges_and_several_conditions(fitted: Synthesizer, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    command = ["generate", "--run-dir", str(tmp_path / "model"), "-n", "50", "-o", str(tmp_path / "rows.csv")]
    conditions = ["--given", "kind=owl", "--given", "kind=dog", "--given", "weight=..30"]
    result = CliRunner().invoke(cli, [*command, *conditions])
    assert result.exit_code == 0, result.output
    assert "effective of 16 candidates a row" in result.output
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert len(rows) == 50
    assert rows["kind"].isin(["owl", "dog"]).all()
    assert (rows["weight"] <= 30).all()
    wrong = CliRunner().invoke(cli, [*command, "--force", "--given", "owl"])
    assert wrong.exit_code == 2
    assert "write COLUMN=VALUE" in wrong.output


def test_a_run_under_a_condition_is_compared_with_the_real_rows_that_meet_it(tmp_path: Path) -> None:
    table = _table()
    table.to_csv(tmp_path / "pets.csv", index=False)
    command = [
        "run",
        str(tmp_path / "pets.csv"),
        "--run-dir",
        str(tmp_path / "run"),
        "-n",
        "200",
        "--given",
        "kind=dog",
    ]
    settings = ["--set", "training.max_steps=60", "--set", "model.options.width=32", "--set", "model.options.layers=1"]
    result = CliRunner().invoke(cli, [*command, *settings])
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert figures["given"] == {"kind": ["dog"]}
    found = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    real = (table["kind"] == "dog").sum()
    assert found["sizes"]["real"] < real
    assert found["sizes"]["real"] > 0.8 * real
    few = CliRunner().invoke(cli, [*command, "--given", "weight=..0.6", *settings, "--force"])
    assert "no row can meet" in few.output or "fewer than 50 real rows meet the conditions" in few.output
