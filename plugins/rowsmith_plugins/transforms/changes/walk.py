"""Values from where each group begins and the changes that follow.

A drawn change is not what its label stands for, but only near it. Whoever writes the labels reckons with what they
stand for, so values are led back, a little with each change, to where that reckoning is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rowsmith_plugins.transforms.changes.labels import Span
from rowsmith_plugins.transforms.groups.bounds import Bounds

__all__ = ["walk"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_LED_BACK = 0.2
"""How much of the way to the reckoning a change makes up for."""
_MOST_MOVED = 0.5
"""How much of the way to the end of its label a drawn change moves: all the way would pile changes up there."""


def walk(begin: Ints, reckoned: Floats, spans: Span, bounds: Bounds, top: int, uniform: Floats) -> Ints:
    """The place of each row.

    Args:
        begin: The place of the first row of each group.
        reckoned: What the label of that place stands for.
        spans: The change of each row; that of first rows is not used.
        bounds: The groups of the rows.
        top: The highest place; the lowest is 0.
        uniform: A number in [0, 1) for each row, for rounding.
    """
    lengths = np.diff(np.append(bounds.starts, len(bounds.first)))
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = bounds.starts[order], lengths[order]
    place, hand = begin[order], reckoned[order].astype(np.float64)
    places = np.empty(len(bounds.first), dtype=np.int64)
    places[starts] = place
    below = _MOST_MOVED * (spans.low - spans.drawn)
    above = _MOST_MOVED * (spans.high - spans.drawn)
    # The groups that have so many rows come first.
    active = np.searchsorted(-lengths, -np.arange(1, lengths.max(initial=1)), side="left")
    for at, count in enumerate(active.tolist(), start=1):
        rows, place, hand = starts[:count] + at, place[:count], hand[:count]
        moved = np.floor((_LED_BACK * (hand - place)).clip(below[rows], above[rows]) + uniform[rows])
        place = (place + spans.drawn[rows] + moved.astype(np.int64)).clip(0, top)
        hand = (hand + spans.mean[rows]).clip(0, top)
        places[rows] = place
    return places
