"""A numeric column's values as places on a line of whole numbers, exactly and in order.

Every value that the column can write has a place, so that edges between places respect how the
column rounds:

* ``whole``: integers; the place is the number;
* ``fixed``: decimals of one scale; the place is the number without its point;
* ``grid``: decimals of at most so many digits; likewise;
* ``float``: any other decimals; the place is the rank of the double among all doubles.

Except for ``float``, places are counted in the greatest step that all training values share.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from attrs import evolve, frozen

from rowsmith.table.schema import ColumnSchema, ColumnType
from rowsmith.table.spelling import EXACT_LIMIT, parse_numbers, spell_numbers

__all__ = ["NumberLine", "kind_of", "units_of"]

Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Division and multiplication by a power of ten together err by less than half a place below this.
_GRID_LIMIT = 2**50
# So that sums of two places fit 64 bits.
_WHOLE_LIMIT = 2**61
_MOST_DIGITS = 22
_HUGE = 2.0**62
_MAGNITUDE = np.int64(2**63 - 1)


@frozen
class NumberLine:
    """Maps spelled numbers to places and back.

    Attributes:
        kind: ``whole``, ``fixed``, ``grid`` or ``float``.
        digits: Digits after the point of ``fixed`` and ``grid``.
        low: The least number seen, in units of the last digit (for ``float``, its rank).
        high: The greatest.
        step: How many units a place is.
    """

    kind: str
    digits: int
    low: int
    high: int
    step: int

    def places(self, values: list[str]) -> Places:
        """The place of each spelled number; those outside the range seen get its ends."""
        units = units_of(values, self.kind, self.digits).clip(self.low, self.high)
        if self.kind == "float":
            return units
        return (units - self.low + self.step // 2) // self.step

    @property
    def ends(self) -> tuple[int, int]:
        """The first and the last place."""
        return (self.low, self.high) if self.kind == "float" else (0, (self.high - self.low) // self.step)

    def spell(self, places: Places, column: ColumnSchema) -> list[str]:
        """The text of each place, as the column writes it; one text a place."""
        if self.kind == "float":
            return spell_numbers(_doubles(places), evolve(column, max_scale=None))
        units = places * self.step + self.low
        if self.kind == "whole":
            return [str(unit) for unit in units.tolist()]
        if self.kind == "fixed":
            return [_pointed(unit, self.digits) for unit in units.tolist()]
        return spell_numbers(units / 10.0**self.digits, column)

    def axis(self, places: Places) -> Floats:
        """Where places lie on an axis on which neighbouring values may be averaged."""
        return _doubles(places) if self.kind == "float" else places.astype(np.float64)

    def nearest(self, axis: Floats) -> Places:
        """The place nearest to each point of the axis, within the range seen."""
        if self.kind == "float":
            return _ranks(axis).clip(self.low, self.high)
        return np.rint(axis).clip(0, (self.high - self.low) // self.step).astype(np.int64)


def kind_of(values: list[str], column: ColumnSchema) -> tuple[str | None, int]:
    """The kind of a numeric column's line, None for integers too large for it; and the digits after the point."""
    greatest = float(np.abs(parse_numbers(values)).max())
    if column.type is ColumnType.INTEGER:
        return ("whole" if greatest < _WHOLE_LIMIT else None), 0
    if column.scale is not None and greatest * 10.0**column.scale < EXACT_LIMIT:
        return "fixed", column.scale
    digits = _MOST_DIGITS + 1 if column.max_scale is None else column.max_scale
    if column.scale is None and digits <= _MOST_DIGITS and greatest * 10.0**digits < _GRID_LIMIT:
        return "grid", digits
    return "float", 0


def units_of(values: list[str], kind: str, digits: int) -> Places:
    """Spelled numbers in units of the last digit; for ``float``, the ranks of their doubles."""
    if kind == "float":
        return _ranks(parse_numbers(values))
    if kind == "whole":
        return _read_whole(pa.array(values, type=pa.string()))
    with np.errstate(over="ignore"):
        scaled = parse_numbers(values) * 10.0**digits
    rounded: Places = np.rint(scaled.clip(-_HUGE, _HUGE)).astype(np.int64)
    if kind == "grid":
        return rounded
    # Only the text has all digits; where there are too many, the value is far out of range.
    short = np.abs(scaled) < _HUGE
    texts = pc.replace_substring(pa.array(values, type=pa.string()).filter(pa.array(short)), ".", "")
    rounded[short] = _read_whole(texts)
    return rounded


def _read_whole(texts: pa.StringArray) -> Places:
    return np.asarray(pc.cast(texts, pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


def _ranks(numbers: Floats) -> Places:
    """The rank of each double among all doubles, that of zero being 0."""
    bits = np.ascontiguousarray(numbers, dtype=np.float64).view(np.int64)
    ranks: Places = np.where(bits < 0, -(bits & _MAGNITUDE), bits)
    return ranks


def _doubles(ranks: Places) -> Floats:
    magnitudes = np.abs(ranks).view(np.float64)
    numbers: Floats = np.where(ranks < 0, -magnitudes, magnitudes)
    return numbers


def _pointed(unit: int, digits: int) -> str:
    text = str(abs(unit)).zfill(digits + 1)
    return f"{'-' if unit < 0 else ''}{text[:-digits]}.{text[-digits:]}" if digits else str(unit)
