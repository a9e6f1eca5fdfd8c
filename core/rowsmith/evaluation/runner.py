"""Runs table evaluations one after the other; one that fails does not stop the others."""

from __future__ import annotations

import enum
import time
from collections.abc import Sequence
from typing import Any

from attrs import asdict, evolve, field, frozen

from rowsmith.evaluation.measure import Evaluated, EvaluationKind, Finding, Measure, Severity
from rowsmith.evaluation.table_evaluation import TableEvaluation
from rowsmith.evaluation.tables import EvaluationTables
from rowsmith.plugins.blame import attribute_errors

__all__ = ["EvaluationReport", "EvaluationResult", "EvaluationStatus", "json_values", "run_evaluations"]


class EvaluationStatus(enum.StrEnum):
    """How an evaluation ended."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@frozen(kw_only=True)
class EvaluationResult:
    """One evaluation and what came of it.

    Attributes:
        name: The evaluation.
        kind: Question that it answers.
        status: How it ended.
        explanation: What its main measure says and hides, for readers.
        evaluated: Its outcome; None unless it is done.
        message: Why it was skipped or failed.
        seconds: Time it took.
    """

    name: str
    kind: EvaluationKind
    status: EvaluationStatus
    explanation: str = ""
    evaluated: Evaluated | None = None
    message: str = ""
    seconds: float = 0.0


@frozen(kw_only=True)
class EvaluationReport:
    """The results of all evaluations of a table.

    Attributes:
        results: One for each evaluation, in order.
        sizes: Rows of each part.
        changed: For each column, the share of training rows that protection changed.
    """

    results: tuple[EvaluationResult, ...]
    sizes: dict[str, int] = field(factory=dict)
    changed: dict[str, float] = field(factory=dict)

    @property
    def measures(self) -> dict[str, Measure]:
        """All measures of the table by name."""
        done = [result.evaluated for result in self.results if result.evaluated is not None]
        return {measure.name: measure for evaluated in done for measure in evaluated.measures}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, the largest first."""
        done = [result.evaluated for result in self.results if result.evaluated is not None]
        found = [finding for evaluated in done for finding in evaluated.findings]
        return tuple(sorted(found, key=lambda each: (each.severity is not Severity.WARNING, -each.excess)))

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings beyond their thresholds."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.WARNING)

    @property
    def failed(self) -> tuple[EvaluationResult, ...]:
        """The evaluations that failed."""
        return tuple(result for result in self.results if result.status is EvaluationStatus.FAILED)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values; numbers that JSON lacks become None."""
        return {
            "version": 1,
            "sizes": dict(self.sizes),
            "changed": dict(self.changed),
            "evaluations": [json_values(asdict(result)) for result in self.results],
        }


def run_evaluations(evaluations: Sequence[TableEvaluation], tables: EvaluationTables) -> EvaluationReport:
    """Run evaluations on tables.

    Args:
        evaluations: What to compute.
        tables: The tables.

    Returns:
        A result for each, also for those that failed or do not apply.
    """
    return EvaluationReport(
        results=tuple(_run(evaluation, tables) for evaluation in evaluations),
        sizes={part.value: size for part, size in tables.sizes.items()},
        changed=dict(tables.changed),
    )


def _run(evaluation: TableEvaluation, tables: EvaluationTables) -> EvaluationResult:
    result = EvaluationResult(
        name=evaluation.name,
        kind=evaluation.kind,
        status=EvaluationStatus.SKIPPED,
        explanation=evaluation.explanation,
        message=_not_applicable(evaluation, tables),
    )
    if result.message:
        return result
    started = time.monotonic()
    try:
        with attribute_errors(evaluation):
            evaluated = evaluation.evaluate(tables)
    except Exception as error:  # A plugin may raise anything; its name and the error are in the result.
        failed = evolve(result, status=EvaluationStatus.FAILED, message=f"{type(error).__name__}: {error}")
        return evolve(failed, seconds=time.monotonic() - started)
    return evolve(result, status=EvaluationStatus.DONE, evaluated=evaluated, seconds=time.monotonic() - started)


def _not_applicable(evaluation: TableEvaluation, tables: EvaluationTables) -> str:
    if evaluation.needs_holdout and not tables.has_holdout:
        return "it needs real rows that the model never saw: a holdout"
    if evaluation.needs_groups and not tables.groups:
        return "it needs groups: columns that group rows"
    return ""


def json_values(value: Any) -> Any:
    """The same value of JSON types alone."""
    if isinstance(value, dict):
        return {str(name): json_values(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_values(each) for each in value]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        return None
    return value
