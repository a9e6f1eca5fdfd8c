"""Labels of changes: the difference of each value from the one before it.

If nearly all records have a change that at least k records have, each such change is a label, and the others join the
nearest label. Otherwise changes are cut into bins of about equal rows (see ``bins``), except frequent
ones, often no change at all; a change is then drawn inside its bin.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith_plugins.transforms.common.counting import kth_extremes
from rowsmith_plugins.transforms.quantize.bins import Cells, cut_cells, peaks
from rowsmith_plugins.transforms.quantize.number_line import NumberLine

__all__ = ["ChangeCoder", "Span", "fit_changes"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_MOST_EXACT = 300
_MOST_JOINED = 0.01
"""The largest share of records whose change joins the nearest label."""
_ROWS_A_BIN = 10
_FEWEST_MOST_BINS, _MOST_BINS = 64, 256
_ROWS_A_BIN_OF_MANY = 200
_FAR = np.int64(2**62)


@frozen(eq=False)
class Span:
    """A change drawn for each row, and the range of its label around it.

    Attributes:
        drawn: The change, in ordinals.
        low: The least change around it that has the same label.
        high: The greatest.
        mean: The amount of the label.
    """

    drawn: Ints
    low: Ints
    high: Ints
    mean: Floats


@frozen
class ChangeCoder:
    """Changes, in ordinals of a number line, as labels.

    Attributes:
        low: The lowest change.
        high: The highest change.
        cells: How changes, counted from ``low``, are cut: bins first, then changes that are labels of their own.
        means: The change, or the mean of the changes, of each label.
        rows: The rows of each label.
    """

    low: int
    high: int
    cells: Cells
    means: tuple[float, ...]
    rows: tuple[int, ...]

    def code(self, changes: Ints) -> Ints:
        """The number of the label of each change; of one outside the range, that of the range's end."""
        return self.cells.find(changes.clip(self.low, self.high) - self.low)[0]

    def any_code(self, uniform: Floats) -> Ints:
        """Draw labels by their frequency."""
        rows = np.cumsum(self.rows)
        return np.asarray(np.searchsorted(rows, uniform * rows[-1], side="right"), dtype=np.int64)

    def draw(self, codes: Ints, uniform: Floats) -> Span:
        """Draw a change for each label."""
        line = NumberLine("whole", 0, 0, self.high - self.low, 1)
        drawn = self.cells.draw(codes, np.zeros(len(codes), dtype=np.int64), uniform, line)
        low, high = self._limits(codes, drawn)
        return Span(drawn + self.low, low + self.low, high + self.low, np.array(self.means)[codes])

    def texts(self, unit: float, digits: int) -> list[str]:
        """The label of each.

        Args:
            unit: The amount of one ordinal.
            digits: Digits after the point of the column's values.
        """
        width = max(2, len(str(self.cells.bins - 1)))
        bins = [f"b{bin_:0{width}d}" for bin_ in range(self.cells.bins)]
        return bins + [f"{mean * unit:+.{digits}f}" if mean else "0" for mean in self.means[self.cells.bins :]]

    def describe(self) -> str:
        """Describe what it holds of the training data."""
        return (
            f"{len(self.cells.atoms)} changes that several records have, the edges of {self.cells.bins} bins of "
            f"changes, {len(self.cells.knots)} means of neighbouring changes"
        )

    def _limits(self, codes: Ints, drawn: Ints) -> tuple[Ints, Ints]:
        """The range of changes around each drawn one that are in its bin, with no atom in between."""
        low, high, binned = drawn.copy(), drawn.copy(), codes < self.cells.bins
        if binned.any():
            atoms, lows = np.array(self.cells.atoms, dtype=np.int64), np.array(self.cells.lows, dtype=np.int64)
            first, last = (
                each + np.searchsorted(atoms - np.arange(len(atoms)), each, side="right")
                for each in (lows[:-1], np.append(lows[1:-1] - 1, lows[-1]))
            )
            bins, rank = codes[binned], np.searchsorted(atoms, drawn[binned])
            low[binned] = np.maximum(first[bins], np.append(-_FAR, atoms + 1)[rank])
            high[binned] = np.minimum(last[bins], np.append(atoms - 1, _FAR)[rank])
        return low, high


def fit_changes(changes: Ints, k: int) -> ChangeCoder:
    """Learn the labels of changes.

    Args:
        changes: At least one change, in ordinals.
        k: The fewest records of a label.
    """
    values, counts = np.unique(changes, return_counts=True)
    exact = counts >= k
    joined = int(counts[~exact].sum())
    if exact.any() and len(values) <= _MOST_EXACT and joined <= _MOST_JOINED * len(changes):
        labelled = values[exact]
        cells = Cells(tuple((labelled - labelled[0]).tolist()), (0,), (), (), (), ())
        low, high = int(labelled[0]), int(labelled[-1])
    else:
        first, last = kth_extremes(np.arange(len(values)), counts, k)
        low, high = int(values[first]), int(values[last])
        cells = _cut(changes.clip(low, high), low, high, k)
    codes = cells.find(values.clip(low, high) - low)[0]
    rows = np.bincount(codes, weights=counts, minlength=cells.bins + len(cells.atoms))
    total = np.bincount(codes, weights=counts * values.clip(low, high).astype(np.float64), minlength=len(rows))
    means = total / np.maximum(rows, 1)
    means[cells.bins :] = np.array(cells.atoms, dtype=np.int64) + low
    return ChangeCoder(low, high, cells, tuple(means.tolist()), tuple(rows.astype(np.int64).tolist()))


def _cut(changes: Ints, low: int, high: int, k: int) -> Cells:
    values, counts = np.unique(changes, return_counts=True)
    many = min(_MOST_BINS, max(_FEWEST_MOST_BINS, len(changes) // _ROWS_A_BIN_OF_MANY))
    bins = max(1, min(many, len(changes) // max(k, _ROWS_A_BIN)))
    least = max(k, len(changes) // bins)
    frequent: Mask = peaks(values, counts, least, bins) | ((values == 0) & (counts >= least))
    line = NumberLine("whole", 0, 0, high - low, 1)
    return cut_cells(values - low, counts, frequent, line, bins=bins, positions=1, k=k)
