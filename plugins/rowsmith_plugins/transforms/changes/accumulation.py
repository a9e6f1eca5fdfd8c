"""Accumulation of changes to values, with drift correction.

A drawn change is near the amount of its label, but the model generates labels as if they were exact. So each value is
moved 20 % toward the value implied by the labels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rowsmith_plugins.transforms.changes.labels import Span
from rowsmith_plugins.transforms.groups.bounds import Bounds

__all__ = ["accumulate"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_DRIFT_CORRECTION = 0.2
"""Share of the drift that each change corrects."""
_MOST_MOVED = 0.5
"""Largest correction, as a share of the way to the end of the label; larger ones would pile changes up at the end."""


def accumulate(begin: Ints, expected: Floats, spans: Span, bounds: Bounds, top: int, uniform: Floats) -> Ints:
    """The ordinal of each row.

    Args:
        begin: The ordinal of the first row of each group.
        expected: The ordinal of its label.
        spans: The change of each row; that of first rows is not used.
        bounds: The groups of the rows.
        top: The highest ordinal; the lowest is 0.
        uniform: A number in [0, 1) for each row, for rounding.
    """
    lengths = np.diff(np.append(bounds.starts, len(bounds.first)))
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = bounds.starts[order], lengths[order]
    ordinal, expected_now = begin[order], expected[order].astype(np.float64)
    ordinals = np.empty(len(bounds.first), dtype=np.int64)
    ordinals[starts] = ordinal
    below = _MOST_MOVED * (spans.low - spans.drawn)
    above = _MOST_MOVED * (spans.high - spans.drawn)
    # Groups are sorted by length, so those with another row come first.
    active = np.searchsorted(-lengths, -np.arange(1, lengths.max(initial=1)), side="left")
    for at, count in enumerate(active.tolist(), start=1):
        rows, ordinal, expected_now = starts[:count] + at, ordinal[:count], expected_now[:count]
        moved = np.floor((_DRIFT_CORRECTION * (expected_now - ordinal)).clip(below[rows], above[rows]) + uniform[rows])
        ordinal = (ordinal + spans.drawn[rows] + moved.astype(np.int64)).clip(0, top)
        expected_now = (expected_now + spans.mean[rows]).clip(0, top)
        ordinals[rows] = ordinal
    return ordinals
