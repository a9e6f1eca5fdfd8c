"""What classifiers and neighbours tell of synthetic rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rowsmith.errors import ParameterError
from rowsmith.evaluation import Direction

from .census import census
from .conftest import Evaluate

pytest.importorskip("sklearn")

CLASSIFIERS = ["classifier", "relation-classifier"]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_rows_of_one_source_cannot_be_told_apart(evaluate: Evaluate, name: str) -> None:
    evaluated = evaluate(name, census(600, 1), census(600, 2), census(300, 3))
    measure = evaluated.measures[0]
    assert measure.name == name
    assert measure.direction is Direction.LOWER
    assert measure.interval is not None and measure.value is not None and measure.ceiling is not None
    assert measure.interval[0] < measure.value < measure.interval[1]
    assert measure.value == pytest.approx(0.5, abs=0.08)
    assert measure.ceiling == pytest.approx(0.5, abs=0.1)
    assert evaluated.findings == ()


def test_columns_that_give_synthetic_rows_away_are_named(evaluate: Evaluate) -> None:
    synthetic = census(600, 2)
    synthetic["hours_per_week"] += 30
    (finding,) = evaluate("classifier", census(600, 1), synthetic).findings
    assert finding.defect == "distinguishable"
    assert finding.columns[0] == "hours_per_week"
    assert finding.excess > 1


def test_relations_are_seen_by_the_classifier_that_is_given_them(evaluate: Evaluate) -> None:
    def rows(seed: int, related: bool) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        first = random.integers(0, 10_000, 800)
        second = first + (random.integers(1, 5, 800) * 10 if related else random.integers(10, 50, 800))
        return pd.DataFrame({"first": first, "second": second})

    real, synthetic = rows(1, True), rows(2, False)
    plain, with_relations = (evaluate(name, real, synthetic).measures[0].value for name in CLASSIFIERS)
    assert plain is not None and with_relations is not None
    assert plain < 0.7 < 0.9 < with_relations
    (finding,) = evaluate("relation-classifier", real, synthetic).findings
    assert set(finding.columns) == {"first", "second"}


def test_rows_and_features_are_drawn_and_that_is_said(evaluate: Evaluate) -> None:
    rows = census(300, 1)
    options = {"max_rows": 100, "max_features": 5}
    for name in CLASSIFIERS:
        measure = evaluate(name, rows, census(300, 2), options=options).measures[0]
        assert measure.sampled
        assert measure.sizes == {"real": 100, "synthetic": 100}


@pytest.mark.parametrize("name", ["classifier", "relation-classifier", "coverage", "downstream"])
def test_too_few_rows_give_no_value_and_say_why(evaluate: Evaluate, name: str) -> None:
    for measure in evaluate(name, census(20, 1), census(20, 2), census(20, 3)).measures:
        assert measure.value is None
        assert "rows" in measure.reason


def test_a_model_trained_on_good_rows_is_as_good_as_one_trained_on_real_rows(evaluate: Evaluate) -> None:
    evaluated = evaluate("downstream", census(900, 1), census(900, 2), census(500, 3))
    measure = evaluated.measures[0]
    assert measure.columns == ("income", "hours_per_week")
    assert measure.value is not None and measure.ceiling is not None
    assert measure.value == pytest.approx(measure.ceiling, abs=0.15)
    assert evaluated.findings == ()


def test_rows_that_teach_nothing_are_found(evaluate: Evaluate) -> None:
    synthetic = census(900, 2)
    synthetic["education_num"] = synthetic["education_num"].sample(frac=1, random_state=0).to_numpy()
    options = {"targets": ["education_num"]}
    (finding,) = evaluate("downstream", census(900, 1), synthetic, census(500, 3), options=options).findings
    assert finding.defect == "utility-lost"
    assert finding.columns == ("education_num",)


def test_a_target_that_is_not_there_is_named(evaluate: Evaluate) -> None:
    rows = census(100, 1)
    with pytest.raises(ParameterError, match="option targets: no column 'salary'; the table has age"):
        evaluate("downstream", rows, rows, rows, options={"targets": ["salary"]})


def test_one_class_alone_teaches_nothing(evaluate: Evaluate) -> None:
    synthetic = census(300, 2)
    synthetic["income"] = ">50K"
    options = {"targets": ["income"]}
    measure = evaluate("downstream", census(300, 1), synthetic, census(200, 3), options=options).measures[0]
    assert measure.value == 0


def test_coverage_of_real_rows_is_that_of_real_rows(evaluate: Evaluate) -> None:
    evaluated = evaluate("coverage", census(500, 1), census(500, 2), census(500, 3))
    names = [measure.name for measure in evaluated.measures]
    assert names == ["alpha-precision", "beta-recall", "authenticity"]
    for measure in evaluated.measures:
        assert measure.value == pytest.approx(measure.ceiling, abs=0.1)
        assert measure.interval is not None
        assert measure.interval[0] <= measure.value <= measure.interval[1]
    assert evaluated.findings == ()


def test_copies_are_precise_and_not_authentic(evaluate: Evaluate) -> None:
    real = census(500, 1)
    precision, recall, authenticity = evaluate("coverage", real, real, census(500, 3)).measures
    assert precision.value == pytest.approx(1, abs=0.01)
    assert recall.value == pytest.approx(1, abs=0.05)
    assert authenticity.value == 0


def test_rows_of_one_corner_miss_the_rest_and_outliers_are_untypical(evaluate: Evaluate) -> None:
    random = np.random.default_rng(0)
    real, held = (pd.DataFrame(random.normal(0, 1, (600, 3)), columns=["a", "b", "c"]) for _ in range(2))
    corner = pd.DataFrame(random.normal(0, 0.05, (600, 3)), columns=["a", "b", "c"])
    far = pd.DataFrame(random.normal(0, 3, (600, 3)), columns=["a", "b", "c"])
    assert {finding.defect for finding in evaluate("coverage", real, corner, held).findings} >= {"rows-missing"}
    assert {finding.defect for finding in evaluate("coverage", real, far, held).findings} >= {"rows-untypical"}


@pytest.mark.parametrize("name", [*CLASSIFIERS, "coverage", "downstream"])
def test_numbers_at_the_ends_of_what_a_float_holds_are_compared(evaluate: Evaluate, name: str) -> None:
    frames = [census(100, seed) for seed in (1, 2, 3)]
    for rows in frames:
        rows["tiny"] = rows["age"] * 1e-310
        rows["minus"] = rows["age"] * -1e306
        rows["huge"] = rows["fnlwgt"] * 1e300
    for measure in evaluate(name, *frames).measures:
        assert measure.value is not None
        assert measure.range[0] <= measure.value <= measure.range[1]


def test_independent_columns_are_told_apart(evaluate: Evaluate) -> None:
    random = np.random.default_rng(0)
    independent = census(800, 2).apply(lambda column: random.permutation(column.to_numpy()))
    assert {finding.defect for finding in evaluate("classifier", census(800, 1), independent).findings} == {
        "distinguishable"
    }
    defects = {finding.defect for finding in evaluate("pair-trends", census(800, 1), independent).findings}
    assert defects >= {"column-unrelated"}
