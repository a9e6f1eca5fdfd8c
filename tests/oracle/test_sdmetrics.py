"""Columns and pairs of columns as SDMetrics has them (``nox -s oracle``)."""

from __future__ import annotations

import math

import pytest

from .conftest import Answers, Ask, Case

pytestmark = pytest.mark.oracle

EXACT = 1e-9


@pytest.fixture(scope="module")
def theirs(ask: Ask, cases: dict[str, Case]) -> Answers:
    return ask("sdmetrics", cases)


def test_distributions_of_columns_are_equally_alike(theirs: Answers, cases: dict[str, Case]) -> None:
    for name, case in cases.items():
        mean = case.judged("column-shapes").measures["column-shapes"]
        ours = {part.columns[0]: part.value for part in mean.parts}
        assert ours == pytest.approx(theirs[name]["shapes"], abs=EXACT), name
        assert mean.value == pytest.approx(theirs[name]["column shapes"], abs=EXACT), name


def test_pairs_of_numbers_and_pairs_of_labels_are_equally_alike(theirs: Answers, cases: dict[str, Case]) -> None:
    """It has no like of a label with a number: it bins the numbers of each table by edges of its own."""
    compared = 0
    for name, case in cases.items():
        ours = {"|".join(part.columns): part.value for part in case.judged("pair-trends").measures["pair-trends"].parts}
        for pair, value in theirs[name]["pairs"].items():
            assert math.isclose(ours[pair] or 0.0, value, abs_tol=EXACT), (name, pair)
            compared += 1
    assert compared > 100
