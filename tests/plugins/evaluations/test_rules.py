"""Rules that real rows follow are found, and the share of synthetic rows that break each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rowsmith.evaluation import Evaluated

from .census import census
from .conftest import Evaluate


def orders(rows: int, seed: int) -> pd.DataFrame:
    """Orders whose columns follow rules of each kind."""
    random = np.random.default_rng(seed)
    price = random.integers(2, 400, rows) * 0.25
    amount = random.integers(1, 9, rows)
    total = price * amount
    tip = random.integers(0, 40, rows) * 0.25
    start = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 300, rows), unit="D")
    city = random.choice(["Bonn", "Wien", "Bern", "Köln"], rows)
    return pd.DataFrame(
        {
            "price": price,
            "amount": amount,
            "total": total,
            "tip": tip,
            "paid": total + tip,
            "cents": price * 100,
            "ordered": start,
            "sent": start + pd.to_timedelta(random.integers(0, 90, rows), unit="D"),
            "billing": city,
            "shipping": np.where(random.random(rows) < 0.8, city, random.choice(["Bonn", "Wien", "Bern"], rows)),
            "country": pd.Series(city).map({"Bonn": "DE", "Köln": "DE", "Wien": "AT", "Bern": "CH"}),
        }
    )


def rules(evaluated: Evaluated) -> set[tuple[str, tuple[str, ...]]]:
    return {(each["kind"], tuple(each["columns"])) for each in evaluated.details["rules"]}


def found(evaluated: Evaluated) -> set[tuple[str, tuple[str, ...]]]:
    return {(finding.defect, finding.columns) for finding in evaluated.findings}


def test_rules_of_each_kind_are_found_and_good_rows_follow_them(evaluate: Evaluate) -> None:
    evaluated = evaluate("rules", orders(1_500, 1), orders(1_500, 2), orders(700, 3))
    assert {
        ("product", ("price", "amount", "total")),
        ("sum", ("total", "tip", "paid")),
        ("line", ("price", "cents")),
        ("ordering", ("ordered", "sent")),
        ("equality", ("billing", "shipping")),
        ("dependency", ("billing", "country")),
        ("step", ("tip",)),
    } <= rules(evaluated)
    assert evaluated.measures[0].value == pytest.approx(1, abs=0.02)
    assert evaluated.findings == ()


BROKEN = [
    ("total", lambda rows: rows["total"] + 1, ("product-broken", ("price", "amount", "total"))),
    ("paid", lambda rows: rows["paid"] * 1.1, ("sum-broken", ("total", "tip", "paid"))),
    ("cents", lambda rows: rows["cents"] + 25, ("line-broken", ("price", "cents"))),
    ("sent", lambda rows: rows["ordered"] - pd.Timedelta("1D"), ("ordering-broken", ("ordered", "sent"))),
    ("shipping", lambda rows: rows["shipping"].to_numpy()[::-1], ("equality-broken", ("billing", "shipping"))),
    ("country", lambda rows: "DE", ("dependency-broken", ("billing", "country"))),
    ("tip", lambda rows: rows["tip"] + 0.01, ("step-broken", ("tip",))),
]


@pytest.mark.parametrize(
    ("column", "change", "finding"), BROKEN, ids=lambda each: each if isinstance(each, str) else ""
)
def test_a_broken_rule_is_named(evaluate: Evaluate, column: str, change: object, finding: tuple[str, ...]) -> None:
    synthetic = orders(1_500, 2)
    changed = synthetic.assign(**{column: change(synthetic)})  # type: ignore[operator]
    chosen = np.random.default_rng(0).random(len(synthetic)) < 0.3
    synthetic[column] = synthetic[column].where(~chosen, changed[column])
    assert finding in found(evaluate("rules", orders(1_500, 1), synthetic))


def test_a_few_rows_that_break_a_rule_are_no_finding(evaluate: Evaluate) -> None:
    synthetic = orders(1_500, 2)
    synthetic.loc[:9, "total"] += 1
    evaluated = evaluate("rules", orders(1_500, 1), synthetic)
    (product,) = [each for each in evaluated.measures[0].parts if each.columns == ("price", "amount", "total")]
    assert product.value is not None and product.value < 1
    assert evaluated.findings == ()


def test_what_holds_by_chance_is_no_rule(evaluate: Evaluate) -> None:
    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "small": random.integers(0, 10, 500),
            "large": random.integers(1_000, 9_999, 500),
            "zeros": np.where(random.random(500) < 0.99, 0, 3),
            "zeros again": np.where(random.random(500) < 0.99, 0, 3),
            "rare": random.choice(["a", "b"], 500, p=[0.99, 0.01]),
        }
    )
    evaluated = evaluate("rules", rows, rows)
    assert rules(evaluated) == set()
    assert evaluated.measures[0].value is None
    assert "no equality, ordering, sum" in evaluated.measures[0].reason


def test_last_digits_are_compared(evaluate: Evaluate) -> None:
    real, synthetic, other = census(2_000, 1), census(2_000, 2), census(2_000, 2)
    for rows, step in ((real, 5), (synthetic, 5), (other, 1)):
        rounded = np.random.default_rng(0).random(len(rows)) < 0.7
        rows["fnlwgt"] = np.where(rounded, rows["fnlwgt"] // step * step, rows["fnlwgt"])
    assert evaluate("rules", real, synthetic).findings == ()
    assert ("last-digits", ("fnlwgt",)) in found(evaluate("rules", real, other))


def test_pairs_are_drawn_where_there_are_too_many_and_that_is_said(evaluate: Evaluate) -> None:
    rows = orders(300, 1)
    assert evaluate("rules", rows, rows, options={"max_pairs": 5}).measures[0].sampled
    assert not evaluate("rules", rows, rows).measures[0].sampled
