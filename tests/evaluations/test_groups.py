"""The rows of a group are alike: held-out groups differ more than as many independent rows, and that is no defect."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from .conftest import Evaluate

QUICK = ["column-shapes", "tails", "values", "null-patterns", "pair-trends", "rules", "three-way"]


def visits(groups: int, seed: int) -> pd.DataFrame:
    """Visits of people: some columns are the same in all of a person's rows, or nearly."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(groups), random.integers(10, 60, groups))
    rows = len(person)
    level = random.normal(0, 10, groups)[person]
    seldom = (random.random(groups) < 0.2)[person]
    return pd.DataFrame(
        {
            "person": person + 1_000 * seed,
            "sex": random.choice(["f", "m"], groups)[person],
            "city": random.choice(list("abcdefgh"), groups)[person],
            "level": (level + random.normal(0, 2, rows)).round(1),
            "score": random.integers(0, 9, rows),
            "test": pd.Series(random.normal(0, 1, rows).round(1)).where(~seldom),
        }
    )


@pytest.mark.parametrize("seed", range(4))
def test_held_out_groups_raise_no_warning(evaluate: Evaluate, seed: int) -> None:
    for name in QUICK:
        findings = evaluate(name, visits(40, seed), visits(40, 100 + seed), group_by=["person"]).findings
        assert [finding.message for finding in findings] == []


def test_held_out_series_raise_no_warning(evaluate: Evaluate) -> None:
    def series(seed: int) -> pd.DataFrame:
        steps = np.random.default_rng(seed).normal(0, 1, (6, 300))
        walks = np.zeros((6, 300))
        for at in range(1, 300):
            walks[:, at] = 0.97 * walks[:, at - 1] + steps[:, at]
        days = pd.date_range("2024-01-01", periods=300)
        rows = {"series": np.repeat(np.arange(6), 300), "day": np.tile(days, 6), "value": walks.ravel().round(2)}
        return pd.DataFrame(rows)

    settings = {"group_by": ["series"], "time_column": "day"}
    for seed in range(2):
        for name in QUICK:
            findings = evaluate(name, series(seed), series(50 + seed), **settings).findings
            assert [finding.message for finding in findings] == []


def test_what_differs_within_groups_is_still_found(evaluate: Evaluate) -> None:
    synthetic = visits(40, 2)
    synthetic["score"] = synthetic["score"].clip(upper=5)
    findings = evaluate("column-shapes", visits(40, 1), synthetic, group_by=["person"]).findings
    assert [finding.columns for finding in findings] == [("score",)]


def test_a_value_of_few_groups_is_not_named_though_it_has_many_rows(evaluate: Evaluate) -> None:
    real, synthetic = visits(60, 1), visits(60, 2)
    real.loc[real["person"] % 1_000 < 4, "city"] = "Lost Springs"
    evaluated = evaluate("values", real, synthetic, group_by=["person"])
    assert (real["city"] == "Lost Springs").sum() > 50
    assert all("Lost Springs" not in finding.message for finding in evaluated.findings)


def test_classifiers_do_not_know_groups_from_training(evaluate: Evaluate) -> None:
    pytest.importorskip("sklearn")
    measure = evaluate("classifier", visits(40, 1), visits(40, 2), group_by=["person"]).measures[0]
    assert measure.value is not None and measure.interval is not None
    # With rows of a group in several folds trees know its level by heart: the area is then about 0.97.
    assert measure.value < 0.75
    assert evaluate("classifier", visits(2, 1), visits(40, 2), group_by=["person"]).measures[0].reason
