"""How the zoo learns a table: in every form, with every way to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.zoo.judging import Verdict, faults, verdict
from benchmarks.zoo.learning import learn
from benchmarks.zoo.outcomes import Effort, told_of

import rowsmith


def table(rows: int = 400) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "rownames": np.arange(1, rows + 1),
            "kind": draw.choice(["a", "b", "c"], rows),
            "size": draw.normal(50, 10, rows).round(1),
            "left": draw.integers(0, 9, rows),
        }
    )


def test_a_table_that_only_goes_through_its_transforms(tmp_path: Path) -> None:
    real = table()
    outcome = learn(real, "encoding", tmp_path, Effort(fewest=500))
    assert outcome.real is real and outcome.synthetic is not None
    assert outcome.told.keys == {"rownames"}
    assert list(faults(real, outcome.synthetic, 500, keys=outcome.told.keys)) == []


def test_rows_of_a_long_table_are_drawn_from_all_of_it(tmp_path: Path) -> None:
    real = pd.DataFrame({"block": np.repeat(range(10), 100), "side": ["left", "right"] * 500})
    synthetic = learn(real, "encoding", tmp_path, Effort(most=200)).synthetic
    assert synthetic is not None and len(synthetic) == 200
    assert set(synthetic["block"]) == set(range(10))


@pytest.mark.parametrize("form", ["frame", "encoding"])
def test_a_typed_error_is_a_refusal(form: str, tmp_path: Path) -> None:
    outcome = learn(pd.DataFrame([[1, 2]] * 60, columns=["x", "x"]), form, tmp_path, Effort())
    assert outcome.refusal is not None and "x" in outcome.refusal
    assert outcome.crash is None and outcome.synthetic is None


def test_any_other_error_is_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**settings: object) -> None:
        raise ZeroDivisionError("no")

    monkeypatch.setattr(rowsmith, "Synthesizer", broken)
    outcome = learn(table(), "frame", tmp_path, Effort())
    assert outcome.refusal is None
    assert outcome.crash is not None and outcome.crash.endswith("ZeroDivisionError: no\n")


def test_what_a_bundle_says_of_keys_and_of_what_was_changed() -> None:
    keys = {"name": "keys", "state": {"keys": [{"name": "id"}, {"name": "code"}]}}
    steps = [keys, {"name": "protect-rare", "state": {"guards": {}}}]
    told = told_of({"steps": steps, "changes": [{}, {"age": 0.1}, {"age": 0.05, "town": 0.97}, {"town": 0.5}]}, ("n",))
    assert told.keys == {"id", "code"}
    assert told.changed == pytest.approx({"age": 0.15, "town": 1.0})
    assert told_of({"steps": [keys]}, ()).changed == {}


def test_that_labels_are_invented_counts_where_the_run_says_so(tmp_path: Path) -> None:
    real = pd.DataFrame({"kind": [*["a", "b"] * 40, *(f"r{number}" for number in range(20))], "x": range(100)})
    outcome = learn(real, "encoding", tmp_path, Effort())
    assert outcome.told.invented == {"kind"}
    state = {"steps": [{"name": "protect-rare", "state": {"guards": {"kind": {"kind": "invented"}}}}]}
    assert not told_of(state, ()).invented


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "frame"])
def test_a_table_is_learned_and_judged(form: str, tmp_path: Path) -> None:
    outcome = learn(table(), form, tmp_path, Effort(steps=150, fewest=400))
    assert outcome.crash is None and outcome.refusal is None
    assert outcome.real is not None and outcome.synthetic is not None
    found = faults(outcome.real, outcome.synthetic, 400, keys=outcome.told.keys, dtypes=form == "frame")
    assert verdict(found, outcome.told)[0] is Verdict.RIGHT
    assert "150 steps" in outcome.training or "epochs" in outcome.training
