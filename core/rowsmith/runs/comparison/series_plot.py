"""A page with some real and some synthetic groups, drawn over their order or time."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from attrs import evolve

from rowsmith.errors import DataError, MissingDependency
from rowsmith.plugins.imports import missing_modules
from rowsmith.sequences import Arranged, arrange, group_bounds
from rowsmith.table.columns import distinct
from rowsmith.table.schema import ColumnType
from rowsmith.table.types.datetimes import parse_datetimes
from rowsmith.table.types.spelling import parse_numbers

if TYPE_CHECKING:
    from rowsmith.config import DataConfig, RunConfig
    from rowsmith.table.table import Table

__all__ = ["PLOT_FILE", "require_plotting", "series_page"]

PLOT_FILE = "series.html"
_NUMBERS = (ColumnType.INTEGER, ColumnType.DECIMAL)
_MOST_COLUMNS = 4
_MOST_GROUPS = 5
_HEIGHT = 300
_SIDES = (
    ("real", ("#3b6ea5", "#1d3f66", "#6fa3d8", "#27708a", "#5b5ea6")),
    ("synthetic", ("#d1702f", "#8f3b12", "#e8a33d", "#b8324b", "#a2762a")),
)
"""Each side, and a shade for each of its lines."""


def require_plotting() -> None:
    """Make sure that pages can be drawn.

    Raises:
        MissingDependency: plotly is not installed.
    """
    if missing_modules(["plotly"]):
        raise MissingDependency('Drawing groups needs plotly, which is not installed: pip install "rowsmith[demo]"')


def series_page(real: Table, synthetic: Table, config: RunConfig, identifier: str | None = None) -> str:
    """Draw numeric columns of a few groups of both tables, over the column that orders them.

    Args:
        real: The real table.
        synthetic: The synthetic one, of the same columns.
        config: Names what groups and orders the rows.
        identifier: A further column of the synthetic table that identifies its series.

    Returns:
        An HTML page that needs nothing besides.

    Raises:
        MissingDependency: plotly is not installed.
        DataError: The tables cannot be arranged, or no column can be drawn.
    """
    require_plotting()
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    synthetic_config = config if identifier is None else evolve(config, data=_by(config.data, identifier))
    sides = [arrange(real, config), arrange(synthetic, synthetic_config)]
    columns = _drawn_columns(sides[0], config)
    figure = make_subplots(
        rows=len(columns),
        cols=len(sides),
        shared_xaxes="all",
        shared_yaxes="rows",
        column_titles=[name for name, _ in _SIDES],
        # Names are text: plotly takes tags in them for markup, links included.
        row_titles=[html.escape(name) for name in columns],
        vertical_spacing=0.06 / len(columns),
    )
    for column, (side, each, (_, colours)) in enumerate(
        zip(sides, (config, synthetic_config), _SIDES, strict=True), start=1
    ):
        for row, name in enumerate(columns, start=1):
            for (group, x, y), colour in zip(_curves(side, name, each), colours, strict=False):
                line = {"color": colour, "width": 1}
                trace = Scatter(
                    x=x, y=y, name=html.escape(group), mode="lines", line=line, opacity=0.7, showlegend=False
                )
                figure.add_trace(trace, row=row, col=column)
    title = None if config.order_column is None else html.escape(config.order_column)
    figure.update_layout(template="plotly_white", height=_HEIGHT * len(columns) + 100, title=title)
    page: str = figure.to_html(include_plotlyjs=True)
    return page


def _by(data: DataConfig, identifier: str) -> DataConfig:
    return evolve(data, group_training_examples_by=(*data.group_columns, identifier))


def _drawn_columns(real: Arranged, config: RunConfig) -> list[str]:
    """Numeric columns that vary within groups."""
    apart = {*config.data.group_columns, config.order_column}
    found = [
        column.name
        for column in real.table.schema
        if column.type in _NUMBERS and column.name not in apart and _varies(real, column.name)
    ]
    if not found:
        raise DataError("no column of numbers varies within a group, so there is nothing to draw")
    return found[:_MOST_COLUMNS]


def _varies(side: Arranged, name: str) -> bool:
    codes = distinct(side.table.columns, name)[1]
    return bool(((np.diff(codes) != 0) & (np.diff(side.groups) == 0)).any())


def _curves(side: Arranged, name: str, config: RunConfig) -> Iterator[tuple[str, Any, Any]]:
    """Some groups, evenly over the table: label, positions and values of each."""
    starts, stops = group_bounds(side.groups)
    values = _values(side.table, name)
    order = config.order_column
    for group in np.unique(np.linspace(0, len(starts) - 1, _MOST_GROUPS).round().astype(int)):
        rows = slice(int(starts[group]), int(stops[group]))
        positions = np.arange(rows.stop - rows.start) if order is None else _values(side.table, order)[rows]
        yield _label(side.table, rows.start, config), positions, values[rows]


def _label(table: Table, row: int, config: RunConfig) -> str:
    return ", ".join(str(table.columns.column(name)[row].as_py()) for name in config.data.group_columns)


def _values(table: Table, name: str) -> npt.NDArray[Any]:
    """A column's numbers or instants, row by row."""
    column = table.schema[name]
    values, codes = distinct(table.columns, name)
    if column.type is ColumnType.DATETIME and column.datetime_format is not None:
        instants = parse_datetimes(values, column.datetime_format)
        return np.append(instants, np.array("NaT", dtype=instants.dtype))[codes]
    return np.append(parse_numbers(values), np.nan)[codes]
