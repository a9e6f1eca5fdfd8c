"""Reading and writing the times of a series, whatever its column looks like."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from attrs import frozen

from rowsmith.errors import ConfigError, DataError
from rowsmith.sequences.intervals import TICKS
from rowsmith.table.datetime_formats import pieces
from rowsmith.table.schema import ColumnSchema, ColumnType
from rowsmith.table.types.datetimes import find_format, format_fit, parse_datetimes, spell_datetimes
from rowsmith.table.types.spelling import parse_numbers, spell_numbers
from rowsmith.table.types.units import NANOSECONDS

__all__ = ["ELAPSED_SECONDS", "TimeAxis"]

Ticks = npt.NDArray[np.int64]

ELAPSED_SECONDS = "elapsed_seconds"
"""The format of a column of seconds, and the name of such a column if none was given."""

DAY = 86_400 * TICKS

_DATES = frozenset("YymbBdjUWVGuxcDsQ")
_FOREIGN = re.compile(r"%[^-0-9]|%-[A-Za-z]|%[39]f")


@frozen(kw_only=True)
class TimeAxis:
    """The time column of a table and its format: reads and writes times. Times are ticks, whole microseconds.

    Attributes:
        column: The time column.
        format: Format of its text, in ``strftime`` terms, or ``elapsed_seconds`` for numbers.
        made: Whether the user's table has no such column, so that rows are numbered.
        unit: The unit of the numbers of a column of durations or times of day; empty for seconds.
    """

    column: str
    format: str
    made: bool = False
    unit: str = ""

    @property
    def elapsed(self) -> bool:
        """Whether times are numbers rather than dates."""
        return self.format == ELAPSED_SECONDS

    @property
    def daily(self) -> bool:
        """Whether the format has a time of day but no date, so that times restart at midnight."""
        return not self.elapsed and not _DATES & {code[-1] for code in _FOREIGN.findall(self.format)}

    @property
    def foreign(self) -> bool:
        """Whether the format has codes that schemas do not support."""
        rest = "".join(piece.text for piece in pieces(self.format) if not piece.code)
        return not self.elapsed and "%" in rest.replace("%%", "")

    def read(self, values: Sequence[str]) -> tuple[Ticks, npt.NDArray[np.bool_]]:
        """Read spelled times.

        Args:
            values: Spelled values, none null.

        Returns:
            Ticks, and which values are valid times; the ticks of the others are 0.
        """
        if not len(values):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
        if self.elapsed:
            return _read_numbers(values, self._ticks_of_one)
        if self.foreign:
            return _ticks(pd.to_datetime(pd.Series(list(values)), format=self.format, errors="coerce").to_numpy())
        fits = format_fit(pa.array(values, type=pa.string()), self.format)
        known = [value for value, fit in zip(values, fits.tolist(), strict=True) if fit]
        instants = np.full(len(values), "NaT", dtype="datetime64[us]")
        if known:
            instants[fits] = parse_datetimes(known, self.format).astype("datetime64[us]")
        return _ticks(instants)

    def write(self, times: Sequence[int], column: ColumnSchema) -> list[str]:
        """Spell times as the user's column does.

        Args:
            times: Ticks.
            column: The user's column; used for numbers only.

        Raises:
            DataError: A time lies outside the years 1 to 9999.
        """
        if not len(times):
            return []
        if self.elapsed:
            if self.unit:
                return [str(round(time / self._ticks_of_one)) for time in times]
            return _write_numbers(times, column)
        instants = np.array(times, dtype=np.int64).astype("datetime64[us]")
        if self.foreign:
            return [str(text) for text in pd.Series(instants).dt.strftime(self.format)]
        return spell_datetimes(instants, self.format)

    @property
    def _ticks_of_one(self) -> float:
        return NANOSECONDS[self.unit] * TICKS / NANOSECONDS["s"] if self.unit else TICKS

    def bound(self, value: str | int | float, setting: str) -> int:
        """Read a time of the configuration, in the format of the column or in a well-known one.

        Args:
            value: The time.
            setting: Name of the setting, for messages.

        Raises:
            ConfigError: It is not a time.
        """
        text = str(value).strip()
        for format_ in (self.format, *([] if self.elapsed else [found] if (found := _known_format(text)) else [])):
            times, fits = TimeAxis(column=self.column, format=format_).read([text])
            if fits.all():
                return int(times[0])
        wanted = "a number of seconds" if self.elapsed else f"a time in the format {self.format!r}"
        raise ConfigError([f"{setting}: {value!r} is not {wanted}, as in column {self.column!r}"])


def _known_format(text: str) -> str | None:
    return find_format([text])


def _read_numbers(values: Sequence[str], ticks_of_one: float) -> tuple[Ticks, npt.NDArray[np.bool_]]:
    fits = np.array([_is_number(value) for value in values])
    numbers = np.zeros(len(values))
    if fits.any():
        numbers[fits] = parse_numbers([value for value, fit in zip(values, fits.tolist(), strict=True) if fit])
    fits &= np.abs(numbers) < np.iinfo(np.int64).max / ticks_of_one / 2
    return np.rint(np.where(fits, numbers, 0) * ticks_of_one).astype(np.int64), fits


def _is_number(value: str) -> bool:
    try:
        parse_numbers([value])
    except DataError:
        return False
    return True


def _write_numbers(times: Sequence[int], column: ColumnSchema) -> list[str]:
    if column.type is ColumnType.INTEGER:
        return [str(round(time / TICKS)) for time in times]
    if column.type is ColumnType.DECIMAL:
        return spell_numbers([time / TICKS for time in times], column)
    return [f"{time / TICKS:g}" for time in times]


def _ticks(instants: npt.NDArray[np.datetime64]) -> tuple[Ticks, npt.NDArray[np.bool_]]:
    fits = ~np.isnat(instants)
    return np.where(fits, instants.astype("datetime64[us]").astype(np.int64), 0), fits
