"""Both tables in two dimensions: principal components of the real rows, as densities and not as points.

A point would be a row of a person; cells of the grid with fewer than k real rows, or too few groups, stay empty.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.evaluation.disclosure import shared_cells
from rowsmith.evaluation.page.associations import binned
from rowsmith.evaluation.tables import ColumnKind, EvaluationTables, Part

__all__ = ["Projection", "project"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_MOST_ROWS = 5_000
_CELLS = 28
_BINS = 8
_MOST_COLUMNS = 60
_FEWEST_COLUMNS = 3
_UNUSED = (ColumnKind.KEY, ColumnKind.TEXT)


@frozen(eq=False, kw_only=True)
class Projection:
    """Densities on one grid, each from 0 to 1.

    Attributes:
        real: Of the real rows, shape (cells, cells), rows from the top.
        synthetic: Of the synthetic rows.
        explained: The share of the variance of the real rows that both components hold.
    """

    real: Floats
    synthetic: Floats
    explained: float


def project(tables: EvaluationTables) -> Projection | None:
    """Project at most 5,000 rows of each part; None for fewer than three columns, or without variance."""
    few = tables.sampled(_MOST_ROWS, "projection")
    columns = [each for each in few.columns if each.kind not in _UNUSED and each.name not in tables.group_by]
    codes = [binned(column, _BINS) for column in columns[:_MOST_COLUMNS]]
    if len(codes) < _FEWEST_COLUMNS:
        return None
    matrices = {part: _indicators([each[part] for each in codes]) for part in (Part.REAL, Part.SYNTHETIC)}
    centre = matrices[Part.REAL].mean(axis=0)
    _, values, axes = np.linalg.svd(matrices[Part.REAL] - centre, full_matrices=False)
    if len(values) < 2 or values[0] <= 1e-9:
        return None
    points = {part: (matrix - centre) @ axes[:2].T for part, matrix in matrices.items()}
    low, high = np.quantile(points[Part.REAL], (0.005, 0.995), axis=0)
    cells = {part: _cells(each, low, high) for part, each in points.items()}
    shown = {
        Part.REAL: shared_cells(cells[Part.REAL], _CELLS**2, few),
        Part.SYNTHETIC: np.bincount(cells[Part.SYNTHETIC][cells[Part.SYNTHETIC] >= 0], minlength=_CELLS**2) >= few.k,
    }
    grids = {part: _density(each, shown[part]) for part, each in cells.items()}
    return Projection(
        real=grids[Part.REAL],
        synthetic=grids[Part.SYNTHETIC],
        explained=float((values[:2] ** 2).sum() / (values**2).sum()),
    )


def _indicators(codes: list[npt.NDArray[np.int64]]) -> Floats:
    """One-hot codes of all columns; shape (rows, columns * codes)."""
    width = _BINS + 2
    return np.concatenate([np.eye(width)[each] for each in codes], axis=1)


def _cells(points: Floats, low: Floats, high: Floats) -> Ints:
    """The cell of each point, counted row by row from the top left; -1 outside of the grid."""
    width = np.where(high > low, high - low, 1.0)
    at = np.floor((points - low) / width * _CELLS).astype(np.int64)
    inside = ((points >= low) & (points <= low + width)).all(axis=1)
    at = at.clip(0, _CELLS - 1)
    return np.where(inside, (_CELLS - 1 - at[:, 1]) * _CELLS + at[:, 0], -1)


def _density(cells: Ints, shown: Mask) -> Floats:
    counts = np.bincount(cells[cells >= 0], minlength=_CELLS**2) * shown
    most = counts.max()
    # The root shows thin regions beside dense ones.
    density = np.sqrt(counts / most) if most else counts
    return np.asarray(density, dtype=np.float64).reshape(_CELLS, _CELLS)
