"""Ordinals: an exact, order-preserving map of a numeric column's values to integers.

Every value of the column's spelling has an ordinal, so edges between ordinals respect how the
column rounds:

* ``whole``: integers; the ordinal is the number;
* ``fixed``: decimals of one scale; the ordinal is the number without its point;
* ``grid``: decimals of at most so many digits; likewise;
* ``figures`` and ``long``: decimals of a wide range, whose digits are limited (see ``wide_decimals``);
* ``float``: any other decimals; the ordinal is the rank of the double among all doubles.

For the first three, ordinals count the largest step that divides all training values.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from attrs import evolve, frozen

from rowsmith.table.schema import ColumnSchema, ColumnType
from rowsmith.table.types.spelling import EXACT_LIMIT, parse_numbers, spell_numbers
from rowsmith_plugins.transforms.quantize.wide_decimals import (
    MOST_FIGURES,
    double_ranks,
    doubles_of,
    figures_of,
    figures_ordinals,
    long_ordinals,
    span_of,
)

__all__ = ["NumberKind", "NumberLine", "kind_of", "number_kind", "units_of"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Division and multiplication by a power of ten together err by less than half an ordinal below this.
_GRID_LIMIT = 2**50
# Sums of two ordinals fit 64 bits.
_WHOLE_LIMIT = 2**61
_MOST_DIGITS = 22
_FEW_DIGITS = 2
_HUGE = 2.0**62
_STEPPED = frozenset({"whole", "fixed", "grid"})


@frozen
class NumberKind:
    """Kind of values of a number line.

    Attributes:
        kind: ``whole``, ``fixed``, ``grid``, ``figures``, ``long`` or ``float``.
        digits: The most digits after the point; 0 for ``float``.
        figures: The most significant digits of ``figures``; else 0.
    """

    kind: str
    digits: int = 0
    figures: int = 0

    @property
    def stepped(self) -> bool:
        """Whether ordinals are counted in steps from the least number."""
        return self.kind in _STEPPED


@frozen
class NumberLine:
    """Maps spelled numbers to ordinals and back.

    Attributes:
        kind: ``whole``, ``fixed``, ``grid``, ``figures``, ``long`` or ``float``.
        digits: The most digits after the point; 0 for ``float``.
        low: The lowest training number, in units of the last digit (else its ordinal).
        high: The highest.
        step: Units of one ordinal.
        figures: The most significant digits of ``figures``; else 0.
    """

    kind: str
    digits: int
    low: int
    high: int
    step: int
    figures: int = 0

    @property
    def _stepped(self) -> bool:
        return self.kind in _STEPPED

    def units(self, values: list[str]) -> Ints:
        """Spelled numbers in units of the last digit; other kinds: their ordinals on an unlimited line."""
        return units_of(values, self.kind, self.digits, self.figures)

    def ordinals(self, values: list[str]) -> Ints:
        """The ordinal of each spelled number, clipped to the training range."""
        units = self.units(values).clip(self.low, self.high)
        if not self._stepped:
            return units
        return (units - self.low + self.step // 2) // self.step

    @property
    def ends(self) -> tuple[int, int]:
        """The first and the last ordinal."""
        return (0, (self.high - self.low) // self.step) if self._stepped else (self.low, self.high)

    def spell(self, ordinals: Ints, column: ColumnSchema) -> list[str]:
        """The text of each ordinal, in the spelling of the column."""
        if not self._stepped:
            return spell_numbers(self._doubles(ordinals), evolve(column, max_scale=None))
        units = ordinals * self.step + self.low
        if self.kind == "whole":
            return [str(unit) for unit in units.tolist()]
        if self.kind == "fixed":
            return [_with_point(unit, self.digits) for unit in units.tolist()]
        return spell_numbers(units / 10.0**self.digits, column)

    def axis(self, ordinals: Ints) -> Floats:
        """Ordinals on an axis where neighbouring values may be averaged."""
        return ordinals.astype(np.float64) if self._stepped else self._doubles(ordinals)

    def nearest(self, axis: Floats) -> Ints:
        """The ordinal nearest to each point of the axis, within the training range."""
        if self._stepped:
            return np.rint(axis).clip(0, (self.high - self.low) // self.step).astype(np.int64)
        found = double_ranks(axis) if self.kind == "float" else self.units([repr(one) for one in axis.tolist()])
        return found.clip(self.low, self.high)

    def _doubles(self, ordinals: Ints) -> Floats:
        if self.kind != "float":
            return doubles_of(ordinals, self.figures, self.digits)
        magnitudes = np.abs(ordinals).view(np.float64)
        numbers: Floats = np.where(ordinals < 0, -magnitudes, magnitudes)
        return numbers


def kind_of(values: list[str], column: ColumnSchema) -> tuple[str | None, int]:
    """Kind of number line of a numeric column, and the digits after the point.

    The kind is ``float`` if there would be too many units, and None for integers too large for a line.
    """
    greatest = float(np.abs(parse_numbers(values)).max())
    if column.type is ColumnType.INTEGER:
        return ("whole" if greatest < _WHOLE_LIMIT else None), 0
    if column.scale is not None and greatest * 10.0**column.scale < EXACT_LIMIT:
        return "fixed", column.scale
    digits = _MOST_DIGITS + 1 if column.max_scale is None else column.max_scale
    if column.scale is None and digits <= _MOST_DIGITS and greatest * 10.0**digits < _GRID_LIMIT:
        return "grid", digits
    return "float", 0


def number_kind(values: list[str], column: ColumnSchema) -> NumberKind | None:
    """Kind of values of a numeric column of any range; None for integers too large for a line."""
    kind, digits = kind_of(values, column)
    if kind is None:
        return None
    # If there are more digits after the point than significant digits, only small numbers have them.
    few = kind == "grid" and digits > _FEW_DIGITS and all(figures_of([value])[0] < digits for value in values)
    return _wide_kind(values) if few or kind == "float" else NumberKind(kind, digits)


def _wide_kind(values: list[str]) -> NumberKind:
    figures, digits = figures_of(values)
    greatest = float(np.abs(parse_numbers(values)).max())
    if 0 < figures <= MOST_FIGURES and span_of(greatest, figures, digits) < _WHOLE_LIMIT:
        return NumberKind("figures", digits, figures)
    return NumberKind("long", digits) if digits <= _MOST_DIGITS else NumberKind("float")


def units_of(values: list[str], kind: str, digits: int, figures: int = 0) -> Ints:
    """Spelled numbers in units of the last digit; for other kinds, their ordinals."""
    if kind == "float":
        return double_ranks(parse_numbers(values))
    if kind == "figures":
        return figures_ordinals(values, figures, digits)
    if kind == "long":
        return long_ordinals(values, digits)
    if kind == "whole":
        return _read_whole(pa.array(values, type=pa.string()))
    with np.errstate(over="ignore"):
        scaled = parse_numbers(values) * 10.0**digits
    rounded: Ints = np.rint(scaled.clip(-_HUGE, _HUGE)).astype(np.int64)
    if kind == "grid":
        return rounded
    # Only the text has all digits; if there are too many, the value is far out of range.
    short = np.abs(scaled) < _HUGE
    texts = pc.replace_substring(pa.array(values, type=pa.string()).filter(pa.array(short)), ".", "")
    rounded[short] = _read_whole(texts)
    return rounded


def _read_whole(texts: pa.StringArray) -> Ints:
    return np.asarray(pc.cast(texts, pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


def _with_point(unit: int, digits: int) -> str:
    text = str(abs(unit)).zfill(digits + 1)
    return f"{'-' if unit < 0 else ''}{text[:-digits]}.{text[-digits:]}" if digits else str(unit)
