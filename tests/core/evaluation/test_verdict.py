"""The verdict of an evaluation, and scores that are never better than their parts."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.cli.display.verdict import wrapped_verdict
from rowsmith.cli.failures import evaluation_code
from rowsmith.evaluation import (
    Evaluated,
    EvaluationKind,
    EvaluationReport,
    EvaluationResult,
    EvaluationStatus,
    Finding,
    Measure,
    Severity,
)
from rowsmith.evaluation.composite import combined, quality
from rowsmith.evaluation.files import report_figures, report_values
from rowsmith.evaluation.outcome import EvaluationOutcome
from rowsmith.evaluation.verdict import verdict_lines

VALUES = st.floats(0, 1, allow_nan=False)


def _done(*measures: Measure, findings: tuple[Finding, ...] = (), name: str = "") -> EvaluationResult:
    return EvaluationResult(
        name=name or measures[0].name,
        kind=EvaluationKind.FIDELITY,
        status=EvaluationStatus.DONE,
        evaluated=Evaluated(measures=measures, findings=findings),
    )


def _failed(name: str, message: str = "ValueError: no") -> EvaluationResult:
    return EvaluationResult(name=name, kind=EvaluationKind.FIDELITY, status=EvaluationStatus.FAILED, message=message)


def _shapes(value: float | None = 0.95, ceiling: float | None = 0.99, reason: str = "") -> Measure:
    parts = (
        Measure(name="column-shape", value=0.99, ceiling=0.99, columns=("age",)),
        Measure(name="column-shape", value=0.91, ceiling=0.98, columns=("hours",)),
    )
    return Measure(name="column-shapes", value=value, ceiling=ceiling, reason=reason, parts=parts)


def _pairs(value: float | None = 0.9, ceiling: float | None = 0.97) -> Measure:
    return Measure(name="pair-trends", value=value, ceiling=ceiling)


def _report(*results: EvaluationResult, changed: dict[str, float] | None = None) -> EvaluationReport:
    return EvaluationReport(results=results, sizes={"real": 900, "synthetic": 1000}, changed=changed or {})


def _lines(report: EvaluationReport, path: str | None = None) -> dict[str, str]:
    return {line.label: line.text for line in verdict_lines(report, path)}


def test_the_verdict_of_a_good_table_names_the_column_furthest_below_its_ceiling() -> None:
    report = _report(
        _done(_shapes()),
        _done(_pairs()),
        _done(Measure(name="copies", value=0.0, ceiling=0.002)),
        changed={"job": 0.064, "age": 0.0, "town": 0.0001},
    )
    lines = _lines(report, "runs/x/report.html")
    assert list(lines) == ["verdict", "quality", "worst", "protection", "copies", "report"]
    assert lines["verdict"] == "no warning"
    assert lines["quality"] == "0.925 (held-out rows 0.980): column shapes 0.950, pair trends 0.900"
    assert lines["worst"] == "hours: column shape 0.910 (held-out rows 0.980)"
    assert lines["protection"] == "changed rows of job (6.4%), town (under 0.1%)"
    assert lines["copies"] == "0% of rows are training rows (held-out rows 0.2%)"
    assert lines["report"] == "runs/x/report.html"


def test_the_largest_warning_is_told_and_notes_are_not() -> None:
    findings = (
        Finding(defect="constant-column", message="'pay' is 7 in every row.", columns=("pay",), excess=3.0),
        Finding(defect="tails-cut", message="'age' ends at 59.", columns=("age",), excess=9.0),
        Finding(defect="sampled", message="Few rows were looked at.", severity=Severity.NOTE, excess=99.0),
    )
    report = _report(_done(_shapes(), findings=findings), _done(_pairs()))
    lines = _lines(report)
    assert lines["verdict"] == "2 warnings: tails cut, constant column"
    assert lines["worst"] == "'age' ends at 59"
    assert evaluation_code(report, strict=True) == 1
    assert evaluation_code(report, strict=False) == 0


def test_a_long_message_becomes_what_it_is_and_where() -> None:
    finding = Finding(
        defect="dependency-broken", message="'education' says what … " * 9, columns=("a", "b", "c"), share=0.145
    )
    lines = _lines(_report(_done(_shapes(), findings=(finding,))))
    assert lines["worst"] == "a, b, and 1 more: dependency broken in 14.5% of rows"


def test_what_failed_is_named_with_its_reason() -> None:
    report = _report(_done(_shapes()), _failed("pair-trends", "MemoryError: too wide"))
    lines = _lines(report)
    assert lines["verdict"] == "no warning; 1 evaluation failed: pair-trends (MemoryError: too wide)"
    assert lines["quality"].startswith("no score, since pair-trends: it failed: MemoryError: too wide (column shapes")
    assert evaluation_code(report, strict=False) == evaluation_code(report, strict=True) == 5
    assert report_figures(report)["failed"] == ["pair-trends"]
    assert report_figures(report)["quality"]["value"] is None


def test_other_evaluations_are_told_by_their_measures() -> None:
    lines = _lines(_report(_done(Measure(name="next-row", value=0.5, ceiling=0.6))))
    assert lines["measures"] == "next row 0.500 / 0.600"
    assert "quality" not in lines


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=6))
def test_a_score_lies_between_its_parts_and_is_zero_with_any_of_them(pairs: list[tuple[float, float]]) -> None:
    score = combined("x", [Measure(name=f"m{place}", value=a, ceiling=b) for place, (a, b) in enumerate(pairs)])
    values = [value for value, _ in pairs]
    assert score.value is not None
    assert min(values) - 1e-12 <= score.value <= max(values) + 1e-12
    assert (score.value == 0) == (min(values) == 0) or min(values) < 1e-300
    assert [part.value for part in score.parts] == values


@given(st.lists(VALUES, max_size=4))
def test_a_missing_part_leaves_no_score_and_says_why(values: list[float]) -> None:
    parts = [Measure(name="m", value=value) for value in values]
    score = combined("x", [*parts, Measure(name="late", value=None, reason="too few rows")])
    assert score.value is None
    assert score.reason == "late: too few rows"
    assert len(score.parts) == len(values) + 1


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_a_part_that_cannot_exist_is_named_and_not_counted(values: list[float]) -> None:
    parts = [Measure(name="m", value=value, ceiling=value) for value in values]
    apart = Measure(name="pair-trends", value=None, applies=False, reason="no pairs: one column")
    score, without = combined("x", [*parts, apart]), combined("x", parts)
    assert (score.value, score.ceiling) == (without.value, without.ceiling)
    assert score.reason == "pair-trends does not apply: no pairs: one column"
    assert len(score.parts) == len(values) + 1
    failed = combined("x", [*parts, apart, Measure(name="late", value=None, reason="it failed")])
    assert failed.value is None
    assert failed.reason.startswith("late: it failed; ")


def test_a_score_of_nothing_that_applies_has_no_value() -> None:
    score = combined("x", [Measure(name="m", value=None, applies=False, reason="no columns")])
    assert (score.value, score.applies, score.reason) == (None, False, "m does not apply: no columns")


def test_the_verdict_names_what_does_not_apply() -> None:
    pairs = Measure(name="pair-trends", value=None, applies=False, reason="no pairs: one column with values to compare")
    lines = _lines(_report(_done(_shapes()), _done(pairs)))
    assert lines["quality"].endswith("; no pair trends (no pairs: one column with values to compare)")
    assert not lines["quality"].startswith("no score")


def test_a_part_that_was_not_asked_for_is_missing() -> None:
    score = quality(_report(_done(_shapes())))
    assert (score.value, score.reason) == (None, "pair-trends: it was not asked for")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_verdict_fits_the_terminal(width: int) -> None:
    changed = {"a-column-of-a-long-name": 0.5, "another-one": 0.25, "third": 0.2, "fourth": 0.1}
    report = _report(_done(_shapes()), _done(_pairs()), _failed("tails", "x " * 40), changed=changed)
    shown = wrapped_verdict(verdict_lines(report), width).splitlines()
    assert max(map(len, shown)) <= width
    assert [line[:11].strip() for line in shown if line[0] != " "] == ["verdict", "quality", "worst", "protection"]


def test_control_characters_of_names_are_shown_as_text() -> None:
    report = _report(_done(_shapes()), _done(_pairs()), changed={"a\x1b[31m": 0.5})
    assert "\x1b" not in wrapped_verdict(verdict_lines(report), 80)


def test_an_outcome_is_a_frame_a_dict_and_a_view() -> None:
    interval = Measure(name="next-row", value=math.inf, range=(0, math.inf), interval=(0.1, 0.9), columns=("<b>",))
    report = _report(_done(_shapes(value=None, reason="<i>none</i>")), _done(interval))
    outcome = EvaluationOutcome(report=report)
    frame = outcome.frame()
    assert frame["measure"].tolist() == ["column-shapes", "column-shape", "column-shape", "next-row"]
    assert frame["columns"].tolist() == ["", "age", "hours", "<b>"]
    assert frame.loc[3, ["low", "high"]].tolist() == [0.1, 0.9]
    assert math.isnan(frame["value"][0])
    assert len(repr(outcome).splitlines()) <= 10
    view = outcome._repr_html_()
    assert "<i>" not in view
    assert "&lt;i&gt;none" in view
    assert json.loads(json.dumps(report_values(report), allow_nan=False))["version"] == 1
    assert outcome.as_dict()["quality"]["value"] is None


def test_a_verdict_has_at_most_six_lines_of_eighty_columns() -> None:
    names = [f"a-defect-of-kind-{place}" for place in range(9)]
    findings = tuple(Finding(defect=name, message="long " * 40, columns=("education", "income")) for name in names)
    changed = {f"column_number_{place}": 0.2 for place in range(30)}
    report = _report(
        _done(_shapes(), findings=findings), _done(_pairs()), _done(Measure(name="copies", value=0.1)), changed=changed
    )
    shown = wrapped_verdict(verdict_lines(report, "rowsmith-runs/people/report.html"), 80).splitlines()
    assert len(shown) == 6
    assert max(map(len, shown)) <= 80
