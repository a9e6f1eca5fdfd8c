"""Labels of steps: the distance of each record from the one before it in its group.

A step of enough groups is a label of its own. All other steps are cut into bins of about equal
rows (see ``bins``), unless they are so few that they join the nearest label; a step is then drawn inside its bin,
in multiples of the common divisor of all training steps.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.randomness.draws import Draws
from rowsmith_plugins.transforms.common.counting import is_wide, kth_extremes
from rowsmith_plugins.transforms.groups.order_axis import OrderAxis
from rowsmith_plugins.transforms.quantize.bins import Cells, cut_cells, peaks
from rowsmith_plugins.transforms.quantize.number_line import NumberLine

__all__ = ["StepCoder", "fit_steps", "support"]

Ints = npt.NDArray[np.int64]

_MOST_LABELS = 1_000
_MOST_BINS = 256
_ROWS_A_BIN = 20


@frozen
class StepCoder:
    """Steps, in ticks of the order axis, as labels.

    Attributes:
        grid: Common divisor of all steps, in ticks.
        high: The largest step, in multiples of the grid.
        cells: Labels of the multiples: bins first, then steps with labels of their own.
        labels: The label of each cell.
        amounts: The distance of each label, in the order column's unit.
    """

    grid: int
    high: int
    cells: Cells
    labels: tuple[str, ...]
    amounts: tuple[float, ...]

    def code(self, steps: Ints) -> Ints:
        """Index in ``labels`` of each step in ticks; the nearest one for unseen steps."""
        if not self.labels:
            return np.full(len(steps), -1, dtype=np.int64)
        multiples = (steps // self.grid + (steps % self.grid) * 2 // self.grid).clip(0, self.high)
        return self.cells.find(multiples)[0]

    def draw(self, codes: Ints, draws: Draws) -> Ints:
        """Steps in ticks; a code of -1 draws any step."""
        if not self.labels:
            return np.zeros(len(codes), dtype=np.int64)
        odd = codes < 0
        codes = np.where(
            odd, np.minimum(draws.uniform("groups.step.odd") * len(self.labels), len(self.labels) - 1), codes
        )
        line = NumberLine("whole", 0, 0, self.high, 1)
        whole = codes.astype(np.int64)
        multiples = self.cells.draw(whole, np.zeros(len(whole), dtype=np.int64), draws.uniform("groups.step"), line)
        return multiples * self.grid

    def describe(self) -> str:
        """Describe what it holds of the training data."""
        return (
            f"{len(self.cells.atoms)} steps between records that several groups have, the edges of "
            f"{max(0, len(self.cells.rows) - 1)} bins of steps, {len(self.cells.knots)} means of neighbouring steps"
        )


def fit_steps(steps: Ints, groups: Ints, axis: OrderAxis, k: int) -> StepCoder:
    """Learn the labels of steps.

    Args:
        steps: The step of each record that is not the first of its group, in ticks, at least 0.
        groups: The number of its group, ascending.
        axis: The order axis.
        k: A step has a label of its own if at least this many groups have it, or this many records if there are
            fewer groups.
    """
    if not len(steps):
        return StepCoder(1, 0, Cells((), (0,), (), (), (), ()), (), ())
    values, inverse = np.unique(steps, return_inverse=True)
    counts = np.bincount(inverse)
    grid = int(np.gcd.reduce(values)) or 1
    multiples = values // grid
    atom = _atoms(multiples, counts, support(inverse, groups, counts, k), k)
    multiples, counts, atom = _clipped(multiples, counts, atom, k)
    line = NumberLine("whole", 0, 0, int(multiples[-1]), 1)
    bins = max(1, min(_MOST_BINS, int(counts[~atom].sum()) // _ROWS_A_BIN))
    cells = cut_cells(multiples, counts, atom, line, bins=bins, positions=1, k=k)
    means = _means(cells, multiples, counts)
    exact = np.array(cells.atoms, dtype=np.int64) * grid
    labels = [*(f"b{bin_:03d}" for bin_ in range(cells.bins)), *axis.step_texts(exact, grid)]
    return StepCoder(grid, int(multiples[-1]), cells, tuple(labels), tuple(axis.distances(means * grid).tolist()))


def support(values: Ints, groups: Ints, counts: Ints, k: int) -> Ints:
    """Number of groups of each value; number of rows if there are fewer than ``k`` groups.

    Args:
        values: The number of each row's value.
        groups: The number of each row's group, ascending.
        counts: The rows of each value.
        k: The number of groups below which rows are counted.
    """
    if not len(groups) or len(np.unique(groups)) < k:
        return counts
    pairs = np.unique(groups * len(counts) + values)
    return np.bincount(pairs % len(counts), minlength=len(counts))


def _atoms(multiples: Ints, counts: Ints, held: Ints, k: int) -> npt.NDArray[np.bool_]:
    """Mask of steps with labels of their own."""
    atom: npt.NDArray[np.bool_] = held >= k
    if is_wide(counts, _MOST_LABELS):
        least = max(k, int(counts.sum()) // _MOST_BINS)
        atom &= peaks(multiples, counts, least, _MOST_BINS) | (multiples == 0)
    elif int(atom.sum()) > _MOST_LABELS:
        atom &= counts >= np.sort(counts[atom])[-_MOST_LABELS]
    return atom


def _clipped(
    multiples: Ints, counts: Ints, atom: npt.NDArray[np.bool_], k: int
) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Clip steps without their own label to the k-th lowest and k-th highest of them."""
    rest = np.flatnonzero(~atom)
    if not len(rest):
        return multiples, counts, atom
    low, high = kth_extremes(rest, counts, k)
    moved = np.where(atom, multiples, multiples.clip(multiples[low], multiples[high]))
    found, inverse = np.unique(moved, return_inverse=True)
    still_atom = np.isin(found, multiples[atom])
    return found, np.bincount(inverse, weights=counts).astype(np.int64), still_atom


def _means(cells: Cells, multiples: Ints, counts: Ints) -> npt.NDArray[np.float64]:
    """The mean step of each label."""
    codes = cells.find(multiples)[0]
    rows = np.bincount(codes, weights=counts, minlength=cells.bins + len(cells.atoms))
    total = np.bincount(codes, weights=counts * multiples.astype(np.float64), minlength=len(rows))
    means = total / np.maximum(rows, 1)
    means[cells.bins :] = cells.atoms
    return means
