"""Columns of Python objects: their element types, spelling and restoring.

A column of dtype ``object`` holds one kind of element beside nulls. Mixed kinds are refused, since the kind of a
generated value would be undefined. Nulls of several kinds are restored as the first kind seen.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import uuid
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from attrs import evolve

from rowsmith.errors import DataError
from rowsmith.table.columns import from_codes
from rowsmith.table.read_options import ReadOptions
from rowsmith.table.schema import Source, Storage
from rowsmith.table.types.encoded import Encoded, factorized, spell_floats, spell_instants
from rowsmith.table.types.inference import BOOLEANS, LABELS, NUMBERS, TEXTS
from rowsmith.table.types.null_marks import marked_storage, types_without_marks
from rowsmith.table.types.units import NANOSECONDS, period_starts, ticks_of, to_coarsest_unit

__all__ = ["NULLS", "element_reader", "encode_objects"]

NULLS: dict[str, Any] = {"None": None, "NaN": math.nan, "NA": pd.NA, "NaT": pd.NaT}
"""The nulls of an object column, by their name in its storage."""

_KINDS: dict[type, str] = {
    type(None): "None",
    type(pd.NA): "NA",
    type(pd.NaT): "NaT",
    str: "str",
    np.str_: "str",
    bool: "bool",
    np.bool_: "bool",
    int: "int",
    Decimal: "decimal",
    dt.date: "date",
    dt.datetime: "datetime",
    pd.Timestamp: "timestamp",
    dt.time: "time",
    dt.timedelta: "timedelta",
    pd.Timedelta: "Timedelta",
    pd.Period: "period",
    uuid.UUID: "uuid",
}
_ALLOWED = {"bool": BOOLEANS, "int": NUMBERS, "float": NUMBERS, "decimal": NUMBERS, "uuid": LABELS}
_SUPPORTED = "text, booleans, numbers, dates, times, date-times, durations, periods or UUIDs"
_OFFSET = re.compile(r"UTC([+-])(\d\d):(\d\d)")

# A null mark.
_MARK = "mark"
_MISSING = frozenset({*NULLS, _MARK})

Mask = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]


def encode_objects(name: str, series: pd.Series, options: ReadOptions) -> Encoded:
    """Spell a column of Python objects.

    Args:
        name: The column's name, for messages.
        series: The column, of dtype ``object``.
        options: The null marks.

    Returns:
        The spelled array, its storage, and the types it may have.

    Raises:
        DataError: An element is not supported, or of another kind than the first; the message names
            column and row.
    """
    values = series.to_numpy(dtype=object)
    kinds = [_MARK if _is_mark(value, options) else _kind(value) for value in values]
    missing = np.array([kind in _MISSING for kind in kinds], dtype=bool)
    null = next((kind for kind in kinds if kind in NULLS), "None")
    element = next((kind for kind in kinds if kind not in _MISSING), "")
    for row, kind in enumerate(kinds):
        if kind not in _MISSING and (kind != element or kind.startswith("type ")):
            raise _refusal(name, row, values[row], kind, element)
    marks = Counter(str(value) for value, kind in zip(values, kinds, strict=True) if kind == _MARK)
    storage = Storage(source=Source.PANDAS, dtype="object", element=element, null=null)
    storage = marked_storage(storage, marks, int(missing.sum()) - marks.total())
    if element in ("datetime", "timestamp"):
        return _encode_moments(name, values, missing, storage)
    if element == "period":
        return _encode_periods(name, values, missing, storage)
    if element in _TICKS:
        return _encode_ticks(name, values, missing, storage)
    allowed = _ALLOWED.get(element, TEXTS)
    return Encoded(
        _spelled(name, element, values, missing),
        storage,
        types_without_marks(allowed) if marks and element == "str" else allowed,
    )


def _is_mark(value: Any, options: ReadOptions) -> bool:
    return bool(options.null_values) and isinstance(value, str) and options.is_null(value)


def element_reader(storage: Storage) -> Callable[[str], Any]:
    """The function that makes an element of an object column from its spelled text."""
    zone = _zone(storage.zone) if storage.zone else None
    readers: dict[str, Callable[[str], Any]] = {
        "bool": lambda text: text == "True",
        "int": int,
        "float": float,
        "decimal": Decimal,
        "date": dt.date.fromisoformat,
        "datetime": lambda text: dt.datetime.fromisoformat(text).astimezone(zone) if zone else _naive(text),
        "timestamp": lambda text: pd.Timestamp(text).tz_convert(zone) if zone else pd.Timestamp(text),
        "time": lambda text: _time(ticks_of([text], storage.unit, "us", within_a_day=True)[0]).replace(tzinfo=zone),
        "timedelta": lambda text: dt.timedelta(microseconds=ticks_of([text], storage.unit, "us")[0]),
        "Timedelta": lambda text: pd.Timedelta(ticks_of([text], storage.unit, "ns")[0], "ns"),
        "period": lambda text: pd.Period(text, freq=storage.unit),
        "uuid": uuid.UUID,
    }
    return readers.get(storage.element, str)


def _naive(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _kind(value: Any) -> str:
    """The word for a value's kind; for kinds that are not supported, the name of its type."""
    known = _KINDS.get(type(value))
    if known is not None:
        return known
    if isinstance(value, float | np.floating) and not isinstance(value, np.longdouble):
        return "NaN" if value != value else "float"
    # NumPy counts its time deltas among the integers.
    whole = isinstance(value, np.integer) and not isinstance(value, np.timedelta64)
    return "int" if whole else f"type {type(value).__name__}"


def _refusal(name: str, row: int, value: Any, kind: str, element: str) -> DataError:
    if kind != element and not kind.startswith("type "):
        return DataError(
            f"column {name!r}, row {row + 1}: {kind} among {element} values; a column must hold one kind of value, "
            "so convert it, for example to text with astype(str)"
            + ("; data.null_values names texts that are read as null" if "str" in (kind, element) else "")
        )
    return DataError(
        f"column {name!r}, row {row + 1}: values of {kind} are not supported; "
        f"convert the column to {_SUPPORTED}, or leave it out"
    )


def _spelled(name: str, element: str, values: Objects, missing: Mask) -> pa.DictionaryArray:
    if element == "float":
        numbers = np.full(len(values), np.nan)
        numbers[~missing] = values[~missing].astype(np.float64)
        return spell_floats(name, numbers, missing)
    if element == "decimal":
        values = values.copy()
        values[~missing] = _decimal_texts(name, values, missing)
    unique, codes = factorized(values, missing)
    write: Callable[[Any], str] = dt.date.isoformat if element == "date" else str
    try:
        return from_codes([write(value) for value in unique], codes)
    except UnicodeEncodeError as error:
        row = next(row for row, text in enumerate(values) if not missing[row] and _not_unicode(text))
        raise DataError(
            f"column {name!r}, row {row + 1}: the text is not valid Unicode (a lone surrogate); correct the value"
        ) from error


def _not_unicode(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _decimal_texts(name: str, values: Objects, missing: Mask) -> list[str]:
    for row in np.flatnonzero(~missing).tolist():
        if not values[row].is_finite():
            raise DataError(
                f"column {name!r}, row {row + 1}: {values[row]} is not a finite number; use None for missing"
            )
    return [str(value) for value in values[~missing]]


def _one_zone(name: str, values: Objects, missing: Mask) -> str:
    zones = {row: _zone_name(name, row, values[row].tzinfo) for row in np.flatnonzero(~missing).tolist()}
    return _the_same_in_all_rows(name, zones, "time zone", "the time zone is")


def _the_same_in_all_rows(name: str, found: dict[int, str], noun: str, what: str) -> str:
    """The time zone or frequency of a column, from those of its rows; they must not differ."""
    first = next(iter(found.values()))
    for row, other in found.items():
        if other != first:
            raise DataError(
                f"column {name!r}, row {row + 1}: {what} {other or 'missing'}, before {first or 'missing'}; "
                f"convert the column to one {noun}"
            )
    return first


def _encode_ticks(name: str, values: Objects, missing: Mask, storage: Storage) -> Encoded:
    """Spell durations and times of day as whole numbers."""
    zone = _one_zone(name, values, missing) if storage.element == "time" else ""
    unique, codes = factorized(values, missing)
    unit, ticks = _TICKS[storage.element]
    # Python's integers, since a duration may be too long for 64 bits.
    counted = np.array([0, *map(ticks, unique)], dtype=object)[1:]
    numbers, coarsest = to_coarsest_unit(counted, unit)
    array = from_codes([str(number) for number in numbers], codes)
    return Encoded(array, evolve(storage, zone=zone, unit=coarsest), NUMBERS)


def _encode_periods(name: str, values: Objects, missing: Mask, storage: Storage) -> Encoded:
    freqs = {row: values[row].freqstr for row in np.flatnonzero(~missing).tolist()}
    freq = _the_same_in_all_rows(name, freqs, "frequency", "a period of the frequency")
    values = values.copy()
    values[missing] = pd.NaT
    periods = pd.PeriodIndex(values, freq=freq).array
    return Encoded(spell_instants(name, period_starts(periods), ""), evolve(storage, unit=freq), TEXTS)


def _since_midnight(value: dt.time) -> int:
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond


def _time(ticks: int) -> dt.time:
    return (dt.datetime.min + dt.timedelta(microseconds=ticks)).time()


def _nanoseconds(value: pd.Timedelta) -> int:
    amount = value.to_timedelta64()
    return int(amount.astype(np.int64)) * NANOSECONDS[np.datetime_data(amount)[0]]


_TICKS: dict[str, tuple[str, Callable[[Any], int]]] = {
    "time": ("us", _since_midnight),
    "timedelta": ("us", lambda value: value // dt.timedelta(microseconds=1)),
    "Timedelta": ("ns", _nanoseconds),
}
"""The unit in which the elements of a kind are counted, and how."""


def _encode_moments(name: str, values: Objects, missing: Mask, storage: Storage) -> Encoded:
    zone = _one_zone(name, values, missing)
    instants = np.full(len(values), "NaT", dtype=_unit(storage.element))
    instants[~missing] = [_instant(value) for value in values[~missing]]
    array = spell_instants(name, instants, "Z" if zone else "")
    return Encoded(array, evolve(storage, zone=zone), TEXTS)


def _unit(element: str) -> str:
    return "datetime64[us]" if element == "datetime" else "datetime64[ns]"


def _instant(value: dt.datetime | pd.Timestamp) -> np.datetime64:
    if isinstance(value, pd.Timestamp):
        return (value.tz_convert(None) if value.tzinfo else value).to_datetime64()
    return np.datetime64(value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value, "us")


def _zone_name(name: str, row: int, zone: dt.tzinfo | None) -> str:
    if zone is None:
        return ""
    words = str(getattr(zone, "key", None) or getattr(zone, "zone", None) or zone)
    try:
        _zone(words)
    except (ValueError, OSError, LookupError) as error:
        raise DataError(
            f"column {name!r}, row {row + 1}: the time zone {words!r} has no standard name; convert to UTC first"
        ) from error
    return words


def _zone(words: str) -> dt.tzinfo:
    if words == "UTC":
        return dt.UTC
    if found := _OFFSET.fullmatch(words):
        sign, hours, minutes = found.groups()
        offset = dt.timedelta(hours=int(hours), minutes=int(minutes))
        return dt.timezone(-offset if sign == "-" else offset)
    return ZoneInfo(words)
