"""One numeric column as labels: what is known of it, and both directions."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import evolve, frozen

from rowsmith.draws import Draws
from rowsmith.table.columns import from_codes
from rowsmith.table.schema import ColumnSchema, ColumnType
from rowsmith_plugins.transforms.cells import Cells, fit_cells
from rowsmith_plugins.transforms.counting import Counted
from rowsmith_plugins.transforms.layout import unique_name
from rowsmith_plugins.transforms.number_line import NumberLine, fit_line
from rowsmith_plugins.transforms.options import QuantizeOptions

__all__ = ["QuantizedColumn", "fit_column"]

Places = npt.NDArray[np.int64]

_NO_POSITION = "-"


@frozen
class QuantizedColumn:
    """One numeric column as labels.

    Attributes:
        column: The column.
        second: The name of the column of positions; None when every bin has just one, or when
            positions are drawn because they go with no other column.
        line: Its values as places.
        cells: How the places are cut.
    """

    column: ColumnSchema
    second: str | None
    line: NumberLine
    cells: Cells

    def columns_after(self) -> tuple[ColumnSchema, ...]:
        """The columns of labels."""
        labels = self._bin_labels()
        bins = self._labelled(self.column.name, [labels[place] for place in self.cells.ascending()])
        return (bins,) if self.second is None else (bins, self._labelled(self.second, self._position_labels()[:-1]))

    def _labelled(self, name: str, ascending: list[str]) -> ColumnSchema:
        return ColumnSchema(
            name=name, type=ColumnType.CATEGORICAL, nullable=self.column.nullable, ascending=tuple(ascending)
        )

    def label(self, counted: Counted) -> dict[str, pa.DictionaryArray]:
        """The columns of labels of the numbers."""
        bins, positions = self.cells.find(self.line.places(counted.values))
        arrays = {self.column.name: _coded(self._bin_labels(), bins, counted.codes)}
        if self.second is not None:
            labels = self._position_labels()
            arrays[self.second] = _coded(labels, np.where(positions < 0, len(labels) - 1, positions), counted.codes)
        return arrays

    def number(self, counted: list[Counted], draws: Draws) -> pa.DictionaryArray:
        """The numbers of the columns of labels.

        Args:
            counted: The columns of ``columns_after()``.
            draws: Random numbers, one stream per row.
        """
        bins = _read(counted[0], self._bin_labels())
        missing = (counted[0].codes < 0) & self.column.nullable
        bins = self._repaired_bins(bins, draws)
        positions = self._repaired_positions(bins, counted, draws)
        drawn = self.cells.draw(bins, positions, draws.uniform(f"quantize.{self.column.name}"), self.line)
        found, places = np.unique(drawn, return_inverse=True)
        return from_codes(self.line.spell(found, self.column), np.where(missing, -1, places))

    def describe(self) -> str:
        """What it holds of the training data."""
        return (
            f"{len(self.cells.atoms)} frequent values, the edges of {max(0, len(self.cells.rows) - 1)} cells, "
            f"{len(self.cells.knots)} means of neighbouring values, the range"
        )

    def _bin_labels(self) -> list[str]:
        digits = max(2, len(str(self.cells.bins - 1)))
        atoms = self.line.spell(np.array(self.cells.atoms, dtype=np.int64), self.column)
        return [*(f"b{bin_:0{digits}d}" for bin_ in range(self.cells.bins)), *(f"={atom}" for atom in atoms)]

    def _position_labels(self) -> list[str]:
        digits = max(2, len(str(self.cells.positions - 1)))
        return [*(f"p{position:0{digits}d}" for position in range(self.cells.positions)), _NO_POSITION]

    def _repaired_bins(self, bins: Places, draws: Draws) -> Places:
        odd = bins < 0
        if odd.any():
            drawn = draws.take(odd).uniform(f"quantize.{self.column.name}.bin")
            if not self.cells.bins:
                bins[odd] = (drawn * len(self.cells.atoms)).astype(np.int64)
            else:
                rows = np.array(self.cells.rows, dtype=np.float64)[list(self.cells.firsts)]
                bins[odd] = np.searchsorted(rows, drawn * rows[-1], side="right") - 1
        return bins

    def _repaired_positions(self, bins: Places, counted: list[Counted], draws: Draws) -> Places:
        sizes = np.append(self.cells.sizes(), np.ones(len(self.cells.atoms), dtype=np.int64))[bins]
        if self.second is None:
            positions = np.full(len(bins), -1, dtype=np.int64)
        else:
            positions = _read(counted[1], self._position_labels())
        odd = (positions < 0) | (positions >= sizes)
        if odd.any():
            drawn = draws.take(odd).uniform(f"quantize.{self.column.name}.position")
            positions[odd] = self._drawn_positions(bins[odd], drawn)
        return positions

    def _drawn_positions(self, bins: Places, drawn: npt.NDArray[np.float64]) -> Places:
        """A position inside each bin, by the rows behind it; 0 for frequent values."""
        rows, firsts = np.array(self.cells.rows, dtype=np.float64), np.array(self.cells.firsts, dtype=np.int64)
        plain = bins < self.cells.bins
        first, after = firsts[bins[plain]], firsts[bins[plain] + 1]
        level = rows[first] + drawn[plain] * (rows[after] - rows[first])
        positions = np.zeros(len(bins), dtype=np.int64)
        positions[plain] = np.clip(np.searchsorted(rows, level, side="right") - 1, first, after - 1) - first
        return positions

    def without_positions(self) -> QuantizedColumn:
        """The same labels, with positions drawn on the way back."""
        return evolve(self, second=None)


def fit_column(
    column: ColumnSchema, counted: Counted, options: QuantizeOptions, taken: set[str]
) -> QuantizedColumn | None:
    """Learn how a numeric column is cut.

    Args:
        column: The column.
        counted: Its values, at least one.
        options: How finely.
        taken: Names that other columns have; a new one is added.

    Returns:
        The labels; None when the column's integers are too large.
    """
    line = fit_line(counted.values, column)
    if line is None:
        return None
    places, inverse = np.unique(line.places(counted.values), return_inverse=True)
    cells = fit_cells(
        places,
        np.bincount(inverse, weights=counted.counts).astype(np.int64),
        line,
        bins=options.bins,
        positions=options.positions,
        k=options.k,
        atom_rows=math.ceil(options.atom_share * counted.rows),
        most=options.max_values,
    )
    second = unique_name(f"{column.name}.1", taken) if cells.positions > 1 else None
    return QuantizedColumn(column, second, line, cells)


def _coded(labels: list[str], places: Places, codes: npt.NDArray[np.int32]) -> pa.DictionaryArray:
    return from_codes(labels, np.append(places, -1)[codes])


def _read(counted: Counted, labels: list[str]) -> Places:
    """The place of each row's label; -1 for null and for what is no label."""
    known = {label: place for place, label in enumerate(labels)}
    return np.array([*(known.get(value, -1) for value in counted.values), -1], dtype=np.int64)[counted.codes]
