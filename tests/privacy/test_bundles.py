"""What a bundle and a run directory hold is what the privacy page says they hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rowsmith import Synthesizer
from rowsmith.config import DataConfig
from rowsmith.model.bundle import Bundle
from rowsmith.randomness.seeds import Seeds
from rowsmith.sequences.holdout import split_holdout
from rowsmith.table import from_frame

pytest.importorskip("torch")

ROWS = 1_200
"""More than in tables small enough that a holdout passes over rows of rare labels."""
TINY: Mapping[str, Any] = {
    "training": {"max_steps": 2},
    "model": {"name": "scratch", "options": {"width": 32, "layers": 1, "dtype": "float32"}},
}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Columns of each kind; the rows that a run of seed 3 holds out have a kind and a size of their own."""
    chance = np.random.default_rng(0)
    held = np.isin(
        np.arange(ROWS), split_holdout(from_frame(pd.DataFrame({"x": range(ROWS)})), DataConfig(), Seeds(3))[1]
    )
    words = ["called", "twice", "no", "answer", "paid"]
    return pd.DataFrame(
        {
            "id": np.arange(1, ROWS + 1),
            "kind": pd.Categorical(np.where(held, "canary", chance.choice(["a", "b", "c"], ROWS))),
            "size": np.where(held, 77_123, chance.integers(0, 5, ROWS)),
            "amount": np.round(chance.normal(50, 9, ROWS), 2),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(chance.integers(0, 90, ROWS), unit="D"),
            "note": [" ".join(chance.choice(words, 7)) for _ in range(ROWS)],
        }
    )


@pytest.fixture(scope="module")
def trained(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame, Bundle]:
    """A run directory, rows that were made there, and its bundle."""
    directory = tmp_path_factory.mktemp("runs") / "run"
    synthesizer = Synthesizer(**TINY, seed=3, run_directory=directory).fit(frame)
    return directory, synthesizer.sample(300), synthesizer._fitted()


def test_rows_that_are_held_out_are_not_learned_from(trained: tuple[Path, pd.DataFrame, Bundle]) -> None:
    directory, made, bundle = trained
    assert bundle.train_rows == ROWS - ROWS // 20
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        assert not [each for each in (b"canary", b"77123") if each in path.read_bytes()], path
    assert set(made["kind"].dropna()) <= {"a", "b", "c"}
    assert made["size"].max() < 5


def test_the_inventory_names_every_column_that_the_bundle_holds_something_of(
    trained: tuple[Path, pd.DataFrame, Bundle],
) -> None:
    _, _, bundle = trained
    lines = bundle.inventory()
    for name in (*bundle.table_schema.names, *bundle.model_schema.names):
        assert [line for line in lines if name in line], name
    text = next(column for column in bundle.model_schema if column.alphabet)
    assert f"{text.name}: {len(text.alphabet or '')} characters of its text" in " ".join(lines)


def test_a_vocabulary_holds_the_values_of_closed_columns_and_pieces_of_open_ones(
    frame: pd.DataFrame, trained: tuple[Path, pd.DataFrame, Bundle]
) -> None:
    _, _, bundle = trained
    assert bundle.vocabulary is not None
    closed = {column.name: column.values for column in bundle.model_schema}
    assert closed["kind"] == ("a", "b", "c")
    assert closed["note"] is None
    pieces = {piece.decode("utf-8", "replace") for piece in bundle.vocabulary.pieces}
    shared = [piece for piece in pieces if len(piece) > 1]
    assert shared
    assert min(int(frame["note"].str.contains(piece, regex=False).sum()) for piece in shared) >= 10


def test_a_finished_run_directory_holds_model_plan_and_figures_and_no_value_of_a_key(
    frame: pd.DataFrame, trained: tuple[Path, pd.DataFrame, Bundle]
) -> None:
    directory, _, _ = trained
    assert {path.name for path in directory.iterdir() if not path.name.startswith(".")} <= {
        "bundle",
        "generations.json",
        "plan.json",
    }
    plan = json.loads((directory / "plan.json").read_text(encoding="utf-8"))
    assert {"config", "rowsmith"} <= set(plan)
    assert not [note for note in frame["note"].unique() if note in json.dumps(plan)]
