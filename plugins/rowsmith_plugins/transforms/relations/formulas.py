"""Formulas: the value of a column computed from those of other columns of its row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import frozen

from rowsmith_plugins.transforms.relations.axes import DAY, Axis, Floats, Ints, Mask, Numbers

__all__ = ["ROUNDINGS", "Formula", "constant"]

ROUNDINGS = ("even", "up", "floor", "ceil")
"""To the nearest, halves to even as in NumPy; to the nearest, halves up; down; up."""

_INT_LIMIT = 2.0**62
_DOUBLE_LIMIT = 2.0**52
_NEARLY = 2.0**-40


@frozen
class Formula:
    """A number computed from the numbers of other columns.

    Attributes:
        form: ``sum`` (of columns with signs), ``product`` or ``ratio`` (of two columns), or ``constant``.
        operands: The columns.
        signs: 1 or -1 for each column of a sum.
        offset: A constant that is added, in units of the target (microseconds for date-times).
        factor: What the result is multiplied by.
        divisor: What the result is divided by.
        step: The result is a multiple of so many units of the target.
        rounding: How it is rounded to the step (see ``ROUNDINGS``).
        unit: What one of a number counts where numbers and date-times are added, in microseconds.
    """

    form: str
    operands: tuple[str, ...] = ()
    signs: tuple[int, ...] = ()
    offset: int = 0
    factor: float = 1.0
    divisor: float = 1.0
    step: int = 1
    rounding: str = "even"
    unit: int = DAY

    def evaluate(self, numbers: Mapping[str, Numbers], target: Axis, rows: int) -> tuple[Ints, Mask]:
        """Compute the numbers of the target.

        Args:
            numbers: The operands by name.
            target: The axis of the result.
            rows: How many rows there are.

        Returns:
            The numbers, and which rows have one.
        """
        if self.form == "constant":
            return np.full(rows, self.offset, dtype=np.int64), np.ones(rows, dtype=np.bool_)
        operands = [numbers[name] for name in self.operands]
        known = np.logical_and.reduce([each.known for each in operands])
        exact = self.form == "sum" and self.factor == 1.0 and self.divisor == 1.0
        units, within = self._sum(operands, target) if exact else self._computed(operands, target)
        return np.where(known & within, units, 0), known & within

    def describe(self, target: Axis) -> str:
        """The right-hand side of the formula.

        Args:
            target: The axis of the result.
        """
        if self.form == "constant":
            return _number(self.offset, target)
        join = {"sum": " + ", "product": " * ", "ratio": " / "}[self.form]
        signs = self.signs or (1,) * len(self.operands)
        text = self.operands[0] if signs[0] > 0 else f"-{self.operands[0]}"
        for name, sign in zip(self.operands[1:], signs[1:], strict=True):
            text += (join if sign > 0 else " - ") + name
        if self.factor != 1.0:
            text = f"{self.factor:g} * {text}"
        if self.divisor != 1.0:
            text += f" / {self.divisor:g}"
        if self.step > 1:
            name = {"even": "round", "up": "round", "floor": "floor", "ceil": "ceil"}[self.rounding]
            step = "day" if target.is_date and self.step == DAY else _number(self.step, target)
            text = f"{name}({text}, to {step})"
        if self.offset:
            text += f" {'-' if self.offset < 0 else '+'} {_amount(abs(self.offset), target)}"
        return text

    def _sum(self, operands: list[Numbers], target: Axis) -> tuple[Ints, Mask]:
        """A sum, exactly, in units of the finest column."""
        dated = target.is_date or any(each.axis.is_date for each in operands)
        finest = max(target.digits, *(each.axis.digits for each in operands))
        total, size = np.zeros(len(operands[0].units), dtype=np.int64), 0.0
        for each, sign in zip(operands, self.signs, strict=True):
            scale = 10 ** (finest - each.axis.digits) * (self.unit if dated and not each.axis.is_date else 1)
            if dated and each.axis.is_date:
                scale = 10**finest
            size = size + np.abs(each.units.astype(np.float64)) * scale
            with np.errstate(over="ignore"):
                total += sign * each.units * scale
        coarse = 10**finest if target.is_date else 10 ** (finest - target.digits) * (self.unit if dated else 1)
        units = _divided(total, coarse * self.step, self.rounding) * self.step + self.offset
        return units, np.asarray(size < _INT_LIMIT)

    def _computed(self, operands: list[Numbers], target: Axis) -> tuple[Ints, Mask]:
        """Any formula as doubles, in the order of operations of NumPy."""
        first = operands[0].doubles
        with np.errstate(all="ignore"):
            if self.form == "product":
                found = first * operands[1].doubles
            elif self.form == "ratio":
                found = first / operands[1].doubles
            else:
                found = sum((sign * each.doubles for each, sign in zip(operands, self.signs, strict=True)), 0.0 * first)
            found = found * self.factor if self.factor != 1.0 else found
            found = found / self.divisor if self.divisor != 1.0 else found
            scaled = found * 10.0**target.digits
            scaled = scaled / self.step if self.step > 1 else scaled
            rounded = _rounded(scaled, self.rounding) * self.step
        within = np.isfinite(rounded) & (np.abs(rounded) < _DOUBLE_LIMIT)
        return np.where(within, rounded, 0).astype(np.int64) + self.offset, within


def constant(units: int) -> Formula:
    """The formula of one number."""
    return Formula("constant", offset=units)


def _divided(total: Ints, by: int, rounding: str) -> Ints:
    if by == 1:
        return total
    quotient, rest = np.divmod(total, by)
    if rounding == "floor":
        return quotient
    if rounding == "ceil":
        return quotient + (rest > 0)
    halves = 2 * rest == by if rounding == "up" else (2 * rest == by) & (quotient % 2 == 1)
    nearest: Ints = quotient + ((2 * rest > by) | halves)
    return nearest


def _rounded(scaled: Floats, rounding: str) -> Floats:
    nearly = np.abs(scaled) * _NEARLY
    if rounding == "floor":
        return np.floor(scaled + nearly)
    if rounding == "ceil":
        return np.ceil(scaled - nearly)
    if rounding == "up":
        return np.floor(scaled + 0.5 + nearly)
    return np.rint(scaled)


def _number(units: int, target: Axis) -> str:
    if target.is_date:
        return str(np.datetime64(units, "us").astype("datetime64[s]"))
    return f"{units / 10**target.digits:.{target.digits}f}".rstrip("0").rstrip(".") if target.digits else str(units)


def _amount(units: int, target: Axis) -> str:
    if not target.is_date:
        return _number(units, target)
    if units % DAY == 0:
        return f"{units // DAY} days"
    return f"{units / 1e6:g} seconds"
