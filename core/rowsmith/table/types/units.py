"""Durations and times of day as whole numbers of a unit, and periods as their start times.

A column's unit is the coarsest without loss, so that minutes remain minutes and numbers are small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from attrs import evolve

from rowsmith.table.columns import codes_of, compact, replace_column, single_array
from rowsmith.table.schema import ColumnType, Storage, TableSchema
from rowsmith.table.types.encoded import spelled_unique

__all__ = [
    "DAY",
    "NANOSECONDS",
    "as_text",
    "is_time_of_day",
    "period_starts",
    "periods_of",
    "ticks_of",
    "to_coarsest_unit",
]

DAY = 86_400 * 10**9

NANOSECONDS = {
    "D": DAY,
    "h": 3_600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
"""The size of each unit, the coarsest first; named as NumPy names them."""

_WITHIN_A_DAY = (
    ((pd.offsets.Hour, pd.offsets.Minute, pd.offsets.Second), pd.offsets.Second(), "s"),
    ((pd.offsets.Milli,), pd.offsets.Milli(), "ms"),
    ((pd.offsets.Micro,), pd.offsets.Micro(), "us"),
    ((pd.offsets.Nano,), pd.offsets.Nano(), "ns"),
)


def to_coarsest_unit(ticks: npt.NDArray[Any], unit: str) -> tuple[npt.NDArray[Any], str]:
    """Convert amounts of time to the coarsest unit in which all of them are whole.

    Args:
        ticks: Whole numbers of a unit, as ``int64`` or as Python's integers.
        unit: That unit.

    Returns:
        The numbers and their unit.
    """
    for name, size in NANOSECONDS.items():
        ratio = size // NANOSECONDS[unit]
        if ratio and not np.any(ticks % ratio):
            return ticks // ratio, name
    return ticks, unit


def ticks_of(texts: Sequence[str], unit: str, wanted: str, *, within_a_day: bool = False) -> list[int]:
    """Read spelled amounts of time.

    Args:
        texts: Whole numbers of a unit.
        unit: That unit.
        wanted: The unit of the result.
        within_a_day: Whether they are times of day.

    Raises:
        ValueError: A text is not a whole number, not a time of day, or needs a finer unit than ``wanted``.
    """
    size, most = NANOSECONDS[wanted], DAY // NANOSECONDS[wanted]
    found = []
    for text in texts:
        ticks, rest = divmod(_whole(text) * NANOSECONDS[unit], size)
        if rest:
            raise ValueError(f"{text!r} is finer than the column, which counts in {wanted}")
        if within_a_day and not 0 <= ticks < most:
            raise ValueError(f"{text!r} is not a time of day")
        found.append(ticks)
    return found


def _whole(text: str) -> int:
    if text.lstrip("-").isdecimal():
        return int(text)
    number = float(text)
    if not number.is_integer():
        raise ValueError(f"{text!r} is not a whole number")
    return int(number)


def period_starts(periods: Any) -> npt.NDArray[np.datetime64]:
    """The moment at which each period of a pandas array begins; NaT for null."""
    base, unit = _base_of(periods.dtype.freq)
    ticks = np.array(periods.asfreq(base, "start").asi8, dtype=np.int64)
    ticks[periods.isna()] = np.iinfo(np.int64).min
    return ticks.view(f"datetime64[{unit}]")


def periods_of(instants: npt.NDArray[np.datetime64], dtype: pd.PeriodDtype) -> Any:
    """Periods of a frequency that contain given instants; null for NaT."""
    base, unit = _base_of(dtype.freq)
    ticks = instants.astype(f"datetime64[{unit}]").view("i8")
    return pd.arrays.PeriodArray(ticks, dtype=pd.PeriodDtype(base)).asfreq(_freq(str(dtype)), "start")


def _freq(dtype: str) -> str:
    """The frequency of a dtype by its name for periods, which differs from that of offsets."""
    return dtype.removeprefix("period[").removesuffix("]")


def _base_of(freq: Any) -> tuple[Any, str]:
    """The frequency that NumPy's dates count in and that is as fine as another one."""
    for kinds, base, unit in _WITHIN_A_DAY:
        if isinstance(freq, kinds):
            return base, unit
    return pd.offsets.Day(), "D"


def as_text(columns: pa.Table, schema: TableSchema) -> tuple[pa.Table, TableSchema]:
    """The table for text files: durations, times of day and periods as readable text.

    Args:
        columns: A spelled table.
        schema: Its columns.

    Returns:
        The table with such columns as text, and its schema.
    """
    found = []
    for column in schema:
        if _words(column.storage):
            array = compact(single_array(columns.column(column.name)))
            texts = _readable(array.dictionary.to_pylist(), column.storage)
            columns = replace_column(columns, column.name, {column.name: spelled_unique(texts, codes_of(array))})
            column = evolve(column, type=ColumnType.TEXT, datetime_format=None)
        found.append(column)
    return columns, evolve(schema, columns=tuple(found))


def _words(storage: Storage) -> str:
    """The dtype or the kind of element of a column of time; empty for others."""
    dtype = storage.dtype if storage.categories is None else storage.categories_dtype
    return dtype if dtype.startswith("period[") else storage.element or dtype if storage.unit else ""


def is_time_of_day(storage: Storage) -> bool:
    """Whether the numbers of a unit are times of day rather than durations."""
    dtype = storage.dtype if storage.categories is None else storage.categories_dtype
    return storage.element == "time" or dtype.startswith(("time32[", "time64["))


def _readable(texts: list[str], storage: Storage) -> list[str]:
    words = _words(storage)
    if words == "period" or words.startswith("period["):
        freq = storage.unit if words == "period" else _freq(words)
        return [str(pd.Period(text, freq=freq)) for text in texts]
    amounts = ticks_of(texts, storage.unit, "ns")
    if is_time_of_day(storage):
        return [_time_text(amount) for amount in amounts]
    return [f"{amount // DAY} days {_time_text(amount % DAY)}" for amount in amounts]


def _time_text(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    fraction = f".{rest:09d}" if rest % 1000 else f".{rest // 1000:06d}" if rest else ""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"
