"""Tables generated with vLLM, by the name of the backend alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rowsmith.cli.root import cli

from .conftest import children

pytestmark = pytest.mark.vllm

ROWS = 1_500


def _run(*arguments: object) -> dict[str, object]:
    found = CliRunner().invoke(cli, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def _trained(frame: pd.DataFrame, folder: Path, *arguments: object) -> Path:
    frame.to_csv(folder / "data.csv", index=False)
    options = ["--set", "model.options.width=64", "--set", "model.options.dtype=float32"]
    _run("train", folder / "data.csv", "--run-dir", folder / "run", *options, *arguments)
    return folder / "run"


def _generated(run: Path, backend: str, output: Path, *arguments: object) -> pd.DataFrame:
    before = children()
    # Without a seed, every call makes further rows.
    chosen = ["--seed", 0, "--set", f"backend={backend}"]
    told = _run("generate", "--run-dir", run, "-o", output, "--force", *chosen, *arguments)
    assert children() == before
    assert told["status"] == "complete"
    return pd.read_csv(output, dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    """Columns of the kinds of a census: numbers of few and of many values, labels that follow from others, nulls."""
    draw = np.random.default_rng(0)
    education = draw.choice(["HS-grad", "Bachelors", "Masters", "11th"], 3_000, p=[0.5, 0.3, 0.1, 0.1])
    hours = np.where(draw.random(3_000) < 0.6, 40, draw.integers(1, 99, 3_000))
    return pd.DataFrame(
        {
            "age": draw.integers(17, 91, 3_000),
            "weight": draw.lognormal(12, 0.5, 3_000).astype(int),
            "education": education,
            "years": pd.Series(education).map({"HS-grad": 9, "Bachelors": 13, "Masters": 14, "11th": 7}),
            "gain": np.where(draw.random(3_000) < 0.92, 0, draw.integers(100, 99_999, 3_000)),
            "hours": hours,
            "country": draw.choice(["United-States", "Mexico", "Österreich", ""], 3_000, p=[0.8, 0.1, 0.05, 0.05]),
            "income": np.where((hours > 45) & (draw.random(3_000) < 0.7), ">50K", "<=50K"),
            "note": [f"n{value}, {chr(65 + value % 26)}" for value in draw.integers(0, 10_000, 3_000)],
        }
    )


def test_a_plain_table_is_valid_and_the_one_of_transformers(people: pd.DataFrame, tmp_path: Path) -> None:
    """Promise B25."""
    run = _trained(people, tmp_path, "--set", "training.max_steps=60")
    exact = ("-n", ROWS, "--set", "backend.options.dtype=float32")
    mine, other = (_generated(run, name, tmp_path / f"{name}.csv", *exact) for name in ("vllm", "transformers"))
    assert len(mine) == len(other) == ROWS
    # A draw on the edge may fall to either side, and that seldom.
    assert (mine == other).all(axis=1).mean() > 0.99


def test_groups_are_made_whole_and_in_order(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    days = [np.cumsum(draw.integers(1, 20, draw.integers(2, 7))) for _ in range(200)]
    visits = pd.DataFrame(
        {
            "who": np.repeat([f"p{number:03}" for number in range(200)], [len(each) for each in days]),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.concatenate(days), "D"),
        }
    ).assign(sum=lambda frame: draw.integers(1, 9, len(frame)))
    run = _trained(visits, tmp_path, "--set", "training.max_steps=40", "--group-by", "who", "--order-by", "day")
    made = _generated(run, "vllm", tmp_path / "visits.csv", "--groups", 40)
    assert made["who"].nunique() == 40
    for _, part in made.groupby("who"):
        assert part["day"].is_monotonic_increasing


def test_series_go_on_where_the_last_window_ended(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    hours = pd.date_range("2024-01-01", periods=48, freq="h")
    readings = pd.concat(
        [pd.DataFrame({"sensor": f"s{number}", "at": hours, "value": draw.integers(0, 9, 48)}) for number in range(12)]
    )
    run = _trained(readings, tmp_path, "--set", "training.max_steps=20", "--group-by", "sensor", "--time-column", "at")
    chosen = ["--set", "backend.name=timeseries", "--set", "backend.options.engine.name=vllm"]
    _run("generate", "--run-dir", run, "-o", tmp_path / "out.csv", "--groups", 2, *chosen)
    made = pd.read_csv(tmp_path / "out.csv")
    assert [*made.groupby("sensor").size()] == [48, 48]
