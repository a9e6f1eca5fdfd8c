"""The policy that ends training by the quality of sampled rows, and by memorised ones."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.components import ComponentRef, Kind
from rowsmith.config import RunConfig
from rowsmith.config.conversion import structure
from rowsmith.context import BuildContext
from rowsmith.errors import ConfigError
from rowsmith.evaluation import (
    Direction,
    Evaluated,
    EvaluationKind,
    EvaluationTables,
    Measure,
    Part,
    TableEvaluation,
    TrainingTrial,
    evaluation_tables,
)
from rowsmith.plugins import Registry
from rowsmith.randomness.seeds import Seeds
from rowsmith.table import from_frame
from rowsmith_plugins.stopping.options import QualityOptions
from rowsmith_plugins.stopping.quality import QualityStopping, Trials, Verdict

VERDICTS = st.lists(
    st.tuples(st.none() | st.floats(0, 1), st.booleans(), st.sampled_from(["", "", "", "3 rows are copies"])),
    max_size=25,
)
Shown = list[tuple[float | None, bool, str]]


def follow(shown: Shown, patience: int = 3, gain: float = 0.01) -> list[Any]:
    """The verdicts of a training that ends where it is asked to, each with the decision and the state after it."""
    trials, seen = Trials(patience=patience, min_gain=gain), []
    for number, (score, nearer, copied) in enumerate(shown):
        verdict = Verdict(step=10 * (number + 1), score=score, nearer=nearer, copied=copied)
        trials, best, stop = trials.after(verdict)
        seen.append((verdict, best, stop, trials))
        if stop is not None:
            break
    return seen


def suspected(verdict: Verdict) -> bool:
    return verdict.nearer or bool(verdict.copied)


@given(VERDICTS)
def test_the_saved_weights_have_the_highest_score_of_those_that_memorise_nothing(shown: Shown) -> None:
    seen = follow(shown)
    sound = [verdict for verdict, *_ in seen if verdict.score is not None and not suspected(verdict)]
    chosen = [verdict for verdict, best, *_ in seen if best]
    assert bool(chosen) == bool(seen)
    if sound:
        assert chosen[-1].score == max(verdict.score for verdict in sound)
        assert not suspected(chosen[-1])
        assert chosen[-1].step == seen[-1][3].best_step


@given(VERDICTS)
def test_training_ends_at_the_first_copies_or_at_a_second_suspicion_in_a_row(shown: Shown) -> None:
    seen = follow(shown, patience=10**6)
    for number, (verdict, _, stop, _) in enumerate(seen):
        twice = number > 0 and verdict.nearer and seen[number - 1][0].nearer
        assert (stop is not None) == (bool(verdict.copied) or twice)


@given(VERDICTS, st.integers(1, 5))
def test_training_ends_after_as_many_trials_without_gain_as_it_has_patience(shown: Shown, patience: int) -> None:
    seen = follow([(score, False, "") for score, *_ in shown], patience)
    without, reference = 0, None
    for verdict, _, stop, _ in seen:
        if verdict.score is not None:
            gained = reference is None or verdict.score > reference + 0.01
            without, reference = (0, verdict.score) if gained else (without + 1, reference)
        assert (stop is not None) == (without >= patience)


@given(VERDICTS, st.integers(0, 25))
def test_a_policy_goes_on_from_its_saved_state(shown: Shown, at: int) -> None:
    seen = follow(shown)
    if at < len(seen) - 1:
        state = json.loads(json.dumps(asdict(seen[at][3])))
        assert Trials(**state).after(seen[at + 1][0])[0] == seen[at + 1][3]


def test_the_reason_says_what_was_seen_and_what_is_saved() -> None:
    assert follow([(0.8, False, ""), (0.7, False, ""), (0.75, False, "")], patience=2)[-1][2] == (
        "the quality of sampled rows stopped rising: 2 trials without gain by step 30; the weights of step 10 are "
        "saved, with a quality of 0.800"
    )
    assert follow([(0.8, False, ""), (0.9, False, "9 rows are copies.")])[-1][2] == (
        "training rows are memorised by step 20: 9 rows are copies; the weights of step 10 are saved"
    )


# With real evaluations


@pytest.fixture(scope="module")
def registry() -> Registry:
    pytest.importorskip("sklearn")
    return Registry()


def policy(registry: Registry, **options: object) -> QualityStopping:
    context = BuildContext(config=RunConfig(), registry=registry, seeds=Seeds(0))
    built = context.resolve(Kind.TRAINING_STOPPING, ComponentRef(name="quality", options=options))
    assert isinstance(built, QualityStopping)
    return built


def people(rows: int, seed: int) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    age = draw.integers(18, 90, rows)
    return pd.DataFrame(
        {
            "age": age,
            "income": np.round(age * 500 + draw.normal(0, 4_000, rows), 0),
            "height": np.round(draw.normal(170, 9, rows), 1),
            "married": np.where(draw.random(rows) < age / 90, "yes", "no"),
        }
    )


def trial(synthetic: pd.DataFrame, step: int) -> TrainingTrial:
    tables = evaluation_tables(*(from_frame(frame) for frame in (people(200, 0), synthetic, people(200, 1))), seed=step)
    return TrainingTrial(step=step, total_steps=100, seconds=1.0, tables=tables)


def test_rows_like_the_held_out_ones_go_on_and_copies_end_training(registry: Registry) -> None:
    judge = policy(registry)
    fresh = judge.decide(trial(people(300, 2), 10))
    assert (fresh.best, fresh.stop) == (True, None)
    assert fresh.figures["quality"] > 0.8
    assert fresh.figures["copies"] == 0
    copies = judge.decide(trial(people(200, 0).sample(300, replace=True, random_state=0), 20))
    assert copies.best is False
    assert copies.stop is not None
    assert "memorised by step 20" in copies.stop
    assert "the weights of step 10 are saved" in copies.stop
    assert json.loads(json.dumps(copies.figures))["dcr-share"] > 0.9


def test_rows_near_to_training_rows_end_training(registry: Registry) -> None:
    judge, seen = policy(registry), []
    for step in (10, 20, 30):
        near, draw = people(200, 0).sample(300, replace=True, random_state=step), np.random.default_rng(step)
        near["age"] += draw.integers(-1, 2, 300)
        near["income"] += draw.integers(-900, 900, 300)
        near["height"] = np.round(near["height"] + draw.normal(0, 1, 300), 1)
        seen.append(judge.decide(trial(near, step)).stop)
    assert any("memorised" in (stop or "") for stop in seen)


def test_worse_rows_have_a_lower_quality(registry: Registry) -> None:
    judge = policy(registry)
    shuffled = people(300, 2).assign(income=people(300, 3)["income"] * 2)
    good, bad = (judge.decide(trial(frame, step)) for step, frame in ((10, people(300, 2)), (20, shuffled)))
    assert bad.figures["quality"] < good.figures["quality"] - 0.05
    assert not bad.best


def test_held_out_rows_replace_the_real_table() -> None:
    tables = trial(people(300, 2), 10).against_held_out
    assert tables.sizes == {Part.REAL: 200, Part.SYNTHETIC: 300}
    assert tables.column("age").numbers(Part.REAL).tolist() == people(200, 1)["age"].tolist()


def test_other_measures_may_make_the_quality(registry: Registry) -> None:
    found = policy(registry, measures=["column-shapes"]).decide(trial(people(300, 2), 10)).figures
    assert found["quality"] == pytest.approx(found["column-shapes"])
    assert "pair-trends" not in found


class Fixed(TableEvaluation):
    """Has the same measure for every table."""

    name, kind = "fixed", EvaluationKind.FIDELITY

    def __init__(self, **measure: Any) -> None:
        self.measure = Measure(name="fixed", **measure)

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        return Evaluated(measures=(self.measure,))


@pytest.mark.parametrize(
    ("measure", "quality"),
    [
        ({"value": 0.7}, 0.7),
        ({"value": 0.2, "direction": Direction.LOWER}, 0.8),
        ({"value": 0.5, "range": (-1.0, 1.0)}, 0.75),
        ({"value": 0.5, "range": (0.0, 2.0), "direction": Direction.LOWER}, 0.75),
        ({"value": 0.5, "best": 0.5, "direction": Direction.LOWER}, None),
        ({"value": 3.0, "range": (0.0, float("inf")), "direction": Direction.LOWER}, None),
        ({"value": 0.5, "direction": Direction.NEITHER}, None),
        ({"value": None, "reason": "too few rows"}, None),
    ],
)
def test_measures_of_any_scale_make_a_quality_from_0_to_1(measure: dict[str, Any], quality: float | None) -> None:
    found = QualityStopping(QualityOptions(), [Fixed(**measure)], []).decide(trial(people(50, 2), 10))
    assert found.best
    if quality is None:
        assert found.figures["quality"] is None
        assert found.figures["reasons"]["quality"].startswith("fixed: ")
    else:
        assert found.figures["quality"] == pytest.approx(quality)


def test_a_measure_of_a_model_is_refused(registry: Registry) -> None:
    with pytest.raises(ConfigError, match="'code-length' asks a trained model and does not compare tables"):
        policy(registry, measures=["code-length"])


@pytest.mark.parametrize("options", [{"patience": 0}, {"min_gain": -1}, {"rows": 1}, {"trials": 0}, {"most_time": 0.0}])
def test_options_without_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected a number from"):
        structure(options, QualityOptions)
