"""One numeric column as changes from the previous record: encoding and decoding."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import evolve, frozen

from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import from_codes
from rowsmith.table.schema import ColumnSchema, ColumnType, Timing, TimingRole
from rowsmith.table.types.spelling import parse_numbers
from rowsmith_plugins.transforms.changes.accumulation import accumulate
from rowsmith_plugins.transforms.changes.labels import ChangeCoder, Span, fit_changes
from rowsmith_plugins.transforms.changes.level_labels import LevelCoder, fit_levels
from rowsmith_plugins.transforms.common.counting import Counted, count_values, without_outer_groups
from rowsmith_plugins.transforms.groups.bounds import Bounds
from rowsmith_plugins.transforms.quantize.number_line import NumberLine, kind_of, units_of

__all__ = ["ChangedColumn", "Track", "fit_changed", "fit_track"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_MAX_ORDINAL = 2**52
"""Ordinals and sums of ordinals up to this number are exact as doubles."""
_FARTHEST = 2**60
_MOST_DIGITS = 22


@frozen(eq=False)
class Track:
    """The values of a column in the order of its records.

    Attributes:
        line: The number line; its range is from the k-th lowest to the k-th highest value.
        rows: The rows that have a value.
        ordinals: The ordinal of each of these, also outside the line's range.
        has_previous: Whether its group has an earlier value.
    """

    line: NumberLine
    rows: Ints
    ordinals: Ints
    has_previous: Mask

    def changes(self) -> Ints:
        """Difference of ordinals of each value with a previous one."""
        return np.diff(self.ordinals, prepend=0)[self.has_previous]

    def clipped(self) -> Track:
        """A copy with all values clipped to the line's range."""
        return evolve(self, ordinals=self.ordinals.clip(0, _top(self.line)))


@frozen
class ChangedColumn:
    """The fitted encoding of one column.

    Attributes:
        column: The column.
        change: The name of the column of changes.
        line: Maps its values to ordinals.
        changes: The labels of changes.
        levels: The labels of levels.
    """

    column: ColumnSchema
    change: str
    line: NumberLine
    changes: ChangeCoder
    levels: LevelCoder

    def columns_after(self) -> tuple[ColumnSchema, ...]:
        """The columns of changes and of levels."""
        name, unit = self.column.name, _unit(self.line)
        changes = zip(self._change_texts(), (mean * unit for mean in self.changes.means), strict=True)
        levels = zip(self._level_texts(), map(self._amount, self.levels.landmarks), strict=True)
        return (
            ColumnSchema(
                name=self.change,
                type=ColumnType.CATEGORICAL,
                nullable=True,
                timing=Timing(role=TimingRole.CHANGE, amounts=tuple(changes), of=name),
            ),
            ColumnSchema(
                name=name,
                type=ColumnType.CATEGORICAL,
                nullable=self.column.nullable,
                timing=Timing(role=TimingRole.LEVEL, amounts=tuple(levels), of=name),
            ),
        )

    def encode(self, columns: pa.Table, bounds: Bounds) -> dict[str, pa.DictionaryArray]:
        """Encode values as changes and levels."""
        track = _track(self.line, count_values(columns, self.column.name), bounds)
        levels, changes = (np.full(columns.num_rows, -1, dtype=np.int64) for _ in range(2))
        levels[track.rows] = self.levels.code(track.ordinals)
        # A first value that is not in the first record has a change of zero.
        steps = np.where(track.has_previous, np.diff(track.ordinals, prepend=0), 0)
        changes[track.rows] = self.changes.code(steps)
        changes[bounds.starts] = -1
        return {
            self.change: from_codes(self._change_texts(), changes),
            self.column.name: from_codes(self._level_texts(), levels),
        }

    def decode(self, columns: pa.Table, bounds: Bounds, draws: Draws) -> pa.DictionaryArray:
        """Decode values from changes and levels."""
        begin = self._begin(columns, bounds, draws)
        spans, missing = self._spans(columns, bounds, draws)
        first = draws.take(bounds.starts).uniform(f"changes.{self.column.name}.level")
        ordinals = accumulate(
            self.levels.draw(begin, first),
            np.array(self.levels.landmarks, dtype=np.float64)[begin],
            spans,
            bounds,
            _top(self.line),
            draws.uniform(f"changes.{self.column.name}.rounded"),
        )
        found, codes = np.unique(ordinals, return_inverse=True)
        return from_codes(self.line.spell(found, self.column), np.where(missing, -1, codes))

    def describe(self) -> str:
        """Describe what it holds of the training data."""
        return f"{self.changes.describe()}, {self.levels.describe()}, the range"

    def _begin(self, columns: pa.Table, bounds: Bounds, draws: Draws) -> Ints:
        """The level at which each group begins."""
        codes = _codes(count_values(columns, self.column.name), self._level_texts())[bounds.starts]
        drawn = draws.take(bounds.starts).uniform(f"changes.{self.column.name}.begin")
        return np.where(codes < 0, self.levels.any_code(drawn), codes)

    def _spans(self, columns: pa.Table, bounds: Bounds, draws: Draws) -> tuple[Span, Mask]:
        """The change of each row, and which rows have no value."""
        counted = count_values(columns, self.change)
        codes = _codes(counted, self._change_texts())
        missing = (counted.codes < 0) & ~bounds.first & self.column.nullable
        odd = self.changes.any_code(draws.uniform(f"changes.{self.column.name}.odd"))
        codes = np.where(codes < 0, odd, codes)
        span = self.changes.draw(codes, draws.uniform(f"changes.{self.column.name}.change"))
        drawn, low, high = (np.where(missing, 0, each) for each in (span.drawn, span.low, span.high))
        return Span(drawn, low, high, np.where(missing, 0.0, span.mean)), missing

    def _change_texts(self) -> list[str]:
        digits = max(0, self.line.digits)
        return self.changes.texts(_unit(self.line), digits)

    def _level_texts(self) -> list[str]:
        return self.levels.texts(self.line, self.column)

    def _amount(self, ordinal: int) -> float:
        return float((ordinal * self.line.step + self.line.low) / 10.0**self.line.digits)


def fit_track(counted: Counted, column: ColumnSchema, bounds: Bounds, k: int) -> Track | None:
    """The values of a numeric column in order; None if they are too large for exact sums.

    Args:
        counted: Its values, at least one.
        column: Its schema, an integer or a decimal.
        bounds: The groups of its rows.
        k: Values at either end that are clipped to the k-th.
    """
    kind, digits = kind_of(counted.values, column)
    if kind is None:
        return None
    if kind == "float":
        greatest = float(np.abs(parse_numbers(counted.values)).max()) or 1.0
        kind, digits = "grid", min(_MOST_DIGITS, math.floor(math.log10(_MAX_ORDINAL / 4 / greatest)))
    units = units_of(counted.values, kind, digits)
    low, high = (int(units[each]) for each in counted.ends(np.argsort(units, kind="stable"), k))
    step = max(1, int(np.gcd.reduce(units - low)))
    if (high - low) // step > _MAX_ORDINAL:
        return None
    return _track(NumberLine(kind, digits, low, high, step), counted, bounds)


def fit_changed(column: ColumnSchema, track: Track, change: str, bounds: Bounds, k: int) -> ChangedColumn:
    """Learn the labels of a column.

    Args:
        column: The column.
        track: Its values in order, with at least one change.
        change: The name of the column of changes.
        bounds: The groups of its rows.
        k: Minimum records of a label, an edge or a mean.
    """
    ordinals = track.clipped().ordinals
    levels = fit_levels(ordinals, ordinals[~track.has_previous], track.line, k)
    changes = without_outer_groups(track.changes(), bounds.groups[track.rows][track.has_previous])
    return ChangedColumn(column, change, track.line, fit_changes(changes, k), levels)


def _track(line: NumberLine, counted: Counted, bounds: Bounds) -> Track:
    rows = np.flatnonzero(counted.codes >= 0)
    ordinals = _ordinals(line, counted.values)[counted.codes[rows]] if len(rows) else np.zeros(0, dtype=np.int64)
    groups = bounds.groups[rows]
    return Track(line, rows, ordinals, np.append(False, groups[1:] == groups[:-1])[: len(rows)])


def _ordinals(line: NumberLine, values: list[str]) -> Ints:
    """The ordinal of each value; the line's own method clips to its range, which would hide changes beyond it."""
    units = units_of(values, line.kind, line.digits)
    return ((units - line.low + line.step // 2) // line.step).clip(-_FARTHEST, _FARTHEST)


def _top(line: NumberLine) -> int:
    return (line.high - line.low) // line.step


def _codes(counted: Counted, labels: list[str]) -> Ints:
    """Index of each row's label; -1 for null and unknown labels."""
    known = {label: number for number, label in enumerate(labels)}
    return np.array([*(known.get(value, -1) for value in counted.values), -1], dtype=np.int64)[counted.codes]


def _unit(line: NumberLine) -> float:
    """The amount of one ordinal."""
    return float(line.step / 10.0**line.digits)
