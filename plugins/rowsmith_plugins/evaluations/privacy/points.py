"""Rows as points, so that near rows are found by distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.evaluation import ColumnKind, EvaluatedColumn, EvaluationTables, Part
from rowsmith_plugins.evaluations.privacy.row_hashes import compared_columns, units_of

__all__ = ["Points", "drawn_rows", "nearest", "point_columns", "points"]

_MOST_LABELS = 50
_FURTHEST = 5.0

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@frozen(eq=False)
class Points:
    """Rows as points.

    A number is scaled by mean and standard deviation of the training rows, cut at 5. Of a label's 50 commonest
    values, and one for all others, each is an axis; two different labels are at a distance of 1. A null is an axis,
    too.

    Attributes:
        values: The points of each part, float32 ``[rows, axes]``.
        owners: The index of each axis' column.
    """

    values: Mapping[Part, Floats]
    owners: Ints

    def of(self, part: Part, columns: Sequence[int]) -> Floats:
        """The points in the space of some columns."""
        return self.values[part][:, np.isin(self.owners, columns)]


def point_columns(tables: EvaluationTables) -> tuple[EvaluatedColumn, ...]:
    """The columns that make points: neither identifiers nor texts, whose distance means little."""
    return tuple(column for column in compared_columns(tables) if column.kind is not ColumnKind.TEXT)


def drawn_rows(tables: EvaluationTables, part: Part, most: int, generator: np.random.Generator) -> Ints:
    """At most so many rows, of grouped tables one of each group, so that they do not depend on each other."""
    order = generator.permutation(tables.sizes[part])
    _, first = np.unique(units_of(tables, part)[order], return_index=True)
    return np.sort(generator.permutation(order[first])[:most])


def points(columns: Sequence[EvaluatedColumn], rows: Mapping[Part, Ints]) -> Points:
    """Make points of some rows of each part."""
    axes: dict[Part, list[Floats]] = {part: [] for part in rows}
    owners = list[int]()
    for index, column in enumerate(columns):
        made = _numbers(column, rows) if column.positions is not None else _labels(column, rows)
        for part, values in made.items():
            axes[part].append(values)
        owners += [index] * made[Part.REAL].shape[1]
    return Points(
        values={part: np.concatenate(each, axis=1) for part, each in axes.items()},
        owners=np.array(owners, dtype=np.int64),
    )


def nearest(among: Floats, to: Floats, count: int = 1) -> tuple[npt.NDArray[np.float64], Ints]:
    """The nearest points of some others.

    Args:
        among: Points to choose from.
        to: Points whose neighbours are asked for.
        count: Neighbours of each.

    Returns:
        Distances and indices, ``[points, count]``, nearest first.
    """
    from sklearn.neighbors import NearestNeighbors

    distances, indices = NearestNeighbors(n_neighbors=count, algorithm="brute", n_jobs=1).fit(among).kneighbors(to)
    return distances.astype(np.float64), indices.astype(np.int64)


def _numbers(column: EvaluatedColumn, rows: Mapping[Part, Ints]) -> dict[Part, Floats]:
    real = column.numbers(Part.REAL)
    real = real[np.isfinite(real)]
    mean, spread = (float(real.mean()), float(real.std())) if len(real) else (0.0, 0.0)
    made = dict[Part, Floats]()
    for part, each in rows.items():
        values = column.numbers(part)[each]
        known = np.isfinite(values)
        scaled = np.where(known, (values - mean) / (spread or 1.0), 0.0).clip(-_FURTHEST, _FURTHEST)
        made[part] = np.stack([scaled, ~known], axis=1).astype(np.float32)
    return made


def _labels(column: EvaluatedColumn, rows: Mapping[Part, Ints]) -> dict[Part, Floats]:
    counts = column.counts(Part.REAL)
    common = np.argsort(-counts, kind="stable")[:_MOST_LABELS]
    axis = np.full(len(column.labels) + 1, len(common), dtype=np.int64)
    axis[common] = np.arange(len(common))
    axis[-1] = len(common) + 1
    made = dict[Part, Floats]()
    for part, each in rows.items():
        flags = np.zeros((len(each), len(common) + 2), dtype=np.float32)
        flags[np.arange(len(each)), axis[column.codes[part][each]]] = np.float32(np.sqrt(0.5))
        made[part] = flags
    return made
