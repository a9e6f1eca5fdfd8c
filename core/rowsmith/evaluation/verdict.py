"""What an evaluation found, in at most six short lines: a pure function of its report."""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import frozen

from rowsmith.config.defaults import COPIES_MEASURE, QUALITY_MEASURES
from rowsmith.evaluation.composite import quality
from rowsmith.evaluation.measure import Direction, Finding, Measure
from rowsmith.evaluation.runner import EvaluationReport

__all__ = ["VerdictLine", "verdict_lines"]

_MOST_LISTED = 3
_MOST_LETTERS = 69
"""What a terminal of 80 columns shows beside the label."""
_LEAST_CHANGED = 0.0005
"""Less would be shown as 0.0%."""


@frozen
class VerdictLine:
    """One line of a verdict.

    Attributes:
        label: What it is about, a word.
        text: What there is to say.
    """

    label: str
    text: str


def verdict_lines(report: EvaluationReport, report_path: str | None = None) -> tuple[VerdictLine, ...]:
    """Say what an evaluation found.

    Args:
        report: The results.
        report_path: Where the whole report is; None where it was not written.

    Returns:
        At most six lines: warnings and failures, quality beside the ceiling of real held-out rows, the worst column or
        relation, what protection changed, copies of real rows, and where the report is.
    """
    asked = {result.name for result in report.results}
    lines = [VerdictLine("verdict", _summary(report))]
    if asked.intersection(QUALITY_MEASURES):
        lines.append(VerdictLine("quality", _quality(quality(report))))
    elif report.measures:
        figures = [f"{_words(each.name)} {_figures(each)}" for each in report.measures.values()]
        lines.append(VerdictLine("measures", _listed(figures, most=4)))
    worst = _worst(report)
    if worst:
        lines.append(VerdictLine("worst", worst))
    if report.changed:
        lines.append(VerdictLine("protection", _protection(report)))
    copies = report.measures.get(COPIES_MEASURE)
    if copies is not None:
        lines.append(VerdictLine("copies", _copies(copies)))
    if report_path is not None:
        lines.append(VerdictLine("report", report_path))
    return tuple(lines)


def _summary(report: EvaluationReport) -> str:
    warnings = report.warnings
    defects = list(dict.fromkeys(_words(finding.defect) for finding in warnings))
    found = _listed(defects, f"{_counted(len(warnings), 'warning')}: ") if warnings else "no warning"
    failed = [f"{result.name} ({result.message})" for result in report.failed]
    # Failures are reported, however many lines they take.
    return found + (f"; {_counted(len(failed), 'evaluation')} failed: {', '.join(failed)}" if failed else "")


def _quality(score: Measure) -> str:
    known = [part for part in score.parts if part.value is not None]
    parts = ", ".join(f"{_words(part.name)} {_value(part.value)}" for part in known)
    if score.value is None:
        return f"no score, since {score.reason}{f' ({parts})' if parts else ''}"
    ceiling = "" if score.ceiling is None else f" (held-out rows {_value(score.ceiling)})"
    apart = "".join(f"; no {_words(part.name)} ({part.reason})" for part in score.parts if not part.applies)
    return f"{_value(score.value)}{ceiling}: {parts}{apart}"


def _worst(report: EvaluationReport) -> str:
    """The largest warning; without any, the part of the quality that is furthest below its ceiling."""
    if report.warnings:
        return _shortened(report.warnings[0])
    parts = [part for measure in quality(report).parts for part in measure.parts if part.value is not None]
    if not parts:
        return ""
    part = max(parts, key=_shortfall)
    ceiling = "" if part.ceiling is None else f" (held-out rows {_value(part.ceiling)})"
    return f"{' and '.join(part.columns)}: {_words(part.name)} {_value(part.value)}{ceiling}"


def _shortened(finding: Finding) -> str:
    """A finding in one line: its message where that is short, or else what it is and where."""
    message = finding.message.rstrip(".")
    if len(message) <= _MOST_LETTERS:
        return message
    where = f"{_listed(finding.columns, most=2)}: " if finding.columns else ""
    share = f" in {_share(finding.share)} of rows" if finding.share else ""
    return f"{where}{_words(finding.defect)}{share}"


def _shortfall(part: Measure) -> float:
    assert part.value is not None
    best = part.ceiling if part.ceiling is not None else part.range[part.direction is not Direction.LOWER]
    return part.value - best if part.direction is Direction.LOWER else best - part.value


def _protection(report: EvaluationReport) -> str:
    changed = sorted(((share, name) for name, share in report.changed.items() if share > 0), key=lambda each: -each[0])
    if not changed:
        return "changed no value"
    return _listed([f"{name} ({_share(share)})" for share, name in changed], "changed rows of ")


def _copies(measure: Measure) -> str:
    if measure.value is None:
        return f"not counted: {re.split('[;:] ', measure.reason)[0].rstrip('.')}"
    ceiling = "" if measure.ceiling is None else f" (held-out rows {_share(measure.ceiling)})"
    return f"{_share(measure.value)} of rows are training rows{ceiling}"


def _figures(measure: Measure) -> str:
    """The value and, after a stroke, that of real held-out rows."""
    value = _value(measure.value)
    return value if measure.ceiling is None or measure.value is None else f"{value} / {_value(measure.ceiling)}"


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _share(share: float) -> str:
    if share == 0:
        return "0%"
    return f"{share:.1%}" if share >= _LEAST_CHANGED else "under 0.1%"


def _words(name: str) -> str:
    return name.replace("-", " ")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _listed(words: Sequence[str], before: str = "", most: int = _MOST_LISTED) -> str:
    """The first words, as many as fit beside what is before them, and how many more there are."""
    for shown in range(min(len(words), most), 0, -1):
        more = len(words) - shown
        text = before + ", ".join([*words[:shown], *([f"and {more} more"] if more else [])])
        if len(text) <= _MOST_LETTERS or shown == 1:
            return text
    return before
