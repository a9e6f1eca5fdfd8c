"""Real rows of small tables raise no warning in place of synthetic ones, whatever their columns are like."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith_plugins.evaluations.fidelity.chance import share_band, steps_band, unseen_share, variation_band, wilson

from .conftest import Evaluate

QUICK = ["column-shapes", "tails", "values", "null-patterns", "pair-trends", "rules", "three-way"]


def odd_table(rows: int, random: np.random.Generator) -> pd.DataFrame:
    """Columns that are hard to judge: long tails, many labels, few labels, spikes, ties, nulls that go together."""
    base = random.normal(0, 1, rows)
    lost = random.random(rows) < 0.1
    return pd.DataFrame(
        {
            "long tail": np.exp(3 * base).round(2),
            "spike": np.where(random.random(rows) < 0.6, 0, random.integers(1, 400, rows)),
            "many labels": [f"label {label}" for label in random.zipf(1.5, rows).clip(0, 10**6)],
            "rare label": random.choice(["a", "b"], rows, p=[0.97, 0.03]),
            "rounded": (base * 4).round() * 5,
            "related": (base * 10 + random.normal(0, 2, rows)).round(1),
            "first": pd.Series(base.round(1)).where(~lost),
            "second": pd.Series(random.integers(0, 9, rows)).where(~lost).astype("Int64"),
        }
    )


@pytest.mark.parametrize("seed", range(6))
def test_held_out_rows_and_bootstrap_samples_raise_no_warning(evaluate: Evaluate, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = int(random.integers(60, 600))
    table = odd_table(2 * rows, random)
    half, rest = table.iloc[:rows], table.iloc[rows:]
    drawn = table.iloc[random.integers(0, len(table), 1_000)]
    for real, synthetic in ((half, rest), (table, drawn)):
        for name in QUICK:
            findings = evaluate(name, real.reset_index(drop=True), synthetic.reset_index(drop=True)).findings
            assert [finding.message for finding in findings] == []


def test_labels_that_were_not_seen_yet_are_expected_where_many_were_seen_once(evaluate: Evaluate) -> None:
    """Twenty subjects of four rows each, a third of which are the real ones: others among the rest are no defect."""
    for seed in range(20):
        subjects = pd.Series([f"subject {row // 4}" for row in range(80)])
        order = np.random.default_rng(seed).permutation(80)
        real, rest = (pd.DataFrame({"subject": subjects[order[at::2]].reset_index(drop=True)}) for at in (0, 1))
        assert evaluate("values", real.iloc[:26], rest).findings == ()


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 1))
def test_bands_shrink_with_rows_and_are_never_negative(rows: int, others: int, share: float) -> None:
    for band in (steps_band, lambda one, two: share_band(share, one, two)):
        assert 0 <= band(2 * rows, 2 * others) <= band(rows, others) + 1e-12
    assert 0 <= unseen_share(2 * rows) <= unseen_share(rows) <= 1


@given(st.integers(0, 1_000), st.integers(1, 1_000))
def test_the_interval_of_a_share_holds_the_share(found: int, rows: int) -> None:
    share = min(found, rows) / rows
    low, high = wilson(share, rows)
    assert 0 <= low <= share <= high <= 1


@pytest.mark.parametrize("values", [2, 20, 200])
def test_two_samples_of_one_source_are_within_the_bands(values: int) -> None:
    random = np.random.default_rng(values)
    source = random.dirichlet(np.ones(values))
    for _ in range(300):
        first, second = random.multinomial(300, source), random.multinomial(700, source)
        shares = first / 300 - second / 700
        assert np.abs(shares).sum() / 2 <= variation_band(first, second)
        assert np.abs(np.cumsum(shares)).max() <= steps_band(300, 700)
