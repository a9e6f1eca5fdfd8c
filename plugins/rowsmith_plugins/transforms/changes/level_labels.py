"""Labels of levels: each value gets the label of the nearest landmark.

Landmarks are the means of blocks of values with about equal records, and the ends of the range. A value is
drawn near its landmark by the distribution of values there: first values of groups, if there are many groups.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.table.schema import ColumnSchema
from rowsmith_plugins.transforms.common.counting import kth_extremes, nearest
from rowsmith_plugins.transforms.quantize.bins import cut_cells, shape
from rowsmith_plugins.transforms.quantize.number_line import NumberLine

__all__ = ["LevelCoder", "fit_levels"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_FEWEST_MOST, _MOST = 32, 64
_ROWS_A_LANDMARK = 50
_MANY_GROUPS = 50


@frozen
class LevelCoder:
    """Landmarks on a number line; all sequences ascend.

    Attributes:
        landmarks: The ordinals of the landmarks.
        begun: The number of values before each landmark's cell, and of all values at the end.
        knot_rows: The number of values before each knot.
        knots: Ordinal of each knot.
    """

    landmarks: tuple[int, ...]
    begun: tuple[int, ...]
    knot_rows: tuple[float, ...]
    knots: tuple[float, ...]

    def code(self, ordinals: Ints) -> Ints:
        """The number of the landmark nearest to each ordinal, the lower one on a tie."""
        return nearest(ordinals.astype(np.float64), np.array(self.landmarks, dtype=np.float64))

    def any_code(self, uniform: Floats) -> Ints:
        """Draw landmarks, weighted by the values near them."""
        begun = np.array(self.begun)
        codes = np.searchsorted(begun, uniform * begun[-1], side="right") - 1
        return np.asarray(codes.clip(0, len(self.landmarks) - 1), dtype=np.int64)

    def draw(self, codes: Ints, uniform: Floats) -> Ints:
        """Draw an ordinal near each landmark."""
        landmarks, begun = np.array(self.landmarks, dtype=np.int64), np.array(self.begun, dtype=np.float64)
        low, high = _cells(landmarks)
        rows = begun[codes + 1] - begun[codes]
        near = np.rint(np.interp(begun[codes] + uniform * rows, self.knot_rows, self.knots)).astype(np.int64)
        # Without training values here, the landmark itself is the best guess.
        return np.where(rows > 0, near.clip(low[codes], high[codes]), landmarks[codes])

    def texts(self, line: NumberLine, column: ColumnSchema) -> list[str]:
        """The label of each landmark."""
        return [f"~{text}" for text in line.spell(np.array(self.landmarks, dtype=np.int64), column)]

    def describe(self) -> str:
        """Describe what it holds of the training data."""
        return f"means of {len(self.landmarks)} blocks of values, {len(self.knots)} means of neighbouring values"


def fit_levels(ordinals: Ints, first: Ints, line: NumberLine, k: int) -> LevelCoder:
    """Learn the landmarks.

    Args:
        ordinals: The ordinal of each value, at least one.
        first: The ordinal of the first value of each group.
        line: The number line.
        k: The least number of records for a landmark or a knot.
    """
    values, counts = np.unique(ordinals, return_counts=True)
    bins = min(max(1, len(ordinals) // k), _MOST, max(_FEWEST_MOST, len(ordinals) // _ROWS_A_LANDMARK))
    cells = cut_cells(values, counts, np.zeros(len(values), dtype=np.bool_), line, bins=bins, positions=1, k=k)
    blocks = cells.find(ordinals)[0]
    means = np.bincount(blocks, weights=ordinals.astype(np.float64)) / np.maximum(np.bincount(blocks), 1)
    landmarks = np.unique(np.append(np.rint(means).astype(np.int64), [values[0], values[-1]]))
    drawn = _without_extremes(first, k) if len(first) >= max(_MANY_GROUPS, 2 * k) else ordinals
    values, counts = np.unique(drawn, return_counts=True)
    before = np.append(0, np.cumsum(counts))[np.searchsorted(values, _cells(landmarks)[0])]
    knot_rows, knots = shape(values.astype(np.float64), counts, k)
    return LevelCoder(
        landmarks=tuple(landmarks.tolist()),
        begun=(*before.tolist(), int(counts.sum())),
        knot_rows=tuple(knot_rows.tolist()),
        knots=tuple(knots.tolist()),
    )


def _without_extremes(ordinals: Ints, k: int) -> Ints:
    values, counts = np.unique(ordinals, return_counts=True)
    low, high = kth_extremes(np.arange(len(values)), counts, k)
    return ordinals.clip(values[low], values[high])


def _cells(landmarks: Ints) -> tuple[Ints, Ints]:
    """The first and the last ordinal of each landmark's cell."""
    middles = landmarks[:-1] + (landmarks[1:] - landmarks[:-1]) // 2
    return np.append(landmarks[:1], middles + 1), np.append(middles, landmarks[-1:])
