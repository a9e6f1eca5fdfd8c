"""What the page holds, as plain values for its template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from rowsmith.evaluation.measure import Direction, Finding, Measure
from rowsmith.evaluation.page.associations import AssociationMap, association_map
from rowsmith.evaluation.page.distributions import Distribution, distribution
from rowsmith.evaluation.page.lines import SequencePlot, sequence_plots
from rowsmith.evaluation.page.projection import Projection, project
from rowsmith.evaluation.page.spelling import spell_number
from rowsmith.evaluation.runner import EvaluationReport, EvaluationStatus
from rowsmith.evaluation.tables import ColumnKind, EvaluationTables

__all__ = ["Content", "Gauge", "Row", "page_content"]

_MOST_COLUMNS = 60


@frozen(kw_only=True)
class Gauge:
    """The main measure of an evaluation as a bar.

    Attributes:
        name: The measure.
        explanation: What it says and hides.
        value: The number, spelled.
        ceiling: That of real held-out rows, spelled; empty without one.
        filled: Length of the bar in percent: the better the value, the longer.
        mark: Where held-out rows would be, in percent; None without them.
        better: Which values are better, in words.
    """

    name: str
    explanation: str
    value: str
    ceiling: str
    filled: float
    mark: float | None
    better: str


@frozen(kw_only=True)
class Row:
    """One measure in the table of all measures, spelled."""

    name: str
    kind: str
    value: str
    interval: str
    ceiling: str
    better: str
    rows: str


@frozen(kw_only=True)
class Content:
    """Everything that the template shows.

    Attributes:
        title: The title.
        verdict: Sentences at the top.
        findings: What is wrong, the largest first.
        gauges: Main measures by the question that they answer.
        distributions: The columns, the least alike first.
        left_out: Columns that are not drawn.
        associations: Maps of pairs of columns; None for fewer than two columns.
        projection: Densities in two dimensions; None where there are none.
        sequences: Plots of groups.
        rows: All measures.
        unfinished: Evaluations that were skipped or failed: name, status, reason.
        sizes: Rows by part.
        changed: Columns that protection changed, with the share of training rows.
        facts: Names and values about the run.
        config: The configuration, as text.
        k: The fewest rows that anything on the page is about.
    """

    title: str
    verdict: tuple[str, ...]
    findings: tuple[Finding, ...]
    gauges: Mapping[str, tuple[Gauge, ...]]
    distributions: tuple[Distribution, ...]
    left_out: int
    associations: AssociationMap | None
    projection: Projection | None
    sequences: tuple[SequencePlot, ...]
    rows: tuple[Row, ...]
    unfinished: tuple[tuple[str, str, str], ...]
    sizes: Mapping[str, int]
    changed: Mapping[str, float]
    facts: Mapping[str, str]
    config: str
    k: int


def page_content(report: EvaluationReport, tables: EvaluationTables, facts: Mapping[str, Any]) -> Content:
    """Gather what the page shows.

    Args:
        report: The results.
        tables: The tables that were compared.
        facts: ``title``, ``verdict`` (a list of sentences), ``config`` (text) and any further names with their values.
    """
    order = _least_alike_first(report, tables)
    associations = association_map(tables)
    further = {name: value for name, value in facts.items() if name not in ("title", "verdict", "config")}
    return Content(
        title=str(facts.get("title", "Synthetic table")),
        verdict=tuple(facts.get("verdict", ())),
        findings=report.findings,
        gauges=_gauges(report),
        distributions=tuple(distribution(tables.column(name), tables) for name in order[:_MOST_COLUMNS]),
        left_out=max(0, len(order) - _MOST_COLUMNS),
        associations=associations if len(associations.names) > 1 else None,
        projection=project(tables),
        sequences=sequence_plots(tables),
        rows=tuple(_rows(report)),
        unfinished=tuple(
            (result.name, result.status.value, result.message)
            for result in report.results
            if result.status is not EvaluationStatus.DONE
        ),
        sizes={part.value: size for part, size in tables.sizes.items()},
        changed={name: share for name, share in sorted(report.changed.items(), key=lambda each: -each[1]) if share},
        facts={str(name): str(value) for name, value in further.items()},
        config=str(facts.get("config", "")),
        k=tables.k,
    )


def _least_alike_first(report: EvaluationReport, tables: EvaluationTables) -> list[str]:
    shapes = report.measures.get("column-shapes")
    values = {part.columns[0]: part.value for part in (shapes.parts if shapes else ()) if len(part.columns) == 1}
    named = [column for finding in report.warnings for column in finding.columns]
    keys = {column.name for column in tables.of_kind(ColumnKind.KEY)}
    names = [column.name for column in tables.columns]
    return sorted(names, key=lambda name: (name in keys, name not in named, _or(values.get(name), 1.0)))


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _gauges(report: EvaluationReport) -> Mapping[str, tuple[Gauge, ...]]:
    found: dict[str, list[Gauge]] = {}
    for result in report.results:
        if result.evaluated is not None and result.evaluated.measures:
            measure = result.evaluated.measures[0]
            if measure.value is not None and bool(np.isfinite(measure.range).all()):
                found.setdefault(result.kind.value, []).append(_gauge(measure, result.explanation))
    return {kind: tuple(gauges) for kind, gauges in found.items()}


def _gauge(measure: Measure, explanation: str) -> Gauge:
    assert measure.value is not None
    ceiling = measure.ceiling
    return Gauge(
        name=measure.name,
        explanation=explanation,
        value=spell_number(measure.value),
        ceiling="" if ceiling is None else spell_number(ceiling),
        filled=_along(measure, measure.value),
        mark=None if ceiling is None else _along(measure, ceiling),
        better=_better(measure),
    )


def _along(measure: Measure, value: float) -> float:
    """Where a value lies in the range of its measure, in percent from the worse to the better end."""
    low, high = measure.range
    if measure.best is not None:
        farthest = max(measure.best - low, high - measure.best)
        return 100 * (1 - min(1.0, abs(value - measure.best) / farthest))
    share = min(1.0, max(0.0, (value - low) / (high - low)))
    return 100 * (1 - share if measure.direction is Direction.LOWER else share)


def _better(measure: Measure) -> str:
    if measure.best is not None:
        return f"{spell_number(measure.best)} is best"
    return "" if measure.direction is Direction.NEITHER else f"{measure.direction.value} is better"


def _rows(report: EvaluationReport) -> Iterator[Row]:
    for result in report.results:
        for measure in result.evaluated.measures if result.evaluated is not None else ():
            interval = measure.interval
            yield Row(
                name=measure.name,
                kind=result.kind.value,
                value=measure.reason if measure.value is None else spell_number(measure.value),
                interval="" if interval is None else f"{spell_number(interval[0])} to {spell_number(interval[1])}",
                ceiling="" if measure.ceiling is None else spell_number(measure.ceiling),
                better=_better(measure),
                rows=_sizes(measure),
            )


def _sizes(measure: Measure) -> str:
    sizes = ", ".join(f"{size:,} {part}" for part, size in measure.sizes.items())
    return f"{sizes} (a sample)" if measure.sampled else sizes
