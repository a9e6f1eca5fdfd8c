"""What a synthetic table reveals of its training rows: controls that must fail, and controls that must not."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.evaluation import EvaluationReport, EvaluationStatus, TableEvaluation, evaluation_tables, run_evaluations
from rowsmith.table import from_frame
from rowsmith_plugins.evaluations.privacy.attribute_inference import AttributeInference
from rowsmith_plugins.evaluations.privacy.copies import Copies
from rowsmith_plugins.evaluations.privacy.distance import Distance
from rowsmith_plugins.evaluations.privacy.leaks import Leaks
from rowsmith_plugins.evaluations.privacy.linkability import Linkability
from rowsmith_plugins.evaluations.privacy.replayed_values import ReplayedValues
from rowsmith_plugins.evaluations.privacy.singling_out import SinglingOut
from rowsmith_plugins.evaluations.rates import Rate, fisher_greater, residual_risk

QUICK = (Copies(), Leaks(), ReplayedValues())
FULL = (Distance(), SinglingOut(), Linkability(), AttributeInference())
SEEDS = range(10)


def people(rows: int, seed: int) -> pd.DataFrame:
    """Rows of one source; other seeds give other rows."""
    random = np.random.default_rng(seed)
    job = random.integers(0, 6, rows)
    age = np.clip(np.rint(random.normal(35 + 3 * job, 10, rows)), 18, 90).astype(int)
    income = np.rint(random.lognormal(9.5 + 0.15 * job, 0.5, rows)).astype(int)
    return pd.DataFrame(
        {
            "age": age,
            "job": np.array(list("abcdef"))[job],
            "town": random.choice(["north", "south", "east", "west"], rows),
            "weight": np.rint(random.normal(72, 12, rows) * 10) / 10,
            "income": income,
            "tax": np.rint(income * 0.2 + random.normal(0, 20, rows)).astype(int),
            "owner": random.choice(["yes", "no"], rows),
        }
    )


TRAIN, HELD, GOOD = people(2_000, 1), people(1_000, 2), people(2_000, 3)


def judged(
    evaluations: tuple[TableEvaluation, ...],
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    holdout: pd.DataFrame | None = HELD,
    **settings: object,
) -> EvaluationReport:
    held = None if holdout is None else from_frame(holdout)
    tables = evaluation_tables(from_frame(real), from_frame(synthetic), held, **settings)  # type: ignore[arg-type]
    report = run_evaluations(evaluations, tables)
    assert [result.message for result in report.failed] == []
    return report


def defects(report: EvaluationReport) -> set[str]:
    return {finding.defect for finding in report.warnings}


def with_copies(share: float) -> pd.DataFrame:
    count = round(share * len(GOOD))
    return pd.concat([TRAIN.iloc[:count], GOOD.iloc[count:]], ignore_index=True)


def jittered(seed: int) -> pd.DataFrame:
    random, table = np.random.default_rng(seed), TRAIN.copy()
    for name in table.select_dtypes("number"):
        table[name] = table[name] + random.normal(0, 0.01, len(table)) * table[name].std()
    return table


def independent(seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({name: random.permutation(TRAIN[name].to_numpy()) for name in TRAIN})


@pytest.mark.parametrize("seed", SEEDS)
def test_fresh_rows_of_the_same_source_raise_no_warning(seed: int) -> None:
    fresh = people(1_500, 100 + seed)
    assert defects(judged(QUICK, TRAIN, fresh)) == set()
    assert defects(judged(QUICK, TRAIN, fresh, None)) == set()


@pytest.mark.parametrize("seed", SEEDS)
def test_columns_that_are_independent_pass_privacy(seed: int) -> None:
    assert defects(judged(QUICK, TRAIN, independent(seed))) == set()


@pytest.mark.parametrize("holdout", [HELD, None], ids=["holdout", "alone"])
def test_one_percent_of_training_rows_is_found(holdout: pd.DataFrame | None) -> None:
    report = judged(QUICK, TRAIN, with_copies(0.01), holdout)
    assert defects(report) == {"copies"}
    copies = report.measures["copies"]
    assert copies.value == pytest.approx(0.01)
    assert copies.interval is not None
    assert copies.interval[0] < 0.01 < copies.interval[1]
    assert copies.ceiling == (None if holdout is None else 0.0)
    assert "1.0% of the synthetic rows (20 of 2,000)" in report.warnings[0].message


def test_the_training_table_is_recognised_in_any_order() -> None:
    shuffled = TRAIN.sample(frac=1, random_state=0)
    assert defects(judged(QUICK, TRAIN, shuffled)) == {"training-table", "copies"}


@pytest.mark.parametrize("seed", range(3))
def test_training_rows_with_small_changes_are_found(seed: int) -> None:
    assert defects(judged(QUICK, TRAIN, jittered(seed))) == {"near-copies"}


def test_training_rows_with_one_other_value_are_found() -> None:
    changed = TRAIN.assign(town=np.random.default_rng(0).permutation(TRAIN["town"].to_numpy()))
    assert "near-copies" in defects(judged(QUICK, TRAIN, changed))


def test_copies_with_new_identifiers_are_copies() -> None:
    real = TRAIN.assign(id=[f"A-{row:06}" for row in range(len(TRAIN))])
    synthetic = TRAIN.assign(id=[f"B-{row:06}" for row in range(len(TRAIN))])
    assert "copies" in defects(judged(QUICK, real, synthetic, None, keys=["id"]))


@pytest.mark.parametrize("seed", SEEDS)
def test_small_tables_of_few_different_rows_raise_no_warning(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = pd.DataFrame({name: random.choice(list("abc"), 300) for name in "uvwxy"})
    for evaluations in (QUICK, FULL):
        parts = (rows[:100].reset_index(drop=True), rows[100:200].reset_index(drop=True), rows[200:])
        assert defects(judged(evaluations, *parts)) == set()


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_that_come_in_few_kinds_raise_no_warning(seed: int) -> None:
    """Ten columns that all follow from one of forty kinds look as if they held 33 bits."""
    random = np.random.default_rng(seed)
    kinds = np.random.default_rng(0).integers(0, 10, (40, 10))
    parts = [pd.DataFrame(kinds[random.integers(0, 40, 400)]).astype(str).add_prefix("c") for _ in range(3)]
    assert defects(judged(QUICK, *parts)) == set()


def test_labels_alone_tell_a_copy_from_nothing() -> None:
    rows = pd.DataFrame({name: np.random.default_rng(0).choice(list("abc"), 200) for name in "uv"})
    copies = judged(QUICK, rows[:100], rows[100:], None).measures["copies"]
    assert copies.value is None
    assert "hardly any information" in copies.reason


@pytest.mark.parametrize(
    "holdout",
    [TRAIN, pd.concat([HELD, TRAIN.iloc[:50]], ignore_index=True)],
    ids=["the training table", "overlapping"],
)
def test_a_holdout_that_was_trained_on_is_refused(holdout: pd.DataFrame) -> None:
    report = judged((Leaks(), *FULL), TRAIN, GOOD, holdout)
    assert defects(report) == {"holdout-leaks"}
    others = [measure for name, measure in report.measures.items() if name != "leaks"]
    assert [measure.value for measure in others] == [None] * 4
    assert all("the holdout cannot serve as control" in measure.reason for measure in others)


def test_groups_on_both_sides_are_a_leak_but_the_end_of_a_series_is_none() -> None:
    real, held = (people(600, seed).assign(person=np.repeat(np.arange(60), 10)) for seed in (1, 2))
    held["person"] += 50
    report = judged((Leaks(),), real, real, held, group_by=["person"])
    assert "10 of 60 held-out groups" in report.warnings[0].message
    timed = (each.assign(t=np.tile(np.arange(10), 60)) for each in (real, real, held))
    report = judged((Leaks(),), *timed, group_by=["person"], time_column="t")
    assert defects(report) == set()


def test_attacks_are_skipped_without_holdout_and_refused_with_a_tiny_one() -> None:
    assert {result.status for result in judged(FULL, TRAIN, GOOD, None).results} == {EvaluationStatus.SKIPPED}
    tiny = judged(FULL, TRAIN, GOOD, HELD.iloc[:5])
    assert all("at least 10 held-out rows" in measure.reason for measure in tiny.measures.values())


@pytest.mark.parametrize("seed", range(3))
def test_attacks_fail_on_fresh_rows(seed: int) -> None:
    report = judged(FULL, TRAIN, people(2_000, 200 + seed))
    assert defects(report) == set()
    for name in ("singling-out", "linkability", "attribute-inference"):
        measure = report.measures[name]
        assert measure.value is not None
        assert measure.value < 0.1
        assert measure.interval is not None
        assert measure.interval[0] <= 0.05


def test_attacks_succeed_on_the_training_table() -> None:
    report = judged(FULL, TRAIN, TRAIN)
    assert defects(report) >= {
        "nearer-to-training",
        "nearest-to-one-row",
        "singling-out",
        "linkability",
        "attribute-inference",
    }
    assert report.measures["singling-out"].value == pytest.approx(1.0, abs=0.05)


def test_attacks_succeed_on_training_rows_with_small_changes() -> None:
    assert defects(judged(FULL, TRAIN, jittered(0))) >= {"nearer-to-training", "linkability", "attribute-inference"}


def addresses(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    names = ["".join(random.choice(list("abcdefghijklmnopqrstuvwxyz"), 14)) for _ in range(rows)]
    return pd.DataFrame({"mail": [f"{name}@example.org" for name in names], "n": random.integers(0, 9, rows)})


def test_a_value_of_one_training_row_that_comes_back_is_found_and_not_named() -> None:
    real, good = addresses(500, 1), addresses(500, 2)
    assert defects(judged((ReplayedValues(),), real, good, None)) == set()
    good.loc[3, "mail"] = real.loc[77, "mail"]
    report = judged((ReplayedValues(),), real, good, None)
    assert defects(report) == {"values-replayed"}
    assert report.warnings[0].columns == ("mail",)
    assert real.loc[77, "mail"] not in report.warnings[0].message


def test_texts_that_several_rows_have_and_numbers_that_count_are_no_replay() -> None:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(["good", "bad", "fine", "late"], 3)) for _ in range(900)]
    rows = pd.DataFrame({"id": [f"{row}" for row in range(900)], "text": texts})
    parts = [rows[start : start + 300].reset_index(drop=True) for start in (0, 300, 600)]
    parts[1]["id"] = parts[0]["id"]
    assert defects(judged((ReplayedValues(),), parts[0], parts[1], None, keys=["id"])) == set()


def test_a_group_counts_once() -> None:
    """Rows that repeat within a group are no chance copies, so copies of whole groups are found."""
    repeated = people(300, 1).loc[lambda rows: rows.index.repeat(5)].reset_index(drop=True)
    fresh = people(300, 2).loc[lambda rows: rows.index.repeat(5)].reset_index(drop=True)
    for table in (repeated, fresh):
        table["person"] = np.repeat(np.arange(300), 5)
    copied = pd.concat([repeated.iloc[:100], fresh.iloc[100:]], ignore_index=True)
    assert "copies" in defects(judged((Copies(),), repeated, copied, None, group_by=["person"]))
    assert defects(judged((Copies(),), repeated, fresh, None, group_by=["person"])) == set()


def test_results_are_the_same_every_time() -> None:
    first, second = (judged((*QUICK, *FULL), TRAIN[:500], GOOD[:500]).measures for _ in range(2))
    assert first == second


def test_every_measure_says_what_it_is() -> None:
    for measure in judged((*QUICK, *FULL), TRAIN, GOOD).measures.values():
        if measure.value is None:
            assert measure.reason
            continue
        assert measure.range[0] <= measure.value <= measure.range[1]
        assert measure.interval is not None
        assert measure.interval[0] <= measure.value <= measure.interval[1]
        assert measure.sizes


def test_exact_test_and_intervals_are_those_of_the_books() -> None:
    stats = pytest.importorskip("scipy.stats")
    for seen, expected in ((Rate(8, 100), Rate(1, 120)), (Rate(3, 40), Rate(3, 40)), (Rate(0, 5), Rate(2, 9))):
        table = [[seen.hits, seen.trials - seen.hits], [expected.hits, expected.trials - expected.hits]]
        exact = stats.fisher_exact(table, alternative="greater").pvalue
        assert fisher_greater(seen, expected) == pytest.approx(exact, rel=1e-9)
        low, high = stats.binomtest(seen.hits, seen.trials).proportion_ci(method="wilson")
        assert seen.interval == pytest.approx((low, high), abs=1e-6)
    value, (low, high) = residual_risk(Rate(300, 500), Rate(200, 500))
    assert value == pytest.approx((0.5992376 - 0.4007624) / (1 - 0.4007624), rel=1e-5)
    assert low < value < high
    assert math.isclose(residual_risk(Rate(0, 10), Rate(10, 10))[0], 0.0)


def test_values_at_the_same_times_of_a_series_are_no_copies() -> None:
    times = pd.date_range("1951-01-06", periods=3_000, freq="W").strftime("%Y-%m-%d")
    level = 300 + np.arange(3_000) / 10
    real, made = (
        pd.DataFrame({"date": times, "level": (level + np.random.default_rng(seed).normal(0, 0.1, 3_000)).round(1)})
        for seed in (0, 1)
    )
    assert (real["level"] == made["level"]).mean() > 0.1
    assert judged((Copies(),), real, made, None, time_column="date").warnings == ()


@given(st.integers(0, 5_000), st.integers(0, 5_000))
def test_a_share_lies_in_its_interval(hits: int, others: int) -> None:
    rate = Rate(hits, hits + others)
    low, high = rate.interval
    assert 0 <= low <= rate.share <= high <= 1
