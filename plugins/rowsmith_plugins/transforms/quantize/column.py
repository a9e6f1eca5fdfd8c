"""One quantized column: conversion of numbers to labels and back.

A value that ``value_k`` rows have (and enough groups of them, see ``holders``) is frequent, and has its own
label; in a column of very many values, only
a local peak is. All others are in bins. The values beyond the k-th lowest and the k-th
highest row count as the values of those rows, but never become frequent values: they are in the end bins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import evolve, frozen

from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import from_codes
from rowsmith.table.schema import ColumnSchema, ColumnType
from rowsmith_plugins.transforms.common.counting import Counted, count_values, is_wide
from rowsmith_plugins.transforms.common.layout import unique_name
from rowsmith_plugins.transforms.options import QuantizeOptions
from rowsmith_plugins.transforms.quantize.bins import Cells, Reach, cut_cells, peaks
from rowsmith_plugins.transforms.quantize.label_ranges import LabelRanges
from rowsmith_plugins.transforms.quantize.number_line import NumberLine, kind_of, number_kind, units_of

__all__ = ["QuantizedColumn", "fit_column", "is_cut"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_NUMERIC = (ColumnType.INTEGER, ColumnType.DECIMAL)

_NO_POSITION = "-"
_FILLED = 0.5
"""Values count as smooth if at least this share of the ordinals in the middle of their range occurs."""


@frozen
class QuantizedColumn:
    """The fitted encoding of one column.

    Attributes:
        column: The column.
        second: The name of the column of positions; None if every bin has a single one, or if positions are
            drawn because no other column depends on them.
        line: Maps its values to ordinals.
        cells: How the ordinals are cut.
        ranges: Ranges of numbers by label of another column; None if no label has one.
    """

    column: ColumnSchema
    second: str | None
    line: NumberLine
    cells: Cells
    ranges: LabelRanges | None = None

    def columns_after(self) -> tuple[ColumnSchema, ...]:
        """The columns of labels."""
        labels = self._bin_labels()
        bins = self._labelled(self.column.name, [labels[index] for index in self.cells.ascending()])
        return (bins,) if self.second is None else (bins, self._labelled(self.second, self._position_labels()[:-1]))

    def _labelled(self, name: str, ascending: list[str]) -> ColumnSchema:
        return ColumnSchema(
            name=name, type=ColumnType.CATEGORICAL, nullable=self.column.nullable, ascending=tuple(ascending)
        )

    def label(self, columns: pa.Table) -> dict[str, pa.DictionaryArray]:
        """The columns of labels of the numbers of a table."""
        ordinals, codes = self._ordinals(columns)
        bins, positions = self.cells.find(ordinals)
        arrays = {self.column.name: _coded(self._bin_labels(), bins, codes)}
        if self.second is not None:
            labels = self._position_labels()
            arrays[self.second] = _coded(labels, np.where(positions < 0, len(labels) - 1, positions), codes)
        return arrays

    def number(self, columns: pa.Table, draws: Draws) -> pa.DictionaryArray:
        """The numbers of the labels of a table.

        Args:
            columns: A table with ``columns_after()``.
            draws: Random numbers, one stream per row.
        """
        counted = [count_values(columns, each.name) for each in self.columns_after()]
        reach = None if self.ranges is None else self.cells.reach(*self._limits(self.ranges, columns))
        bins = _label_indices(counted[0], self._bin_labels())
        missing = (counted[0].codes < 0) & self.column.nullable
        bins = self._repaired_bins(bins, reach, draws)
        positions = self._repaired_positions(bins, counted, reach, draws)
        drawn = self.cells.draw(bins, positions, draws.uniform(f"quantize.{self.column.name}"), self.line, reach)
        found, codes = np.unique(drawn, return_inverse=True)
        return from_codes(self.line.spell(found, self.column), np.where(missing, -1, codes))

    def _ordinals(self, columns: pa.Table) -> tuple[Ints, Ints]:
        """Distinct ordinals, and the index of each row's ordinal; -1 for null."""
        if self.ranges is None:
            counted = count_values(columns, self.column.name)
            return self.line.ordinals(counted.values), counted.codes.astype(np.int64)
        rows, known = self.rows_of(columns)
        ordinals, codes = np.unique(rows, return_inverse=True)
        return ordinals, np.where(known, codes, -1)

    def rows_of(self, columns: pa.Table) -> tuple[Ints, Mask]:
        """The ordinal of each row's number, in the range of its label; and whether it has one."""
        counted = count_values(columns, self.column.name)
        ordinals = np.append(self.line.ordinals(counted.values), self.line.ends[0])[counted.codes]
        if self.ranges is not None:
            ordinals = ordinals.clip(*self._limits(self.ranges, columns))
        return ordinals, counted.codes >= 0

    def _limits(self, ranges: LabelRanges, columns: pa.Table) -> tuple[Ints, Ints]:
        first, last = self.line.ends
        return ranges.limits(columns, first, last)

    def describe(self) -> str:
        """Describe what it holds of the training data."""
        return (
            f"{len(self.cells.atoms)} frequent values, the edges of {max(0, len(self.cells.rows) - 1)} cells, "
            f"{len(self.cells.knots)} means of neighbouring values, the range"
            + (f", {self.ranges.describe()}" if self.ranges is not None else "")
        )

    def _bin_labels(self) -> list[str]:
        digits = max(2, len(str(self.cells.bins - 1)))
        atoms = self.line.spell(np.array(self.cells.atoms, dtype=np.int64), self.column)
        return [*(f"b{bin_:0{digits}d}" for bin_ in range(self.cells.bins)), *(f"={atom}" for atom in atoms)]

    def _position_labels(self) -> list[str]:
        digits = max(2, len(str(self.cells.positions - 1)))
        return [*(f"p{position:0{digits}d}" for position in range(self.cells.positions)), _NO_POSITION]

    def _repaired_bins(self, bins: Ints, reach: Reach | None, draws: Draws) -> Ints:
        """Replace bins that are missing or out of reach by drawn ones."""
        odd = bins < 0
        if reach is not None:
            odd |= ~self.cells.bins_in_reach(bins, reach)
        if odd.any():
            drawn = draws.take(odd).uniform(f"quantize.{self.column.name}.bin")
            bins[odd] = self.cells.draw_bins(drawn, None if reach is None else reach.take(odd))
        return bins

    def _repaired_positions(self, bins: Ints, counted: list[Counted], reach: Reach | None, draws: Draws) -> Ints:
        sizes = np.append(self.cells.sizes(), np.ones(len(self.cells.atoms), dtype=np.int64))[bins]
        if self.second is None:
            positions = np.full(len(bins), -1, dtype=np.int64)
        else:
            positions = _label_indices(counted[1], self._position_labels())
        odd = (positions < 0) | (positions >= sizes)
        if reach is not None:
            odd |= ~self.cells.cells_in_reach(bins, positions, reach)
        if odd.any():
            drawn = draws.take(odd).uniform(f"quantize.{self.column.name}.position")
            positions[odd] = self.cells.draw_positions(bins[odd], drawn, None if reach is None else reach.take(odd))
        return positions

    def changed(self, columns: pa.Table) -> float:
        """The share of rows whose number is clipped, or moved to the nearest frequent one."""
        counted = count_values(columns, self.column.name)
        units = self.line.units(counted.values)
        own = self.line.ordinals(counted.values)
        moved = (units < self.line.low) | (units > self.line.high)
        if not self.cells.bins:
            moved |= ~np.isin(own, self.cells.atoms)
        ordinals, known = self.rows_of(columns)
        clipped = ordinals != np.append(own, 0)[counted.codes]
        return float(((np.append(moved, False)[counted.codes] | clipped) & known).sum() / len(known))

    def without_positions(self) -> QuantizedColumn:
        """A copy without positions, which are drawn on inversion."""
        return evolve(self, second=None)


def is_cut(column: ColumnSchema, counted: Counted, options: QuantizeOptions) -> bool:
    """Whether a column is turned into labels: a numeric one with a rare value, or with very many values.

    Args:
        column: The column.
        counted: Its values.
        options: What is rare, and the most values without bins.
    """
    if column.type not in _NUMERIC or column.name in options.exclude or not counted.values:
        return False
    if counted.shared(options.value_k).all() and not is_wide(counted.counts, options.max_values):
        return False
    # Integers that are too large for a line of whole numbers.
    return kind_of(counted.values, column)[0] is not None


def fit_column(
    column: ColumnSchema, counted: Counted, options: QuantizeOptions, taken: set[str], cuts: Sequence[int] = ()
) -> QuantizedColumn:
    """Fit the bins of a numeric column.

    Args:
        column: A column for which ``is_cut`` is true.
        counted: Its values, at least one.
        options: Number of bins and positions, and what is rare.
        taken: Names of other columns.
        cuts: Ordinals at which a bin begins, in addition to those of equal rows.
    """
    line, inside = _fit_line(column, counted, options.value_k)
    ordinals, inverse = np.unique(line.ordinals(counted.values), return_inverse=True)
    shared = np.bincount(inverse, weights=counted.shared(options.value_k), minlength=len(ordinals)) > 0
    rows, own = (
        np.bincount(inverse, weights=weights, minlength=len(ordinals)).astype(np.int64)
        for weights in (counted.counts, np.where(inside, counted.counts, 0))
    )
    atom = _frequent(ordinals, own, counted, options) & shared
    rest = int(rows[~atom].sum())
    # The remaining rows may be fewer than in other bins; they are not moved to other values.
    k = options.k if rest >= options.k else options.value_k
    cells = cut_cells(
        ordinals,
        rows,
        atom,
        line,
        bins=options.bins,
        positions=options.positions,
        k=k,
        cuts=cuts,
        cut_k=options.value_k,
    )
    second = unique_name(f"{column.name}.1", set(taken)) if cells.positions > 1 else None
    return QuantizedColumn(column, second, line, cells)


def _fit_line(column: ColumnSchema, counted: Counted, k: int) -> tuple[NumberLine, Mask]:
    """The line from the k-th lowest to the k-th highest row, and a mask of the values on it."""
    kind = number_kind(counted.values, column)
    assert kind is not None, "a column that is cut has a number line"
    units = units_of(counted.values, kind.kind, kind.digits, kind.figures)
    low, high = (int(units[each]) for each in counted.ends(np.argsort(units, kind="stable"), k))
    inside = (units >= low) & (units <= high)
    step = max(1, int(np.gcd.reduce(units[inside] - low))) if kind.stepped else 1
    return NumberLine(kind.kind, kind.digits, low, high, step, kind.figures), inside


def _frequent(ordinals: Ints, counts: Ints, counted: Counted, options: QuantizeOptions) -> Mask:
    """Mask of the ordinals with labels of their own.

    Args:
        ordinals: The ordinals that occur, ascending.
        counts: The rows of each ordinal, without those beyond the ends of the line.
        counted: The column's values.
        options: What is frequent.
    """
    if not is_wide(counted.counts, options.max_values) and not _is_smooth(ordinals, counts, options.max_values):
        return counts >= options.value_k
    least = max(options.k, math.ceil(options.atom_share * counted.rows))
    return peaks(ordinals, counts, least, options.max_values)


def _is_smooth(ordinals: Ints, counts: Ints, max_values: int) -> bool:
    """Whether very many values fill their range, as in measurements, but not in price lists."""
    if len(ordinals) <= max_values:
        return False
    low, high = np.searchsorted(np.cumsum(counts), np.array([0.05, 0.95]) * counts.sum())
    return bool(high - low >= _FILLED * (ordinals[high] - ordinals[low]))


def _coded(labels: list[str], label_codes: Ints, codes: Ints) -> pa.DictionaryArray:
    return from_codes(labels, np.append(label_codes, -1)[codes])


def _label_indices(counted: Counted, labels: list[str]) -> Ints:
    """Index of each row's label; -1 for null and unknown labels."""
    known = {label: index for index, label in enumerate(labels)}
    return np.array([*(known.get(value, -1) for value in counted.values), -1], dtype=np.int64)[counted.codes]
