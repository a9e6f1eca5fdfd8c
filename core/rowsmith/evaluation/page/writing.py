"""Writing the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rowsmith.evaluation.page.content import page_content
from rowsmith.evaluation.page.distributions import HEIGHT, WIDTH
from rowsmith.evaluation.page.lines import LINES_HEIGHT, LINES_WIDTH
from rowsmith.evaluation.page.spelling import spell_share
from rowsmith.evaluation.runner import EvaluationReport
from rowsmith.evaluation.tables import EvaluationTables
from rowsmith.storage.run_directory import RunDirectory

__all__ = ["PAGE_FILE", "render_page", "write_page"]

PAGE_FILE = "report.html"


def write_page(report: EvaluationReport, tables: EvaluationTables, facts: Mapping[str, Any], path: Path) -> None:
    """Write the report of an evaluation as one HTML file.

    Args:
        report: The results.
        tables: The tables that were compared.
        facts: As for ``render_page``.
        path: The file; it appears when it is whole.

    Raises:
        RunDirectoryError: It cannot be written.
    """
    page = render_page(report, tables, facts)
    with RunDirectory(path.parent).writing(path.name) as partial:
        partial.write_text(page, encoding="utf-8")


def render_page(report: EvaluationReport, tables: EvaluationTables, facts: Mapping[str, Any]) -> str:
    """The report of an evaluation as an HTML page without scripts and without links to anything outside.

    Names and labels of the tables are text on it, whatever they hold. Nothing on it is about fewer than ``tables.k``
    real rows, and no row is shown.

    Args:
        report: The results.
        tables: The tables that were compared.
        facts: ``title``, ``verdict`` (a list of sentences), ``config`` (text) and any further names with their values.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("rowsmith.evaluation.page", "templates"),
        # Unconditional: by the name of the template it would be off for some.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["share"] = spell_share
    sizes = {"width": WIDTH, "height": HEIGHT, "lines_width": LINES_WIDTH, "lines_height": LINES_HEIGHT}
    return environment.get_template("page.html.j2").render(page=page_content(report, tables, facts), **sizes)
