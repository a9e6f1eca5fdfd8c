"""Numbers and date-times as whole numbers of the smallest unit of their column."""

from __future__ import annotations

import re
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.table.columns import distinct, from_codes
from rowsmith.table.datetime_formats import ZONE
from rowsmith.table.schema import ColumnSchema, ColumnType, Role, TableSchema
from rowsmith.table.types.datetimes import format_fit, parse_datetimes, spell_datetimes
from rowsmith.table.types.spelling import parse_numbers
from rowsmith_plugins.transforms.quantize.number_line import NumberLine, kind_of, units_of

__all__ = ["DAY", "DECODED_LIMIT", "Axis", "Floats", "Ints", "Mask", "Numbers", "axis_of", "zone_of"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

DAY = 86_400_000_000
"""Microseconds of a day."""

DECODED_LIMIT = 2**61
"""Whole numbers from this size on are not computed with: sums of two must fit 64 bits."""
_DOUBLE_LIMIT = 2**53
_FIRST = int(np.datetime64("0001-01-01", "us").astype(np.int64))
_LAST = int(np.datetime64("9999-12-31T23:59:59", "us").astype(np.int64))


@frozen
class Axis:
    """How the values of a column become whole numbers.

    Attributes:
        name: The column.
        kind: ``whole``, ``fixed`` or ``grid`` (see ``number_line``), or ``date``.
        digits: Digits after the point; 0 for date-times, which count microseconds.
    """

    name: str
    kind: str
    digits: int = 0

    @property
    def is_date(self) -> bool:
        """Whether its values are date-times."""
        return self.kind == "date"

    def read(self, columns: pa.Table, schema: TableSchema) -> Numbers:
        """The numbers of a column.

        Args:
            columns: A spelled table with the column; any values of its type are accepted.
            schema: The schema of the table.
        """
        return self.read_array(columns.column(self.name), schema[self.name])

    def read_array(self, array: pa.ChunkedArray | pa.DictionaryArray, column: ColumnSchema) -> Numbers:
        """The numbers of a spelled array.

        Args:
            array: The values.
            column: The schema of the column.
        """
        values, codes = distinct(pa.table({self.name: array}), self.name)
        units, readable = self._units(values, column)
        spelled = np.zeros(len(values), dtype=np.bool_)
        own = [value for value, good in zip(values, readable.tolist(), strict=True) if good]
        again = self.spell(units[readable], column)
        spelled[readable] = [one == other for one, other in zip(own, again, strict=True)]
        return Numbers(
            self,
            np.append(units, 0)[codes],
            np.append(readable, False)[codes],
            np.append(spelled, False)[codes],
            codes < 0,
        )

    def spell(self, units: Ints, column: ColumnSchema) -> list[str]:
        """The text of each number.

        Args:
            units: Whole numbers of the smallest unit.
            column: The schema of the column.
        """
        if self.is_date:
            instants = units.clip(_FIRST, _LAST).astype("datetime64[us]")
            return spell_datetimes(instants, column.datetime_format or "")
        return NumberLine(self.kind, self.digits, 0, 0, 1).spell(units, column)

    def array(self, units: Ints, known: Mask, column: ColumnSchema) -> pa.DictionaryArray:
        """A spelled column.

        Args:
            units: Whole numbers of the smallest unit, one a row.
            known: Which rows have a number; the others are null.
            column: The schema of the column.
        """
        found, inverse = np.unique(units[known], return_inverse=True)
        texts = pa.array(self.spell(found, column), type=pa.string()).dictionary_encode()
        same = np.asarray(texts.indices.to_numpy(), dtype=np.int64)
        codes = np.full(len(units), -1, dtype=np.int64)
        codes[known] = same[inverse] if len(found) else 0
        return from_codes(texts.dictionary.to_pylist(), codes)

    def _units(self, values: list[str], column: ColumnSchema) -> tuple[Ints, Mask]:
        """The number of each value, and whether it can be computed with."""
        units = np.zeros(len(values), dtype=np.int64)
        if not values:
            return units, np.zeros(0, dtype=np.bool_)
        if self.is_date:
            format_ = column.datetime_format or ""
            texts = pa.array(values, type=pa.string())
            readable = format_fit(texts, format_)
            chosen = texts.filter(pa.array(readable))
            units[readable] = parse_datetimes(chosen, format_).astype("datetime64[us]").astype(np.int64)
            return units, readable
        limit = DECODED_LIMIT if self.kind == "whole" else _DOUBLE_LIMIT
        readable = np.abs(parse_numbers(values)) * 10.0**self.digits < limit
        chosen_texts = [value for value, good in zip(values, readable.tolist(), strict=True) if good]
        if chosen_texts:
            units[readable] = units_of(chosen_texts, self.kind, self.digits)
        return units, readable


@frozen(eq=False, slots=False)
class Numbers:
    """The values of a column as whole numbers.

    Attributes:
        axis: Their axis.
        units: ``int64[n]``; 0 where there is no number.
        known: Which rows have a number that can be computed with.
        spelled: Which of these are written as the column writes the number (``-0.0`` is not).
        missing: Which rows are null.
    """

    axis: Axis
    units: Ints
    known: Mask
    spelled: Mask
    missing: Mask

    @cached_property
    def doubles(self) -> Floats:
        """The numbers as doubles, as read from their text."""
        return self.units / 10.0**self.axis.digits

    @cached_property
    def counts(self) -> Ints:
        """How many rows have the number of each row."""
        _, inverse, counts = np.unique(self.units, return_inverse=True, return_counts=True)
        found: Ints = counts[inverse]
        return found

    @cached_property
    def step(self) -> int:
        """The greatest number of units that divides all distances between numbers."""
        units = self.units[self.known]
        return max(1, int(np.gcd.reduce(units - units[0]))) if len(units) else 1

    def take(self, rows: Ints) -> Numbers:
        """The numbers of some rows."""
        return Numbers(self.axis, self.units[rows], self.known[rows], self.spelled[rows], self.missing[rows])


def axis_of(columns: pa.Table, column: ColumnSchema) -> Axis | None:
    """The axis of a column of numbers or date-times; None for others, and for those without a smallest unit.

    Args:
        columns: A spelled table with the column.
        column: Its schema.
    """
    if column.timing is not None or column.role is not Role.VALUE:
        return None
    values, _ = distinct(columns, column.name)
    if not values:
        return None
    if column.type is ColumnType.DATETIME and column.datetime_format is not None:
        return None if "%9f" in column.datetime_format else Axis(column.name, "date")
    if column.type not in (ColumnType.INTEGER, ColumnType.DECIMAL):
        return None
    kind, digits = kind_of(values, column)
    return None if kind is None or kind == "float" else Axis(column.name, kind, digits)


def zone_of(column: ColumnSchema) -> str:
    """The zone in the format of a date-time column, such as ``Z``; empty without one."""
    found = re.search(ZONE, column.datetime_format or "")
    return found.group() if found else ""
