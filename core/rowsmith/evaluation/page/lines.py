"""Sequences on the page: synthetic groups as lines, real ones as a band that at least k groups share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.evaluation.disclosure import shared_cells, shared_ends
from rowsmith.evaluation.page.spelling import spell_number
from rowsmith.evaluation.page.svg import area_path, line_path, scaled
from rowsmith.evaluation.tables import ColumnKind, EvaluatedColumn, EvaluationTables, Part

__all__ = ["LINES_HEIGHT", "LINES_WIDTH", "SequencePlot", "sequence_plots"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LINES_WIDTH, LINES_HEIGHT = 640.0, 200.0
_MOST_COLUMNS = 4
_MOST_GROUPS = 5
_BINS = 60
_BAND = (0.1, 0.9)


@frozen(kw_only=True)
class SequencePlot:
    """One column of numbers over the order or the time of its groups.

    Attributes:
        name: The column.
        over: What the horizontal axis is.
        band: SVG path of the band between the lowest and the highest tenth of the real rows.
        middle: SVG path of the median of the real rows.
        lines: An SVG path for each synthetic group that is drawn.
        x_ticks: Text at the left and at the right end.
        y_ticks: Text at the lower and at the upper end.
    """

    name: str
    over: str
    band: str
    middle: str
    lines: tuple[str, ...]
    x_ticks: tuple[str, str]
    y_ticks: tuple[str, str]


def sequence_plots(tables: EvaluationTables) -> tuple[SequencePlot, ...]:
    """Plots of the first columns of numbers that vary within groups; none where rows are independent.

    A table with a time column and no groups is one series.
    """
    if not tables.groups and tables.time_column is None:
        return ()
    apart = {*tables.group_by, tables.order_by, tables.time_column}
    columns = [each for each in tables.of_kind(ColumnKind.NUMBER) if each.name not in apart]
    axes = {part: _axis(tables, part) for part in (Part.REAL, Part.SYNTHETIC)}
    over = tables.time_column or tables.order_by or "row of the group"
    plots = (_plot(column, tables, axes, over) for column in columns if _varies(column, tables))
    return tuple([plot for plot in plots if plot is not None][:_MOST_COLUMNS])


def _groups(tables: EvaluationTables, part: Part) -> Ints:
    return tables.groups[part] if part in tables.groups else np.zeros(tables.sizes[part], dtype=np.int64)


def _axis(tables: EvaluationTables, part: Part) -> Floats:
    """Where each row is on the horizontal axis: its time, or its index in its group."""
    if tables.time_column is not None and tables.column(tables.time_column).positions is not None:
        return tables.column(tables.time_column).numbers(part)
    groups = _groups(tables, part)
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    starts = np.searchsorted(ordered, ordered, side="left")
    index = np.empty(len(groups), dtype=np.float64)
    index[order] = np.arange(len(groups)) - starts
    return index


def _varies(column: EvaluatedColumn, tables: EvaluationTables) -> bool:
    groups = _groups(tables, Part.REAL)
    order = np.argsort(groups, kind="stable")
    codes, ordered = column.codes[Part.REAL][order], groups[order]
    return bool(((np.diff(codes) != 0) & (np.diff(ordered) == 0)).any())


def _plot(
    column: EvaluatedColumn, tables: EvaluationTables, axes: dict[Part, Floats], over: str
) -> SequencePlot | None:
    real, synthetic = column.numbers(Part.REAL), column.numbers(Part.SYNTHETIC)
    known = np.isfinite(real) & np.isfinite(axes[Part.REAL])
    if known.sum() < 4 * tables.k:
        return None
    across_ends, up_ends = shared_ends(axes[Part.REAL], tables), shared_ends(real, tables)
    if across_ends is None or up_ends is None:
        return None
    (left, right), (low, high) = across_ends, up_ends
    timed = tables.time_column is not None
    cells = _cells(axes[Part.REAL], left, right, max(1, int(known.sum()) // (2 * tables.k)), whole=not timed)
    centres, quantiles = _bands(cells, known, real, left, right, tables)
    x = scaled(centres, left, right, 0, LINES_WIDTH)
    y = [scaled(each, low, high, LINES_HEIGHT - 8, 8) for each in quantiles]
    groups = _groups(tables, Part.SYNTHETIC)
    lines = []
    for group in _drawn_groups(groups):
        rows = np.flatnonzero(groups == group)
        rows = rows[np.argsort(axes[Part.SYNTHETIC][rows], kind="stable")]
        across = scaled(axes[Part.SYNTHETIC][rows], left, right, 0, LINES_WIDTH)
        up = scaled(synthetic[rows], low, high, LINES_HEIGHT - 8, 8)
        up[(across < -1) | (across > LINES_WIDTH + 1)] = np.nan
        lines.append(line_path(across, np.clip(up, 0, LINES_HEIGHT)))
    moments = timed and tables.column(over).kind is ColumnKind.MOMENT
    return SequencePlot(
        name=column.name,
        over=over,
        band=area_path(x, y[0], y[2]),
        middle=line_path(x, y[1]),
        lines=tuple(lines),
        x_ticks=(spell_number(left, moments), spell_number(right, moments)),
        y_ticks=(spell_number(float(low)), spell_number(float(high))),
    )


def _cells(axis: Floats, left: float, right: float, most: int, *, whole: bool) -> tuple[Ints, int]:
    """The bin of each row along the axis, -1 outside of it, and the number of bins."""
    bins = max(1, min(_BINS, most, int(right - left) + 1 if whole else _BINS))
    edges = np.linspace(left, right if right > left else left + 1, bins + 1)
    inside = (axis >= left) & (axis <= right)
    return np.where(inside, np.clip(np.searchsorted(edges, axis, side="right") - 1, 0, bins - 1), -1), bins


def _bands(
    binned: tuple[Ints, int],
    known: npt.NDArray[np.bool_],
    values: Floats,
    left: float,
    right: float,
    tables: EvaluationTables,
) -> tuple[Floats, tuple[Floats, Floats, Floats]]:
    """Quantiles of the real values in bins of the axis; NaN in bins of too few rows or groups."""
    cells, bins = np.where(known, binned[0], -1), binned[1]
    edges = np.linspace(left, right if right > left else left + 1, bins + 1)
    found = np.full((3, bins), np.nan)
    for each in np.flatnonzero(shared_cells(cells.astype(np.int64), bins, tables)).tolist():
        found[:, each] = np.quantile(values[cells == each], (_BAND[0], 0.5, _BAND[1]))
    return (edges[:-1] + edges[1:]) / 2, (found[0], found[1], found[2])


def _drawn_groups(groups: Ints) -> list[int]:
    last = int(groups.max(initial=0))
    return sorted({round(each) for each in np.linspace(0, last, _MOST_GROUPS).tolist()})
