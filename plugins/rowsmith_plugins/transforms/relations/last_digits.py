"""Last digits that many numbers of a column share, such as readings that end in 0 or prices that end in .99.

Quantized numbers lose them: a number drawn from a bin ends in any digit. So the rows that have such an ending get a
label, and their numbers move to the nearest number of that ending.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen

from rowsmith.randomness.draws import Draws
from rowsmith_plugins.transforms.relations.axes import Ints, Mask

__all__ = ["Ending", "find_endings", "label_endings", "move_to_endings"]

OTHER = "other"
"""The label of numbers with none of the endings."""

_FEWEST_ROWS = 200
_EXCESS = 0.05
_SIGNIFICANCE = 6.0
_MOST_DIGITS = 4
_MOST_ENDINGS = 6
_FREQUENT = 0.01


@frozen
class Ending:
    """Numbers whose remainder, divided by a power of ten, is the same.

    Attributes:
        step: The power of ten, in units of the last digit.
        rest: The remainder.
    """

    step: int
    rest: int

    @property
    def label(self) -> str:
        """The last digits."""
        return str(self.rest).zfill(len(str(self.step)) - 1)

    def holds(self, units: Ints) -> Mask:
        """Which numbers have it."""
        found: Mask = units % self.step == self.rest
        return found

    def nearest(self, units: Ints) -> Ints:
        """The nearest number with it for each number."""
        return (units - self.rest + self.step // 2) // self.step * self.step + self.rest


def find_endings(units: Ints, k: int) -> tuple[Ending, ...]:
    """The endings that many numbers share, the rarest first among those that imply each other.

    Values that are frequent themselves are not counted: they have labels of their own.

    Args:
        units: The numbers.
        k: Least number of rows with an ending.
    """
    values, counts = np.unique(units, return_counts=True)
    rare = counts < max(_FREQUENT * len(units), 2)
    rows = int(counts[rare].sum())
    if rows < max(_FEWEST_ROWS, len(units) // 2):
        return ()
    units = np.repeat(values[rare], counts[rare])
    found: list[Ending] = []
    spread = int(np.ptp(np.quantile(units, [0.05, 0.95])))
    for digits in range(1, _MOST_DIGITS + 1):
        step = 10**digits
        if spread < 10 * step:
            break
        tally = np.bincount(units % step, minlength=step)
        # As many as if the further digit were uniform.
        expected = np.tile(np.bincount(units % (step // 10), minlength=step // 10), 10) / 10
        excess = tally - expected
        many = (tally >= k) & (excess >= _EXCESS * len(units))
        many &= excess >= _SIGNIFICANCE * np.sqrt(np.maximum(expected, 1))
        found += [Ending(step, rest) for rest in np.flatnonzero(many).tolist()]
    # A single ending of all rows is the step of the column, not a choice.
    if any(each.holds(units).all() for each in found):
        return ()
    return tuple(reversed(found[-_MOST_ENDINGS:]))


def label_endings(units: Ints, rows: Mask, endings: Sequence[Ending]) -> Ints:
    """The index of the first ending that each number has; their number for none, -1 outside ``rows``.

    Args:
        units: The numbers.
        rows: Which rows are labelled.
        endings: The endings, the most special first.
    """
    labels = np.full(len(units), len(endings), dtype=np.int64)
    for index in reversed(range(len(endings))):
        labels[endings[index].holds(units)] = index
    labels[~rows] = -1
    return labels


def move_to_endings(
    units: Ints, labels: Ints, endings: Sequence[Ending], low: Ints, high: Ints, draws: Draws, name: str
) -> Ints:
    """Move each number to the nearest with its ending, within its bounds; where there is none, it stays.

    Args:
        units: The numbers.
        labels: An index of ``endings``, their number for none of them, or -1 for numbers that stay.
        endings: The endings.
        low: The least allowed number of each row.
        high: The greatest.
        draws: Random numbers, one stream per row.
        name: The column, for the random numbers.
    """
    moved = units.copy()
    for index, ending in enumerate(endings):
        found = ending.nearest(units)
        found = np.where(found < low, found + ending.step, found)
        found = np.where(found > high, found - ending.step, found)
        moved = np.where((labels == index) & (found >= low) & (found <= high), found, moved)
    wrong = (labels == len(endings)) & (label_endings(units, labels >= -1, endings) < len(endings))
    if wrong.any():
        steps = min(each.step for each in endings)
        away = draws.integers(f"relations.{name}.digits", steps - 1) + 1
        found = np.where(units + away > high, units - away, units + away)
        allowed = wrong & (found >= low) & (found <= high)
        moved = np.where(allowed, found, moved)
    return moved
