"""Scores that combine several measures, always beside their parts.

A score is a geometric mean, so that a part of 0 makes it 0, and has no value where a part is missing: a score of what
happened to be there says nothing. A part that cannot exist in a table of this shape, such as pairs of a single column,
is named and not counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rowsmith.config.defaults import QUALITY_MEASURES
from rowsmith.evaluation.measure import Measure
from rowsmith.evaluation.runner import EvaluationReport, EvaluationStatus

__all__ = ["combined", "quality"]


def quality(report: EvaluationReport) -> Measure:
    """How well columns and their relations are preserved, from 0 to 1.

    Args:
        report: The results; the parts are those named by ``QUALITY_MEASURES``.

    Returns:
        The geometric mean of the parts, with the ceiling of real held-out rows where every part has one; without
        value, and with the reason, where a part is missing. Parts that do not apply to the table are not counted.
    """
    measures = report.measures
    return combined("quality", [measures.get(name) or _missing(name, report) for name in QUALITY_MEASURES])


def combined(name: str, parts: Sequence[Measure]) -> Measure:
    """The geometric mean of measures from 0 to 1 of which higher values are better.

    Args:
        name: The score.
        parts: Its parts; one without a value leaves the score without one, unless it does not apply to the table.

    Returns:
        The score; ``reason`` says what it is missing, or what does not apply.
    """
    counted = [part for part in parts if part.applies]
    missing = next((part for part in counted if part.value is None), None)
    apart = [f"{part.name} does not apply: {part.reason}" for part in parts if not part.applies]
    if missing is not None:
        apart.insert(0, f"{missing.name}: {missing.reason or 'it has no value'}")
    return Measure(
        name=name,
        value=None if missing is not None else _mean([part.value for part in counted]),
        ceiling=_mean([part.ceiling for part in counted]),
        sampled=any(part.sampled for part in counted),
        applies=bool(counted),
        reason="; ".join(apart),
        parts=tuple(parts),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known:
        return None
    if min(known) <= 0:
        return 0.0
    return math.exp(sum(map(math.log, known)) / len(known))


def _missing(name: str, report: EvaluationReport) -> Measure:
    found = next((result for result in report.results if result.name == name), None)
    if found is None:
        return Measure(name=name, value=None, reason="it was not asked for")
    words = {EvaluationStatus.FAILED: "it failed", EvaluationStatus.SKIPPED: "it was skipped"}
    why = words.get(found.status, "it was not computed")
    return Measure(name=name, value=None, reason=f"{why}: {found.message}" if found.message else why)
