"""The real table against the synthetic one, drawn on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rowsmith.cli.wording import percent, shortened

if TYPE_CHECKING:
    from rich.table import Table

    from rowsmith.summary import ColumnSide, ColumnSummary

__all__ = ["print_summary"]

_MOST_COLUMNS = 12
_PLAIN_WIDTH = 140


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
    console = Console(stderr=True, width=None if sys.stderr.isatty() else _PLAIN_WIDTH, highlight=False)
    console.print(_drawn(shown, len(summary)))
    mean = sum(column.distance for column in summary) / len(summary)
    console.print(f"mean distance {mean:.3f} over {len(summary)} columns (0 is alike, 1 is different)")


def _drawn(columns: Sequence[ColumnSummary], total: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    part = "" if len(columns) == total else f": the {len(columns)} columns that differ most"
    table = Table(title=f"real and synthetic{part}", box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.add_column("column", overflow="fold")
    table.add_column("type")
    for heading in ("nulls", "distinct"):
        table.add_column(heading, justify="right")
    for heading in ("real", "synthetic"):
        table.add_column(heading, overflow="ellipsis", no_wrap=True)
    table.add_column("distance", justify="right")
    table.add_column("by", no_wrap=True)
    for column in columns:
        cells = (
            shortened(column.name, 30),
            column.type.value,
            f"{percent(column.real.nulls)} / {percent(column.synthetic.nulls)}",
            f"{column.real.distinct:,} / {column.synthetic.distinct:,}",
            _typical(column.real),
            _typical(column.synthetic),
            f"{column.distance:.3f}",
            column.measure,
        )
        # As text, since a cell may look like markup.
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _typical(side: ColumnSide) -> str:
    """Quantiles of numbers and times, else the most frequent value."""
    if side.top is None:
        return ""
    if side.quantiles:
        low, middle, high = (shortened(value, 16) for value in side.quantiles)
        mean = "" if side.mean is None else f", mean {side.mean:.4g}"
        return f"{low} … {middle} … {high}{mean}"
    return f"{shortened(side.top, 24)} {percent(side.top_share)}"
