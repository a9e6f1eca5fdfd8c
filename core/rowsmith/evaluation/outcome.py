"""The result of an evaluation as users hold it: a verdict in words, a frame, a dict, files."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from rowsmith.evaluation.composite import quality
from rowsmith.evaluation.files import report_values, write_report
from rowsmith.evaluation.measure import Finding, Measure
from rowsmith.evaluation.runner import EvaluationReport
from rowsmith.evaluation.tables import EvaluationTables
from rowsmith.evaluation.verdict import VerdictLine, verdict_lines
from rowsmith.storage.run_directory import RunDirectory

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EvaluationOutcome"]

_MOST_LINES = 10


@frozen(kw_only=True, eq=False, repr=False)
class EvaluationOutcome:
    """What an evaluation of a synthetic table found.

    Attributes:
        report: The results of each evaluation.
        tables: The tables that were compared; None where they could not be prepared.
        facts: What is known of how the synthetic table was made, for the report.
        path: The written report; None where it was not written.
    """

    report: EvaluationReport
    tables: EvaluationTables | None = None
    facts: Mapping[str, Any] = field(factory=dict)
    path: Path | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, the largest first."""
        return self.report.findings

    @property
    def measures(self) -> dict[str, Measure]:
        """The measures by name."""
        return self.report.measures

    @property
    def quality(self) -> Measure:
        """The score of quality with its parts."""
        return quality(self.report)

    @property
    def verdict(self) -> tuple[VerdictLine, ...]:
        """At most six lines."""
        return verdict_lines(self.report, None if self.path is None else str(self.path))

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values, as ``evaluation.json`` holds it."""
        return report_values(self.report)

    def frame(self) -> pd.DataFrame:
        """The measures, a row each.

        Returns:
            Columns ``evaluation``, ``measure``, ``columns`` (joined by ``, ``; empty for the table), ``value``,
            ``ceiling`` (of real held-out rows), ``low`` and ``high`` (95 % interval), ``direction`` and ``reason``.
            Parts of a measure follow it.
        """
        import pandas as pd

        rows = [
            _row(result.name, measure)
            for result in self.report.results
            if result.evaluated is not None
            for top in result.evaluated.measures
            for measure in _with_parts(top)
        ]
        frame = pd.DataFrame(rows, columns=list(_COLUMNS))
        return frame.astype({name: "float64" for name in ("value", "ceiling", "low", "high")})

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write ``evaluation.json`` and the page ``report.html``.

        Args:
            path: The folder, made where it is missing.

        Returns:
            The page, or the JSON file where there is no page.

        Raises:
            RunDirectoryError: The folder cannot be written to.
        """
        return write_report(self.report, self.tables, self.facts, RunDirectory(path).create())

    def __repr__(self) -> str:
        lines = [f"{line.label:<11}{line.text}" for line in self.verdict]
        return "\n".join(lines[:_MOST_LINES])

    def _repr_html_(self) -> str:
        verdict = "".join(
            f"<tr><th style='text-align:left'>{html.escape(line.label)}</th>"
            f"<td style='text-align:left'>{html.escape(line.text)}</td></tr>"
            for line in self.verdict
        )
        tops = [measure for result in self.report.results for measure in _tops(result.evaluated)]
        rows = "".join(
            f"<tr><td style='text-align:left'>{html.escape(measure.name)}</td><td>{_number(measure.value)}</td>"
            f"<td>{_number(measure.ceiling)}</td><td style='text-align:left'>{html.escape(measure.reason)}</td></tr>"
            for measure in tops
        )
        head = "<tr><th>measure</th><th>synthetic</th><th>held-out</th><th></th></tr>"
        return f"<table>{verdict}</table><table><thead>{head}</thead><tbody>{rows}</tbody></table>"


_COLUMNS = ("evaluation", "measure", "columns", "value", "ceiling", "low", "high", "direction", "reason")


def _row(evaluation: str, measure: Measure) -> tuple[Any, ...]:
    low, high = measure.interval or (None, None)
    names = ", ".join(measure.columns)
    direction = measure.direction.value
    return evaluation, measure.name, names, measure.value, measure.ceiling, low, high, direction, measure.reason


def _with_parts(measure: Measure) -> Iterator[Measure]:
    yield measure
    for part in measure.parts:
        yield from _with_parts(part)


def _tops(evaluated: Any) -> tuple[Measure, ...]:
    return () if evaluated is None else evaluated.measures


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
