"""The files of an evaluation: ``evaluation.json`` and the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict

from rowsmith import __version__
from rowsmith.evaluation.composite import quality
from rowsmith.evaluation.page import PAGE_FILE, write_page
from rowsmith.evaluation.runner import EvaluationReport, json_values
from rowsmith.evaluation.verdict import verdict_lines

if TYPE_CHECKING:
    from rowsmith.evaluation.tables import EvaluationTables
    from rowsmith.storage.run_directory import RunDirectory

__all__ = ["EVALUATION_FILE", "PAGE_FILE", "report_figures", "report_values", "write_report"]

EVALUATION_FILE = "evaluation.json"


def report_values(report: EvaluationReport) -> dict[str, Any]:
    """A report as JSON values: its version, results, the score of quality and the verdict."""
    values = report.as_dict()
    verdict = {line.label: line.text for line in verdict_lines(report)}
    return {**values, "rowsmith": __version__, "quality": json_values(asdict(quality(report))), "verdict": verdict}


def report_figures(report: EvaluationReport) -> dict[str, Any]:
    """The figures of a report for ``metrics.json``, free of cell text."""
    score = quality(report)
    return {
        "quality": {"value": score.value, "ceiling": score.ceiling, "reason": score.reason},
        "measures": {
            name: {"value": json_values(each.value), "ceiling": json_values(each.ceiling)}
            for name, each in report.measures.items()
        },
        "warnings": [{"defect": each.defect, "columns": list(each.columns)} for each in report.warnings],
        "failed": [result.name for result in report.failed],
        "skipped": [result.name for result in report.results if result.status.value == "skipped"],
        "seconds": round(sum(result.seconds for result in report.results), 3),
    }


def write_report(
    report: EvaluationReport, tables: EvaluationTables | None, facts: Mapping[str, Any], directory: RunDirectory
) -> Path:
    """Write ``evaluation.json`` and the page.

    Args:
        report: The results.
        tables: The tables that were compared; None where they could not be prepared, so that there is no page.
        facts: Names and values about the run, shown on the page.
        directory: The folder, which exists.

    Returns:
        The page, or the JSON file where there is no page.

    Raises:
        RunDirectoryError: A file cannot be written.
    """
    written = directory.write_json(EVALUATION_FILE, report_values(report))
    directory.discard(PAGE_FILE)  # an earlier one would show other figures
    if tables is None:
        return written
    page = directory.path(PAGE_FILE)
    sentences = [f"{line.label.capitalize()}: {line.text}." for line in verdict_lines(report)]
    write_page(report, tables, {**facts, "verdict": sentences}, page)
    return page
