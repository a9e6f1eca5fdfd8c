"""The values of an order column as whole numbers (ticks) that can be added, exactly and in order.

A tick is one unit of the last digit of numbers, a microsecond or nanosecond of date-times, or a month of
date-times that are all at the same moment of their month, counted from its start or from its end. So steps
between months of different lengths are whole numbers, too. If every group has its own day of the month, only steps
are counted in months.
"""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from rowsmith.errors import DataError
from rowsmith.sequences.intervals import MONTH_SECONDS
from rowsmith.table.schema import ColumnSchema, ColumnType
from rowsmith.table.types.datetimes import parse_datetimes, spell_datetimes
from rowsmith.table.types.spelling import EXACT_LIMIT, parse_numbers
from rowsmith_plugins.transforms.quantize.integer_bounds import integer_bounds
from rowsmith_plugins.transforms.quantize.number_line import NumberLine, kind_of, units_of

__all__ = ["OrderAxis", "fit_axis", "with_anniversaries"]

Ticks = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Instants = npt.NDArray[np.datetime64]

_NUMERIC = (ColumnType.INTEGER, ColumnType.DECIMAL)
_PER_SECOND = {"us": 10**6, "ns": 10**9}
_BY_MONTHS = ("month", "anniversary")
_CLOCK = (86_400, 3_600, 60, 1)
# Far enough below the end of 64 bits that a step can be added to any tick.
_LIMIT = 2**62


@frozen
class OrderAxis:
    """Maps the spelled values of an order column to ticks and back.

    Attributes:
        column: The order column.
        kind: ``whole``, ``fixed`` or ``grid`` (see ``number_line``), ``moment`` or ``month``, or ``anniversary`` for
            moments with steps of months.
        digits: Digits after the point of numbers.
        unit: ``us`` or ``ns`` for date-times.
        ends: Months only: whether they are counted from their ends.
        offset: Months only: the distance of the moments from there, in ``unit``.
        low: The lowest tick that the column can hold.
        high: The greatest.
    """

    column: ColumnSchema
    kind: str
    digits: int = 0
    unit: str = ""
    ends: bool = False
    offset: int = 0
    low: int = -_LIMIT
    high: int = _LIMIT

    @property
    def per_second(self) -> int:
        """Date-times only: units of a second."""
        return _PER_SECOND[self.unit]

    def ticks(self, values: list[str]) -> Ticks:
        """The tick of each spelled value; a month's, for any moment in it.

        Raises:
            DataError: A value does not belong to the column.
        """
        if self.column.type in _NUMERIC:
            return units_of(values, self.kind, self.digits)
        instants = parse_datetimes(values, self.column.datetime_format or "")
        if self.kind == "month":
            return np.asarray(instants.astype("datetime64[M]").astype(np.int64))
        return np.asarray(instants.astype(f"datetime64[{self.unit}]").astype(np.int64))

    def spell(self, ticks: Ticks) -> list[str]:
        """The text of each tick, in the spelling of the column."""
        if self.column.type in _NUMERIC:
            return NumberLine(self.kind, self.digits, 0, 0, 1).spell(ticks, self.column)
        return spell_datetimes(self._instants(ticks), self.column.datetime_format or "")

    def seconds(self, ticks: Ticks) -> Floats:
        """Date-times only: seconds since 1970."""
        seconds: Floats = self._instants(ticks).astype(np.int64) / self.per_second
        return seconds

    def amounts(self, ticks: Ticks) -> Floats:
        """Ticks in the column's unit (seconds since 1970 for date-times).

        Months count as equally long and by their middle, so that sums of steps remain in the right month.
        """
        if self.kind == "month":
            return (ticks.astype(np.float64) + 0.5) * MONTH_SECONDS
        if self.kind == "anniversary":
            months = self.months(ticks)
            first, after = (self._month_ticks(each) for each in (months, months + 1))
            share = (ticks - first).astype(np.float64) / (after - first)
            return (months.astype(np.float64) + 0.25 + share / 2) * MONTH_SECONDS
        return self.seconds(ticks) if self.kind == "moment" else ticks.astype(np.float64) / 10.0**self.digits

    def distances(self, steps: Floats) -> Floats:
        """Lengths of steps, given in ticks, in the column's unit (seconds for date-times)."""
        if self.kind in _BY_MONTHS:
            return steps * MONTH_SECONDS
        return steps / (self.per_second if self.kind == "moment" else 10.0**self.digits)

    def step_texts(self, steps: Ticks, grid: int) -> list[str]:
        """Short texts of steps, all multiples of a grid.

        Numbers are plain; date-times count days, hours, minutes or seconds, the longest of them that the
        grid is a multiple of, or months (``1mo``).
        """
        if self.kind in _BY_MONTHS:
            return [f"{step}mo" for step in steps.tolist()]
        if self.kind == "moment":
            units = (seconds * self.per_second for seconds in _CLOCK)
            unit = next((each for each in units if grid % each == 0), None)
            if unit is not None:
                return [str(step // unit) for step in steps.tolist()]
        digits = round(math.log10(self.per_second)) if self.kind == "moment" else self.digits
        return [f"{Decimal(step).scaleb(-digits).normalize():f}" for step in steps.tolist()]

    def between(self, ticks: Ticks, others: Ticks) -> Ticks:
        """The steps from ticks to others, which are not less: in ticks, or in months."""
        return self.months(others) - self.months(ticks) if self.kind == "anniversary" else others - ticks

    def months(self, ticks: Ticks) -> Ticks:
        """Date-times only: months since 1970."""
        return np.asarray(self._instants(ticks).astype("datetime64[M]").astype(np.int64))

    def in_months(self, ticks: Ticks, months: Ticks) -> Ticks:
        """Moments at the same day and time in other months, or on their last day if they do not have that day."""
        days = ticks // self._day
        own = self._month_ticks(self.months(ticks)) // self._day
        lengths = (self._month_ticks(months + 1) - self._month_ticks(months)) // self._day
        day = np.minimum(days - own, lengths - 1)
        return np.asarray(self._month_ticks(months) + day * self._day + ticks % self._day)

    @property
    def _day(self) -> int:
        return 86_400 * self.per_second

    def _month_ticks(self, months: Ticks) -> Ticks:
        """The tick at which each month begins."""
        return np.asarray(months.astype("datetime64[M]").astype(f"datetime64[{self.unit}]").astype(np.int64))

    def _instants(self, ticks: Ticks) -> Instants:
        if self.kind != "month":
            return ticks.astype(f"datetime64[{self.unit}]")
        months = (ticks + self.ends).astype("datetime64[M]").astype(f"datetime64[{self.unit}]")
        offset = np.array(self.offset).astype(f"timedelta64[{self.unit}]")
        return np.asarray(months - offset if self.ends else months + offset)


def fit_axis(column: ColumnSchema, values: list[str]) -> OrderAxis:
    """The axis of an order column.

    Args:
        column: The column.
        values: Its distinct spelled values, at least one.

    Raises:
        DataError: The column holds neither numbers nor date-times, or whole numbers too large for an axis.
    """
    if column.type in _NUMERIC:
        return _numbers(column, values)
    if column.type is ColumnType.DATETIME and column.datetime_format is not None:
        return _moments(column, parse_datetimes(values, column.datetime_format))
    raise DataError(
        f"column {column.name!r} cannot order the rows of a group: it holds {column.type.value} values, not numbers or "
        "dates; order by another column, or set its type under `data.types`"
    )


def with_anniversaries(axis: OrderAxis, ticks: Ticks, begin: Ticks) -> OrderAxis:
    """An axis with steps of months, if each record is whole months after the beginning of its group.

    Args:
        axis: The axis of an order column.
        ticks: The tick of each record.
        begin: The tick of the first record of each one's group.
    """
    if axis.kind != "moment":
        return axis
    months = axis.months(ticks)
    later = ticks[1:] > ticks[:-1]
    lengths, counted = (np.unique(np.diff(each)[later]) for each in (ticks, months))
    fits = len(counted) < len(lengths) and (axis.in_months(begin, months) == ticks).all()
    return evolve(axis, kind="anniversary") if fits else axis


def _numbers(column: ColumnSchema, values: list[str]) -> OrderAxis:
    kind, digits = kind_of(values, column)
    if kind is None:
        raise DataError(
            f"column {column.name!r} cannot order the rows of a group: its numbers are too large for 62 bits; set its "
            "type to decimal under `data.types`"
        )
    if kind == "float":
        greatest = float(np.abs(parse_numbers(values)).max())
        digits = 0 if not greatest else math.floor(math.log10(EXACT_LIMIT) - math.log10(greatest))
        kind, digits = "grid", min(digits, 300)
    if kind != "whole":
        return OrderAxis(column, kind, digits=digits)
    low, high = integer_bounds(column)
    return OrderAxis(column, kind, low=max(low, -_LIMIT), high=min(high, _LIMIT))


def _moments(column: ColumnSchema, instants: Instants) -> OrderAxis:
    narrow = np.datetime_data(instants.dtype)[0] == "ns" or "[ns" in column.storage.dtype
    if float(np.ptp(instants.astype("datetime64[us]").astype(np.int64))) * 1000 > _LIMIT:
        # Nanoseconds are too short for steps of centuries.
        instants = instants.astype("datetime64[us]")
    unit = str(np.datetime_data(instants.dtype)[0])
    low, after = ((year - 1970) * 12 for year in ((1678, 2262) if narrow else (1, 10_000)))
    months = instants.astype("datetime64[M]")
    for ends in (False, True):
        base = (months + np.timedelta64(int(ends), "M")).astype(instants.dtype)
        offsets = np.abs((instants - base).astype(np.int64))
        if len(np.unique(months)) > 1 and (offsets == offsets[0]).all() and _in_every_month(int(offsets[0]), unit):
            return OrderAxis(column, "month", 0, unit, ends, int(offsets[0]), low, after - 1)
    first, end = (
        np.array([low, after]).astype("datetime64[M]").astype(f"datetime64[{unit}]").astype(np.int64)
    ).tolist()
    return OrderAxis(column, "moment", unit=unit, low=first, high=end - 1)


def _in_every_month(offset: int, unit: str) -> bool:
    """Whether every month is long enough for the offset."""
    return offset <= 28 * 86_400 * _PER_SECOND[unit] - 1
