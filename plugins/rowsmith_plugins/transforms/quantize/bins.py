"""Binning of a numeric column, and the distribution of numbers inside bins.

Works on ordinals (see ``number_line``). A frequent value is an *atom* with its own label. All other ordinals
are cut into *bins* of about equal rows, and each bin into *cells*, one for each position inside it. Atoms are
removed from the line before it is cut, so a cell is a range without gaps and a number drawn in it always
belongs to it again.

Inside a cell numbers follow a piecewise-linear quantile function. Its knots are means of at least k
neighbouring order statistics, so none is the value of a single row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from attrs import asdict, frozen

from rowsmith_plugins.transforms.common.counting import nearest
from rowsmith_plugins.transforms.quantize.number_line import NumberLine

__all__ = ["Cells", "Reach", "cut_cells", "peaks", "shape"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MOST_KNOTS = 8_192
_AT_ONCE = 512
_NEIGHBOURS = 8
_PEAK = 3.0


@frozen(eq=False)
class Reach:
    """Allowed range of the number of each row; arrays ``[rows]``.

    Attributes:
        low: The lowest ordinal.
        high: The highest.
        low_between: The lowest ordinal on the line without atoms.
        high_between: The highest; below ``low_between`` if only atoms are in reach.
        first: The first cell in reach.
        last: The last one; before ``first`` if there is none.
    """

    low: Ints
    high: Ints
    low_between: Ints
    high_between: Ints
    first: Ints
    last: Ints

    def take(self, rows: npt.NDArray[np.bool_]) -> Reach:
        """The reach of some of the rows."""
        return Reach(**{name: each[rows] for name, each in asdict(self, recurse=False).items()})


@frozen
class Cells:
    """The labels of a quantized column; all sequences ascend.

    Attributes:
        atoms: Ordinals that are labels of their own.
        firsts: The first cell of each bin, and the number of cells at the end; just 0 if every
            value is an atom.
        lows: Where each cell starts on the line without atoms, and the last ordinal at the end.
        rows: The number of rows before each cell, and of all rows at the end.
        knot_rows: The number of rows before each knot.
        knots: Position of each knot on the axis.
    """

    atoms: tuple[int, ...]
    firsts: tuple[int, ...]
    lows: tuple[int, ...]
    rows: tuple[int, ...]
    knot_rows: tuple[float, ...]
    knots: tuple[float, ...]

    @property
    def bins(self) -> int:
        """Number of bins."""
        return len(self.firsts) - 1

    @property
    def positions(self) -> int:
        """Maximum number of cells of a bin."""
        return int(np.diff(self.firsts).max(initial=0))

    def find(self, ordinals: Ints) -> tuple[Ints, Ints]:
        """The labels of ordinals.

        Args:
            ordinals: ``int64[n]``.

        Returns:
            For each, its bin, or the number of bins plus its atom; and its position in the bin, -1
            for an atom.
        """
        if not self.bins:
            atoms = nearest(ordinals.astype(np.float64), np.array(self.atoms, dtype=np.float64))
            return atoms, np.full(len(ordinals), -1)
        atoms, rank = np.array(self.atoms, dtype=np.int64), np.searchsorted(self.atoms, ordinals)
        is_atom = np.append(atoms, np.int64(0))[rank] == ordinals if len(atoms) else np.zeros(len(ordinals), dtype=bool)
        is_atom &= rank < len(atoms)
        cell = np.searchsorted(np.array(self.lows[1:-1], dtype=np.int64), ordinals - rank, side="right")
        firsts = np.array(self.firsts, dtype=np.int64)
        bin_ = np.searchsorted(firsts, cell, side="right") - 1
        return np.where(is_atom, self.bins + rank, bin_), np.where(is_atom, -1, cell - firsts[bin_])

    def reach(self, low: Ints, high: Ints) -> Reach:
        """The cells and atoms between two ordinals, ends included, for each row."""
        atoms, inner = np.array(self.atoms, dtype=np.int64), np.array(self.lows[1:-1], dtype=np.int64)
        below = low - np.searchsorted(atoms, low, side="left")
        above = high - np.searchsorted(atoms, high, side="right")
        first, last = (np.searchsorted(inner, each, side="right") for each in (below, above))
        some = (above >= below) & bool(self.bins)
        return Reach(low, high, below, above, first, np.where(some, last, first - 1))

    def bins_in_reach(self, bins: Ints, reach: Reach) -> npt.NDArray[np.bool_]:
        """Mask of bins and atoms with some number in reach."""
        atoms = np.append(np.array(self.atoms, dtype=np.int64), np.int64(0))
        exact = atoms[np.where(bins >= self.bins, bins - self.bins, -1)]
        firsts = np.append(np.array(self.firsts, dtype=np.int64), np.int64(0))
        plain = np.minimum(bins, self.bins)
        overlap = np.maximum(firsts[plain], reach.first) <= np.minimum(firsts[plain + 1] - 1, reach.last)
        return np.where(bins >= self.bins, (exact >= reach.low) & (exact <= reach.high), overlap)

    def cells_in_reach(self, bins: Ints, positions: Ints, reach: Reach) -> npt.NDArray[np.bool_]:
        """Mask of positions whose cell is in reach; atoms always are."""
        firsts = np.append(np.array(self.firsts, dtype=np.int64), np.int64(0))
        cells = firsts[np.minimum(bins, self.bins)] + positions
        return (bins >= self.bins) | ((cells >= reach.first) & (cells <= reach.last))

    def draw_bins(self, uniform: Floats, reach: Reach | None) -> Ints:
        """Draw a bin for each row, weighted by rows; an atom if no bin is in reach."""
        if not self.bins:
            return self._draw_atoms(uniform, reach)
        rows, cells = np.array(self.rows, dtype=np.float64), len(self.rows) - 1
        first, last = (0, cells - 1) if reach is None else (reach.first.clip(0, cells - 1), reach.last)
        cell = self._draw_cells(rows, first, np.maximum(last, first), uniform)
        bins = np.searchsorted(np.array(self.firsts), cell, side="right") - 1
        if reach is None:
            return bins
        none = reach.last < reach.first
        bins[none] = self.bins + self._draw_atoms(uniform[none], reach.take(none))
        return bins

    def draw_positions(self, bins: Ints, uniform: Floats, reach: Reach | None) -> Ints:
        """Draw a position inside each bin, weighted by rows; 0 for atoms."""
        rows, firsts = np.array(self.rows, dtype=np.float64), np.array(self.firsts, dtype=np.int64)
        plain = bins < self.bins
        first, last = firsts[bins[plain]], firsts[bins[plain] + 1] - 1
        low, high = first, last
        if reach is not None:
            low, high = np.maximum(low, reach.first[plain]), np.minimum(high, reach.last[plain])
        positions = np.zeros(len(bins), dtype=np.int64)
        positions[plain] = self._draw_cells(rows, low, high, uniform[plain]) - first
        return positions

    def _draw_cells(self, rows: Floats, first: Ints | int, last: Ints | int, uniform: Floats) -> Ints:
        level = rows[first] + uniform * (rows[np.asarray(last) + 1] - rows[first])
        return np.asarray(np.clip(np.searchsorted(rows, level, side="right") - 1, first, last), dtype=np.int64)

    def _draw_atoms(self, uniform: Floats, reach: Reach | None) -> Ints:
        atoms = np.array(self.atoms, dtype=np.int64)
        low, high = (atoms[:1], atoms[-1:]) if reach is None else (reach.low, reach.high)
        first = np.searchsorted(atoms, low, side="left").clip(0, len(atoms) - 1)
        last = np.maximum(np.searchsorted(atoms, high, side="right") - 1, first)
        return np.asarray(first + np.floor(uniform * (last - first + 1)), dtype=np.int64)

    def draw(self, bins: Ints, positions: Ints, uniform: Floats, line: NumberLine, reach: Reach | None = None) -> Ints:
        """Draw an ordinal for each pair of labels; ascending in ``uniform``.

        Args:
            bins: Bins and atoms as returned by ``find``.
            positions: Positions of the bins; not used for atoms.
            uniform: In [0, 1).
            line: The column's line.
            reach: Allowed range of the numbers, which overlaps every cell; None for no limit.
        """
        drawn = np.zeros(len(bins), dtype=np.int64)
        atom = bins >= self.bins
        drawn[atom] = np.array(self.atoms, dtype=np.int64)[bins[atom] - self.bins]
        if not atom.all():
            cells = np.array(self.firsts, dtype=np.int64)[bins[~atom]] + positions[~atom]
            drawn[~atom] = self._draw_in(cells, uniform[~atom], line, None if reach is None else reach.take(~atom))
        return drawn

    def ascending(self) -> Ints:
        """Bins and atoms as returned by ``find``, in the order of their numbers."""
        edges = np.array(self.lows, dtype=np.float64)[list(self.firsts)] if self.bins else np.empty(0)
        # An atom may be inside a bin.
        middles = (edges[1:] + edges[:-1]) / 2
        return np.argsort([*middles, *(atom - rank for rank, atom in enumerate(self.atoms))], kind="stable")

    def sizes(self) -> Ints:
        """Number of cells of each bin."""
        firsts = np.array(self.firsts, dtype=np.int64)
        return firsts[1:] - firsts[:-1]

    def _draw_in(self, cells: Ints, uniform: Floats, line: NumberLine, reach: Reach | None) -> Ints:
        rows, atoms = np.array(self.rows, dtype=np.float64), np.array(self.atoms, dtype=np.int64)
        lows = np.array(self.lows, dtype=np.int64)
        low, high = lows[cells], np.append(lows[1:-1] - 1, lows[-1])[cells]
        start, stop = rows[cells], rows[cells + 1]
        if reach is not None:
            low, high = np.maximum(low, reach.low_between), np.minimum(high, reach.high_between)
            begun, ended = (np.interp(line.axis(end), self.knots, self.knot_rows) for end in (reach.low, reach.high))
            start, stop = np.clip(begun, start, stop), np.clip(ended, start, stop)
        ordinal = line.nearest(np.interp(start + uniform * (stop - start), self.knot_rows, self.knots))
        without = (ordinal - np.searchsorted(atoms, ordinal)).clip(low, high)
        # The atoms below an ordinal: those whose own ordinal without atoms is not above it.
        return without + np.searchsorted(atoms - np.arange(len(atoms)), without, side="right")


def cut_cells(
    ordinals: Ints,
    counts: Ints,
    atom: npt.NDArray[np.bool_],
    line: NumberLine,
    *,
    bins: int,
    positions: int,
    k: int,
    cuts: Sequence[int] = (),
    cut_k: int = 1,
) -> Cells:
    """Cut the values of a column without labels of their own into bins and cells.

    Args:
        ordinals: The ordinals that occur, ascending.
        counts: The rows of each.
        atom: Mask of those with labels of their own.
        line: The column's line.
        bins: Maximum number of bins.
        positions: Maximum positions of a bin.
        k: Minimum rows of a bin, a position or a knot.
        cuts: Ordinals at which a bin begins, in addition to those of equal rows, ascending.
        cut_k: Minimum rows on either side of such a cut.
    """
    if counts[~atom].sum() < k and atom.any():
        return Cells(tuple(ordinals[atom].tolist()), (0,), (), (), (), ())
    rest, rows = ordinals[~atom], counts[~atom]
    atoms = ordinals[atom]
    bounds = _with_cuts(rows, _bounds(rows, bins, k), np.searchsorted(rest, np.array(cuts, dtype=np.int64)), cut_k)
    firsts, starts = _cut(rows, bounds, positions, k)
    without = rest - np.searchsorted(atoms, rest)
    # Half-way between values, so no edge is a value of the table.
    edges = _middle(without[starts[1:] - 1], without[starts[1:]] - 1) + 1
    before = np.append(0, np.cumsum(rows))
    knot_rows, knots = shape(line.axis(rest), rows, k)
    return Cells(
        atoms=tuple(atoms.tolist()),
        firsts=tuple(firsts),
        lows=(int(without[0]), *edges.tolist(), int(without[-1])),
        rows=(*before[starts].tolist(), int(before[-1])),
        knot_rows=tuple(knot_rows.tolist()),
        knots=tuple(knots.tolist()),
    )


def peaks(ordinals: Ints, counts: Ints, least: int, most: int) -> npt.NDArray[np.bool_]:
    """Mask of at most ``most`` values that are frequent, and well above the density around them."""
    size = len(ordinals)
    first = np.maximum(np.arange(size) - _NEIGHBOURS, 0)
    last = np.minimum(np.arange(size) + _NEIGHBOURS, size - 1)
    total = np.append(0, np.cumsum(counts))
    around = total[last + 1] - total[first] - counts
    span = ordinals[last].astype(np.float64) - ordinals[first].astype(np.float64)
    peak: npt.NDArray[np.bool_] = (counts >= least) & (counts * np.maximum(span, 1.0) >= _PEAK * around)
    rank = np.empty(size, dtype=np.int64)
    rank[np.argsort(np.where(peak, -counts, 0), kind="stable")] = np.arange(size)
    peak &= rank < most
    return peak


def _bounds(counts: Ints, bins: int, k: int) -> list[int]:
    """The first value of each bin, and the number of values at the end."""
    return [*_groups(counts, min(bins, max(1, int(counts.sum()) // k)), k), len(counts)]


def _with_cuts(counts: Ints, bounds: list[int], cuts: Ints, k: int) -> list[int]:
    """The bounds, and those cuts that leave at least k rows on both sides."""
    before = np.append(0, np.cumsum(counts))
    for cut in cuts.tolist():
        at = bisect_left(bounds, cut)
        if bounds[at] != cut and min(before[cut] - before[bounds[at - 1]], before[bounds[at]] - before[cut]) >= k:
            bounds = [*bounds[:at], cut, *bounds[at:]]
    return bounds


def _cut(counts: Ints, bounds: list[int], positions: int, k: int) -> tuple[list[int], Ints]:
    """The first cell of each bin (and one past the last cell), and the first value of each cell."""
    firsts, starts = [0], []
    for start, stop in pairwise(bounds):
        inside = counts[start:stop]
        most = min(positions, max(1, int(inside.sum()) // k))
        starts += [start + offset for offset in _groups(inside, most, k)]
        firsts.append(len(starts))
    return firsts, np.array(starts, dtype=np.int64)


def _groups(counts: Ints, most: int, k: int) -> list[int]:
    """The first value of each of at most ``most`` ranges of values; about equal rows, at least k each."""
    middles = np.cumsum(counts) - counts / 2
    group = np.minimum((middles * (most / counts.sum())).astype(np.int64), most - 1)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    firsts, rows = [0], 0
    for start, held in zip(starts.tolist(), np.add.reduceat(counts, starts).tolist(), strict=True):
        if rows >= k:
            firsts.append(start)
            rows = 0
        rows += held
    return firsts if rows >= k or len(firsts) == 1 else firsts[:-1]


def _middle(low: Ints, high: Ints) -> Ints:
    # The mean without the sum, which may be too large.
    return (low & high) + ((low ^ high) >> 1)


def shape(axis: Floats, counts: Ints, k: int) -> tuple[Floats, Floats]:
    """Fit the quantile function: rows before each knot, and knots, which are means of blocks of rows and two ends."""
    rows, ends = int(counts.sum()), np.cumsum(counts)
    blocks = max(1, min(rows // k, _MOST_KNOTS))
    edges = np.linspace(0, rows, blocks + 1).astype(np.int64)
    means = np.concatenate([_means(axis, ends, edges[at : at + _AT_ONCE + 1]) for at in range(0, blocks, _AT_ONCE)])
    first, last = (axis[np.searchsorted(ends, each, side="right")] for each in (edges[:-1], edges[1:] - 1))
    means = np.maximum.accumulate(means.clip(first, last))
    low, high = _ends(means, axis, counts)
    at = np.concatenate([[0.0], (edges[:-1] + edges[1:]) / 2, [float(rows)]])
    return at, np.concatenate([[low], means, [high]])


def _means(axis: Floats, ends: Ints, edges: Ints) -> Floats:
    """The mean number of the rows between neighbouring edges."""
    first, last = np.searchsorted(ends, [edges[0], edges[-1] - 1], side="right")
    counts = np.diff(ends[first : last + 1].clip(max=edges[-1]), prepend=edges[0])
    width = np.diff(edges)
    shares = np.repeat(axis[first : last + 1], counts) / np.repeat(width, width)
    means: Floats = np.add.reduceat(shares, edges[:-1] - edges[0])
    return means


def _ends(means: Floats, axis: Floats, counts: Ints) -> tuple[float, float]:
    """The ends of the function, extrapolated from the knots within the range of the numbers."""
    if len(means) == 1:
        half = float(np.std(np.repeat(axis, counts))) * 3**0.5
        low, high = means[0] - half, means[0] + half
    else:
        low, high = means[0] - (means[1] - means[0]) / 2, means[-1] + (means[-1] - means[-2]) / 2
    return max(float(low), float(axis[0])), min(float(high), float(axis[-1]))
