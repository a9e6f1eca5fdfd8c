"""Distances of columns, pairs and triples; what a finding may say."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.evaluation import Direction, Evaluated, Measure, Severity

from .census import census
from .conftest import Evaluate

QUICK = ["column-shapes", "tails", "values", "null-patterns", "pair-trends", "rules"]
FIDELITY = [*QUICK, "three-way"]


def part(evaluated: Evaluated, *columns: str) -> Measure:
    """The measure of some columns, among the parts of the first one."""
    (found,) = [each for each in evaluated.measures[0].parts if each.columns == columns]
    return found


def found(evaluated: Evaluated) -> set[tuple[str, tuple[str, ...]]]:
    return {(finding.defect, finding.columns) for finding in evaluated.findings}


@pytest.mark.parametrize("name", FIDELITY)
def test_rows_are_like_themselves(evaluate: Evaluate, name: str) -> None:
    rows = census(600, 1)
    evaluated = evaluate(name, rows, rows, rows)
    measure = evaluated.measures[0]
    assert measure.name == name
    assert measure.value == pytest.approx(1)
    assert measure.ceiling == pytest.approx(1)
    assert evaluated.findings == ()
    assert measure.direction is Direction.HIGHER


@pytest.mark.parametrize("name", FIDELITY)
def test_each_measure_has_an_interval_round_it_a_ceiling_and_sizes(evaluate: Evaluate, name: str) -> None:
    real, synthetic, held = census(600, 1), census(500, 2), census(300, 3)
    synthetic["education_num"] = synthetic["education_num"].sample(frac=1, random_state=0).to_numpy()
    for column in ("age", "fnlwgt", "hours_per_week", "capital_gain"):
        synthetic[column] = synthetic[column].clip(*synthetic[column].quantile([0.3, 0.7]).astype(int))
    synthetic.loc[:49, "workclass"] = "Spy"
    synthetic.loc[::3, "age"] = None
    measure = evaluate(name, real, synthetic, held).measures[0]
    assert measure.interval is not None and measure.value is not None and measure.ceiling is not None
    for each in (measure, *measure.parts):
        assert each.interval is None or each.interval[0] <= each.value <= each.interval[1]
        assert each.range[0] <= each.value <= each.range[1]
    assert measure.value < measure.ceiling
    assert measure.sizes == {"real": 600, "synthetic": 500, "holdout": 300}
    assert not measure.sampled
    assert evaluate(name, real, synthetic).measures[0].ceiling is None


@pytest.mark.parametrize("name", FIDELITY)
def test_the_same_seed_gives_the_same_result(evaluate: Evaluate, name: str) -> None:
    tables = census(300, 1), census(300, 2)
    assert evaluate(name, *tables, seed=5) == evaluate(name, *tables, seed=5)


def test_shapes_are_those_of_scipy(evaluate: Evaluate) -> None:
    stats = pytest.importorskip("scipy.stats")
    real, synthetic = census(800, 1), census(700, 2)
    real.loc[::7, "age"] = None
    evaluated = evaluate("column-shapes", real, synthetic)
    for name in ("age", "fnlwgt", "capital_gain"):
        distance = stats.ks_2samp(real[name].dropna(), synthetic[name]).statistic
        assert part(evaluated, name).value == pytest.approx(1 - distance, abs=1e-12)
    shares = [each["occupation"].value_counts(normalize=True) for each in (real, synthetic)]
    variation = shares[0].sub(shares[1], fill_value=0).abs().sum() / 2
    assert part(evaluated, "occupation").value == pytest.approx(1 - variation, abs=1e-12)


def test_the_mean_of_shapes_has_the_worst_column_first(evaluate: Evaluate) -> None:
    real, synthetic = census(500, 1), census(500, 2)
    synthetic["income"] = ">50K"
    measure = evaluate("column-shapes", real, synthetic).measures[0]
    assert measure.parts[0].columns == ("income",)
    assert measure.value == pytest.approx(np.mean([each.value for each in measure.parts]))


def test_pairs_of_numbers_are_compared_by_correlation_and_others_by_shares(evaluate: Evaluate) -> None:
    real, synthetic = census(800, 1), census(700, 2)
    synthetic["age"] = synthetic["age"].sample(frac=1, random_state=0).to_numpy()
    evaluated = evaluate("pair-trends", real, synthetic)
    apart = abs(real["age"].corr(real["hours_per_week"]) - synthetic["age"].corr(synthetic["hours_per_week"]))
    assert part(evaluated, "age", "hours_per_week").value == pytest.approx(1 - apart / 2, abs=1e-9)
    shares = [each.groupby(["sex", "income"]).size() / len(each) for each in (real, synthetic)]
    assert part(evaluated, "sex", "income").value == pytest.approx(1 - (shares[0] - shares[1]).abs().sum() / 2)


def test_bins_are_shared_so_another_unit_is_another_relation(evaluate: Evaluate) -> None:
    """SDMetrics bins each table by itself, and numbers times a thousand score as equal."""
    real, synthetic = census(800, 1), census(800, 2)
    synthetic["fnlwgt"] *= 1_000
    assert part(evaluate("pair-trends", real, synthetic), "fnlwgt", "sex").value < 0.2


def test_one_outlier_does_not_spoil_a_pair(evaluate: Evaluate) -> None:
    real, synthetic = census(800, 1), census(800, 2)
    synthetic.loc[0, "fnlwgt"] = 10**12
    assert part(evaluate("pair-trends", real, synthetic), "fnlwgt", "sex").value > 0.9


def test_pairs_are_drawn_where_there_are_too_many_and_that_is_said(evaluate: Evaluate) -> None:
    rows = census(300, 1)
    for name, options in (("pair-trends", {"max_pairs": 10}), ("three-way", {"max_triples": 10})):
        measure = evaluate(name, rows, rows, options=options).measures[0]
        assert measure.sampled
        assert len(measure.parts) == 10
        assert not evaluate(name, rows, rows).measures[0].sampled


def test_what_three_columns_tell_together_is_seen(evaluate: Evaluate) -> None:
    random = np.random.default_rng(0)

    def rows(related: bool) -> pd.DataFrame:
        one, two, noise = random.integers(0, 2, (3, 2_000))
        third = one ^ two if related else noise
        return pd.DataFrame({"one": one, "two": two, "third": third}).astype(str)

    real, same, other = rows(True), rows(True), rows(False)
    assert evaluate("pair-trends", real, other).findings == ()
    assert evaluate("three-way", real, same).findings == ()
    assert found(evaluate("three-way", real, other)) == {("relation-of-three-changed", ("one", "two", "third"))}


@pytest.mark.parametrize(("end", "sign"), [("high", 1), ("low", -1)])
@pytest.mark.parametrize("way", ["removed", "clipped"])
def test_a_tail_cut_off_is_found_at_either_end_however_it_was_cut(
    evaluate: Evaluate, end: str, sign: int, way: str
) -> None:
    random = np.random.default_rng(1)
    real, synthetic = (pd.DataFrame({"x": sign * np.round(random.lognormal(3, 1, 8_000), 2)}) for _ in range(2))
    edge = (sign * synthetic["x"]).quantile(0.99)
    if way == "removed":
        cut = synthetic[sign * synthetic["x"] <= edge]
    else:
        cut = pd.DataFrame({"x": sign * (sign * synthetic["x"]).clip(upper=round(edge, 2))})
    assert evaluate("tails", real, synthetic).findings == ()
    findings = {finding.defect: finding for finding in evaluate("tails", real, cut).findings}
    assert "tails-cut" in findings
    assert ("pile-up" in findings) == (way == "clipped")
    assert end in findings["tails-cut"].message


def test_thin_heavy_and_far_tails_are_told_apart(evaluate: Evaluate) -> None:
    random = np.random.default_rng(1)
    real, synthetic = (random.normal(0, 1, 10_000).round(4) for _ in range(2))
    thin = np.where((synthetic > 2.2) & (random.random(10_000) < 0.9), 0.0, synthetic)
    heavy = np.where(random.random(10_000) < 0.03, 2.6, synthetic)
    beyond = np.where(random.random(10_000) < 0.02, 5.0 + random.random(10_000), synthetic)
    far = np.where(random.random(10_000) < 0.01, synthetic * 1_000, synthetic)

    def defects(name: str, rows: np.ndarray) -> set[str]:
        evaluated = evaluate(name, pd.DataFrame({"x": real}), pd.DataFrame({"x": rows}))
        return {finding.defect for finding in evaluated.findings}

    assert defects("tails", thin) == {"tails-thin"}
    assert defects("tails", heavy) == {"tails-heavy"}
    assert defects("tails", beyond) == {"values-beyond"}
    assert defects("values", far) == {"far-outliers"}


def test_values_of_another_kind_are_found(evaluate: Evaluate) -> None:
    real, synthetic = census(2_000, 1), census(2_000, 2)
    synthetic["hours_per_week"] = synthetic["hours_per_week"].astype(float)
    synthetic.loc[:99, "hours_per_week"] += 0.5
    synthetic["age"] = synthetic["age"].astype(str)
    synthetic.loc[100:199, "age"] = "unknown"
    synthetic.loc[200:299, "occupation"] = "Astronaut"
    synthetic["capital_gain"] = 0
    evaluated = evaluate("values", real, synthetic)
    assert found(evaluated) == {
        ("not-whole", ("hours_per_week",)),
        ("other-kind", ("age",)),
        ("labels-new", ("occupation",)),
        ("constant", ("capital_gain",)),
    }
    assert part(evaluated, "occupation").value == pytest.approx(0.95)
    assert part(evaluated, "age").value == pytest.approx(0.95)


def test_invented_labels_are_no_finding_where_the_run_reports_them(evaluate: Evaluate) -> None:
    real, synthetic = census(2_000, 1), census(2_000, 2)
    synthetic.loc[200:299, "occupation"] = "Astronaut"
    assert evaluate("values", real, synthetic, new_labels=["occupation"]).findings == ()


def test_strange_and_repeated_texts_are_found_and_not_shown(evaluate: Evaluate) -> None:
    random = np.random.default_rng(0)
    words = ["river", "stone", "cloud", "meadow", "winter", "harbour", "lantern", "orchard"]

    def texts() -> pd.DataFrame:
        return pd.DataFrame({"text": [" ".join(random.choice(words, 12)) for _ in range(600)]})

    real, strange, repeated = texts(), texts(), texts()
    strange.loc[:59, "text"] += " \u0416\u0416"
    repeated.loc[:59, "text"] = repeated["text"][0]
    assert evaluate("values", real, texts()).findings == ()
    for synthetic, defect in ((strange, "characters-new"), (repeated, "text-repeated")):
        (finding,) = evaluate("values", real, synthetic).findings
        assert (finding.defect, finding.columns) == (defect, ("text",))
        assert "\u0416" not in finding.message
        assert not any(word in finding.message for word in words)


def test_of_keys_only_new_and_distinct_is_asked(evaluate: Evaluate) -> None:
    real, synthetic = census(400, 1), census(400, 2)
    real["id"] = [f"A-{row}" for row in range(400)]
    synthetic["id"] = [f"B-{row % 300}" for row in range(400)]
    synthetic.loc[:9, "id"] = real["id"][:10]
    evaluated = evaluate("values", real, synthetic, keys=["id"])
    assert found(evaluated) == {("keys-repeated", ("id",)), ("keys-known", ("id",))}
    for name in FIDELITY:
        others = [*evaluate(name, real, synthetic, keys=["id"]).measures[0].parts] if name != "values" else []
        assert all("id" not in each.columns for each in others)


def test_columns_that_group_rows_are_for_evaluations_of_sequences(evaluate: Evaluate) -> None:
    real, synthetic = census(400, 1), census(400, 2)
    real["person"], synthetic["person"] = np.arange(400) // 4, 1_000 + np.arange(400) // 4
    for name in FIDELITY:
        evaluated = evaluate(name, real, synthetic, group_by=["person"])
        assert all("person" not in each.columns for each in evaluated.measures[0].parts)
        assert not evaluated.findings


def test_nulls_that_were_none_and_patterns_of_whole_rows_are_found(evaluate: Evaluate) -> None:
    real, synthetic = census(2_000, 1), census(2_000, 2)
    synthetic.loc[:199, "age"] = None
    assert found(evaluate("null-patterns", real, synthetic)) == {("nulls-changed", ("age",))}
    random = np.random.default_rng(0)
    names = ["age", "sex", "income"]
    for rows, pattern in ((real, "even"), (synthetic, "any")):
        lost = random.random((len(rows), 3)) < 0.5
        # No pair of columns shows that an even number of them is null in every real row.
        lost[:, 2] = lost[:, 0] ^ lost[:, 1] if pattern == "even" else lost[:, 2]
        for index, name in enumerate(names):
            rows[name] = rows[name].astype(object).where(~lost[:, index], None)
    assert ("nulls-apart", tuple(names)) in found(evaluate("null-patterns", real, synthetic))


def test_what_protection_changed_is_a_note(evaluate: Evaluate) -> None:
    real, synthetic = census(2_000, 1), census(2_000, 2)
    synthetic["age"] = synthetic["age"].clip(upper=int(synthetic["age"].quantile(0.9)))
    for share, severity in ((0.0, Severity.WARNING), (0.01, Severity.WARNING), (0.12, Severity.NOTE)):
        findings = evaluate("tails", real, synthetic, changed={"age": share}).findings
        (cut,) = [finding for finding in findings if finding.defect == "tails-cut"]
        assert cut.severity is severity
        assert ("protection changed 12.0% of the training rows" in cut.message) == (share == 0.12)


@pytest.mark.parametrize("name", FIDELITY)
def test_no_finding_names_a_value_that_few_rows_have(evaluate: Evaluate, name: str) -> None:
    real, synthetic = census(500, 1), census(500, 2)
    real.loc[:3, "occupation"] = "Pope"
    real.loc[:3, "capital_gain"] = 987_654
    synthetic["occupation"] = "Sales"
    synthetic.loc[:20, "workclass"] = "Spy"
    synthetic["capital_gain"] = 1
    evaluated = evaluate(name, real, synthetic)
    said = " ".join(finding.message for finding in evaluated.findings) + repr(evaluated.details)
    assert all(value not in said for value in ("Pope", "987654", "987,654", "Spy"))


def test_quantiles_in_details_are_no_single_row(evaluate: Evaluate) -> None:
    rows = pd.DataFrame({"x": np.arange(1_000) ** 2})
    quantiles = evaluate("tails", rows, rows, k=5).details["quantiles"]["x"]["real"]
    assert quantiles["0.99"] == pytest.approx(989.5**2, rel=0.01)
    assert not any(math.isclose(value, round(value**0.5) ** 2, rel_tol=1e-12) for value in quantiles.values())


CELLS = {
    "number": st.one_of(st.none(), st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False)),
    "huge": st.floats(1e300, 1.7e308),
    "tiny": st.floats(-1e-300, 1e-300),
    "label": st.one_of(st.none(), st.sampled_from(["a", "b", "<b>", "1"])),
    "flag": st.sampled_from([True, False]),
}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    size = draw(st.integers(1, 12))
    columns = {name: draw(st.lists(cell, min_size=size, max_size=size)) for name, cell in CELLS.items()}
    return pd.DataFrame({name: pd.Series(values) for name, values in columns.items()})


@settings(max_examples=20, deadline=None)
@given(real=frames(), synthetic=frames())
def test_any_table_is_compared(evaluate: Evaluate, real: pd.DataFrame, synthetic: pd.DataFrame) -> None:
    for name in FIDELITY:
        evaluated = evaluate(name, real, synthetic)
        for measure in (evaluated.measures[0], *evaluated.measures[0].parts):
            assert (measure.value is None) == bool(measure.reason)
            assert measure.value is None or 0 <= measure.value <= 1
