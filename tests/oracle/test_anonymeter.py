"""Risks of attacks as anonymeter has them (``nox -s oracle``)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rowsmith.evaluation import EvaluationReport, Measure
from rowsmith_plugins.evaluations.rates import Rate, residual_risk

from .conftest import Answers, Ask, Case

pytestmark = pytest.mark.oracle

EXACT = 1e-9
MOST_RISK = 0.05
"""From this on Rowsmith warns, where it is the lower end of the interval."""


@pytest.fixture(scope="module")
def complete(cases: dict[str, Case]) -> dict[str, Case]:
    """The cases of tables without nulls, which its distances do not take; what breaks relations alone is left out."""
    return {
        name: case
        for name, case in cases.items()
        if not name.endswith("independent") and not case.real.isna().any(axis=None)
    }


@pytest.fixture(scope="module")
def theirs(ask: Ask, complete: dict[str, Case]) -> Answers:
    return ask("anonymeter", complete)


@pytest.fixture(scope="module")
def ours(complete: dict[str, Case]) -> dict[str, EvaluationReport]:
    names = ("attribute-inference", "linkability", "singling-out")
    return {name: case.judged(*names) for name, case in complete.items()}


def _overlap(measure: Measure, risk: Sequence[float]) -> bool:
    """Whether the 95 % intervals of both overlap."""
    assert measure.interval is not None
    return measure.interval[0] <= risk[2] and risk[1] <= measure.interval[1]


def test_risks_of_the_same_rates_are_the_same(theirs: Answers) -> None:
    for found in theirs.values():
        for (attacks, hits, others, control), risk in found["rates"]:
            value, interval = residual_risk(Rate(hits, attacks), Rate(control, others))
            assert [value, *interval] == pytest.approx(risk, abs=EXACT)


def test_a_column_is_inferred_at_the_same_risk(theirs: Answers, ours: dict[str, EvaluationReport]) -> None:
    """Near is by the square root of squares here and by the sum of differences there, so rates differ a little."""
    for name, report in ours.items():
        parts = {part.columns[0]: part for part in report.measures["attribute-inference"].parts}
        assert parts.keys() == theirs[name]["attribute-inference"].keys()
        for column, risk in theirs[name]["attribute-inference"].items():
            assert _overlap(parts[column], risk), (name, column, parts[column], risk)


@pytest.mark.parametrize("attack", ["linkability", "singling-out"])
def test_attacks_succeed_and_fail_on_the_same_tables(
    attack: str, theirs: Answers, ours: dict[str, EvaluationReport]
) -> None:
    """Splits and predicates are drawn at random, and otherwise by each package, so risks are not compared by value."""
    for name, report in ours.items():
        interval, risk = report.measures[attack].interval, theirs[name][attack]
        assert interval is not None
        beyond = name.endswith("copied")
        assert (interval[0] > MOST_RISK) is beyond, (name, interval)
        assert (risk[1] > MOST_RISK) is beyond, (name, risk)
