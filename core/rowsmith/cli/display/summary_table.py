"""The real table against the synthetic one, drawn on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from rowsmith.cli.display.sanitizer import printable, unfiltered_stderr
from rowsmith.cli.display.wording import percent, shortened

if TYPE_CHECKING:
    from rich.table import Table

    from rowsmith.runs.comparison.summary import ColumnSide, ColumnSummary

__all__ = ["print_summary"]

_MOST_COLUMNS = 12
_PLAIN_WIDTH = 140
_MOST_DIGITS = 9
_GAP = 3
_LEAST = 12
_UNDISCLOSED = "-"
_HEADINGS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("column", "left"),
    ("type", "left"),
    ("nulls", "right"),
    ("distinct", "right"),
    ("real", "left"),
    ("synthetic", "left"),
    ("distance", "right"),
    ("by", "left"),
)
_VALUES = [index for index, (heading, _) in enumerate(_HEADINGS) if heading in ("real", "synthetic")]


def print_summary(summary: Sequence[ColumnSummary], *, full: bool = False) -> None:
    """Draw the table.

    Args:
        summary: The columns.
        full: Whether to show all of them; otherwise, of a wide table, those that differ most.
    """
    from rich.console import Console

    if not summary:
        return
    shown = list(summary)
    if not full and len(shown) > _MOST_COLUMNS:
        worst = sorted(shown, key=lambda column: -column.distance)[:_MOST_COLUMNS]
        shown = [column for column in shown if column in worst]
    width = None if sys.stderr.isatty() else _PLAIN_WIDTH
    console = Console(file=unfiltered_stderr(), width=width, highlight=False)
    with contextlib.suppress(OSError):
        console.print(_drawn(shown, len(summary), console.width))


def _drawn(columns: Sequence[ColumnSummary], total: int, width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    part = "" if len(columns) == total else f": the {len(columns)} columns that differ most"
    table = Table(title=f"real and synthetic{part}", box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    rows = [_cells(column) for column in columns]
    widths = [
        max(len(text) for text in (heading, *cells))
        for (heading, _), cells in zip(_HEADINGS, zip(*rows, strict=True), strict=True)
    ]
    left = width - sum(widths) - _GAP * len(widths) + sum(widths[index] for index in _VALUES)
    for index, (heading, justify) in enumerate(_HEADINGS):
        # Long values are cut to fit; the names and figures beside them are not.
        most = max(_LEAST, left // len(_VALUES)) if index in _VALUES else None
        table.add_column(heading, justify=justify, overflow="ellipsis", no_wrap=True, max_width=most)
    for cells in rows:
        # As text, since a cell may look like markup.
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _cells(column: ColumnSummary) -> tuple[str, ...]:
    return (
        shortened(column.name, 30),
        column.type.value,
        f"{percent(column.real.nulls)} / {percent(column.synthetic.nulls)}",
        f"{column.real.distinct:,} / {column.synthetic.distinct:,}",
        _typical(column.real),
        _typical(column.synthetic),
        f"{column.distance:.3f}",
        column.measure,
    )


def _typical(side: ColumnSide) -> str:
    """Quantiles of numbers and times, else the most frequent value; a dash if too few rows share it to be shown."""
    if side.quantiles:
        shown = " … ".join(_UNDISCLOSED if value is None else _quantile(value, side) for value in side.quantiles)
        return shown if side.mean is None else f"{shown}, mean {side.mean:.4g}"
    if side.top is None:
        return _UNDISCLOSED if side.distinct else ""
    return f"{shortened(side.top, 24)} {percent(side.top_share)}"


def _quantile(value: str, side: ColumnSide) -> str:
    """A number with only the digits that distinguish it; other values shortened."""
    if side.mean is not None and len(value) > _MOST_DIGITS:
        return f"{float(value):.5g}"
    return shortened(value, 16)
