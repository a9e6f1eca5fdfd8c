"""Rows as points in space, on the scale of the real ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rowsmith.evaluation import ColumnKind, EvaluatedColumn, EvaluationTables, Part

__all__ = ["points_of"]

MOST_LABELS = 20
_FARTHEST = 5.0

Points = npt.NDArray[np.float32]


def points_of(tables: EvaluationTables) -> dict[Part, Points]:
    """The rows of each part as points; keys and free text are left out.

    Numbers are centred and scaled by the real rows' deviation, at most five of them; where one is missing it is the
    centre. Of labels the commonest have an axis each, so that two different ones are a distance of one apart.

    Args:
        tables: The tables.

    Returns:
        float32 ``[rows, axes]`` by part; without axes where no column has any.
    """
    axes: dict[Part, list[Points]] = {part: [] for part in tables.sizes}
    for column in tables.columns:
        if column.kind in (ColumnKind.NUMBER, ColumnKind.MOMENT):
            _add_numbers(column, axes)
        elif column.kind is ColumnKind.LABEL:
            _add_labels(column, axes)
    return {
        part: np.concatenate(each, axis=1) if each else np.zeros((tables.sizes[part], 0), dtype=np.float32)
        for part, each in axes.items()
    }


def _add_numbers(column: EvaluatedColumn, axes: dict[Part, list[Points]]) -> None:
    real = column.numbers(Part.REAL)
    known = real[np.isfinite(real)]
    largest = float(np.abs(known).max(initial=0.0))
    if largest == 0 or (known / largest).std() == 0:
        return
    known = known / largest
    for part, found in axes.items():
        with np.errstate(over="ignore"):
            scaled = np.nan_to_num((column.numbers(part) / largest - known.mean()) / known.std(), nan=0.0)
        found.append(np.clip(scaled, -_FARTHEST, _FARTHEST).astype(np.float32)[:, None])


def _add_labels(column: EvaluatedColumn, axes: dict[Part, list[Points]]) -> None:
    commonest = np.argsort(-column.counts(Part.REAL), kind="stable")[:MOST_LABELS]
    for part, found in axes.items():
        hot = column.codes[part][:, None] == commonest[None, :]
        found.append((hot / np.sqrt(2)).astype(np.float32))
