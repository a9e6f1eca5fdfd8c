"""The scores of Safe Synthesizer: their formulas, and no part that is dropped."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rowsmith.evaluation import EvaluationReport, EvaluationStatus, Measure, evaluation_tables, run_evaluations
from rowsmith.table import from_frame
from rowsmith_plugins.evaluations.published.privacy_score import PrivacyScore
from rowsmith_plugins.evaluations.published.quality_score import QualityScore
from rowsmith_plugins.evaluations.published.score import part, weighted

pytest.importorskip("sklearn")


def _table(seed: int, rows: int = 600, bound: bool = True) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    age = chance.integers(18, 80, rows)
    other = age if bound else chance.integers(18, 80, rows)
    return pd.DataFrame(
        {
            "age": age,
            "pay": other * 100 + chance.normal(0, 50, rows),
            "old": np.where(other > 60, "yes", "no"),
            "town": chance.choice(["Ulm", "Rome", "Oslo"], rows),
        }
    )


def _judged(
    score: QualityScore | PrivacyScore, real: pd.DataFrame, made: pd.DataFrame, holdout: pd.DataFrame | None = None
) -> EvaluationReport:
    held = None if holdout is None else from_frame(holdout)
    return run_evaluations([score], evaluation_tables(from_frame(real), from_frame(made), held))


def _parts(measure: Measure) -> dict[str, float | None]:
    return {each.name: each.value for each in measure.parts}


def test_the_same_rows_have_a_full_quality_score_and_independent_columns_lose_the_correlation() -> None:
    real, holdout = _table(1), _table(2)
    same = _judged(QualityScore(), real, real, holdout).measures["sqs"]
    assert same.value == pytest.approx(10)
    assert same.ceiling is not None
    assert 8 < same.ceiling <= 10
    loose = _judged(QualityScore(), real, _table(3, bound=False), holdout).measures["sqs"]
    parts = _parts(loose)
    assert loose.value is not None
    assert parts["column-distribution"] > 8  # type: ignore[operator]
    assert parts["column-correlation"] < 5  # type: ignore[operator]
    expected = sum(
        parts[name] * weight  # type: ignore[operator]
        for name, weight in (("column-distribution", 0.86), ("column-correlation", 1.0), ("deep-structure", 0.84))
    )
    assert loose.value == pytest.approx(expected / 2.7)


def test_a_table_of_one_column_has_no_quality_score_and_says_why() -> None:
    one = _table(1)[["age"]]
    found = _judged(QualityScore(), one, one).measures["sqs"]
    assert (found.value, found.reason) == (None, "column-correlation: it needs two columns")
    assert _parts(found)["column-distribution"] == 10


def test_the_privacy_score_needs_rows_that_were_held_out() -> None:
    real, made = _table(1), _table(2)
    without = _judged(PrivacyScore(), real, made)
    assert [result.status for result in without.results] == [EvaluationStatus.SKIPPED]
    found = _judged(PrivacyScore(), real, made, _table(4, 120)).measures["dps"]
    copied = _judged(PrivacyScore(), real, real, _table(4, 120)).measures["dps"]
    assert found.value is not None
    assert copied.value is not None
    assert 0 <= copied.value < found.value <= 10
    assert list(_parts(found)) == ["membership-inference-protection", "attribute-inference-protection"]


def test_a_part_of_zero_counts_and_a_missing_one_leaves_no_score() -> None:
    full, none = part("a", 10.0), part("b", 0.0)
    assert weighted("x", [full, none], [1, 1], {}, sampled=False).value == 5
    missing = weighted("x", [full, part("c", None, reason="too few rows")], [1, 1], {}, sampled=False)
    assert (missing.value, missing.reason) == (None, "c: too few rows")
