"""Whole numbers that are dates: ``20240131``, ``202401``, seconds and milliseconds since 1970.

Single numbers may be dates by chance, so all must be dates: real dates of the years 1900 to 2100, and several
different ones. Seconds and milliseconds since 1970 are any numbers of their size; so, besides lying in the
years 1990 to 2060, they need a column that is named after a time, or numbers that are whole minutes (whole
seconds), which identifiers and amounts hardly ever are. Milliseconds of the years from 2002 on have 13 digits,
as hardly anything else but article numbers, which end in a check digit; so their column may have any name except
that of an identifier.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rowsmith.table.types.datetimes import format_fit, parse_datetimes

__all__ = ["DESCRIPTIONS", "find_whole_dates"]

DESCRIPTIONS = {
    "%Y%m%d": "dates (YYYYMMDD)",
    "%Y%m": "months (YYYYMM)",
    "%Y%m%d%H": "hours (YYYYMMDDHH)",
    "%Y%m%d%H%M": "minutes (YYYYMMDDHHMM)",
    "%Y%m%d%H%M%S": "date-times (YYYYMMDDHHMMSS)",
    "%s": "date-times (seconds since 1970)",
    "%Q": "date-times (milliseconds since 1970)",
}
"""Names of formats in messages."""

_LENGTHS = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_YEARS = (1900, 2100)
_FEWEST = 3
_FEWEST_MONTHS = 12
_EPOCH_YEARS = ("1990", "2060")
_FEWEST_INSTANTS = 20
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_TIME_WORDS = frozenset(
    {
        *("time", "times", "timestamp", "timestamps", "ts", "date", "dates", "datetime", "epoch", "unix", "utc", "at"),
        *("day", "month", "period", "yyyymm", "ym", "when", "since", "until", "begin", "start", "end", "stop", "due"),
        *("expires", "expiry", "expiration", "birth", "born", "dob", "moment", "stamp", "seen", "login", "sent"),
    }
)
_NO_TIME_WORDS = frozenset(
    {
        *(
            "id",
            "ids",
            "key",
            "code",
            "no",
            "nr",
            "num",
            "number",
            "ref",
            "isbn",
            "ean",
            "gtin",
            "upc",
            "sku",
            "barcode",
        ),
        *("phone", "tel", "mobile", "fax", "account", "iban", "serial", "uuid"),
    }
)
_LATE = 10**12
_TIME_ENDING = re.compile(r".*(?:time|date|stamp|[a-z]{3}ed)$")


def find_whole_dates(name: str, values: pa.StringArray) -> str | None:
    """The format of a column of whole numbers that are all dates.

    Args:
        name: The column's name.
        values: Its distinct values: whole numbers, at least one.

    Returns:
        The format; None if they are numbers.
    """
    lengths = pc.utf8_length(values)
    shortest, longest = pc.min(lengths).as_py(), pc.max(lengths).as_py()
    if shortest == longest and shortest in _LENGTHS and _are_dates(name, values, _LENGTHS[shortest]):
        return _LENGTHS[shortest]
    return _epoch(name, values) if longest <= 13 else None


def _are_dates(name: str, values: pa.StringArray, format_: str) -> bool:
    fewest = _FEWEST_MONTHS if format_ == "%Y%m" and not _named_after_time(name) else _FEWEST
    if len(values) < fewest or not format_fit(values[:1], format_).all() or not format_fit(values, format_).all():
        return False
    years = parse_datetimes(values, format_).astype("datetime64[Y]").astype(np.int64) + 1970
    return bool(years.min() >= _YEARS[0] and years.max() <= _YEARS[1])


def _epoch(name: str, values: pa.StringArray) -> str | None:
    if len(values) < _FEWEST_INSTANTS:
        return None
    numbers = np.asarray(values.cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)
    for format_, unit, whole in (("%s", 1, 60), ("%Q", 1_000, 1_000)):
        low, high = (int(np.datetime64(year, "s").astype(np.int64)) * unit for year in _EPOCH_YEARS)
        if numbers.min() >= low and numbers.max() < high:
            known = _named_after_time(name) or _are_whole(numbers, whole)
            return format_ if known or (format_ == "%Q" and _can_only_be_milliseconds(name, numbers)) else None
    return None


def _can_only_be_milliseconds(name: str, numbers: npt.NDArray[np.int64]) -> bool:
    if numbers.min() < _LATE or not _NO_TIME_WORDS.isdisjoint(_words(name)):
        return False
    digits = numbers[:, None] // 10 ** np.arange(13) % 10
    checked = digits[:, ::2].sum(axis=1) + 3 * digits[:, 1::2].sum(axis=1)
    return bool((checked % 10).any())


def _are_whole(numbers: npt.NDArray[np.int64], unit: int) -> bool:
    """Whether numbers are all multiples of a unit, but not of a round number, as amounts often are."""
    return not (numbers % unit).any() and bool((numbers % 100_000).any())


def _named_after_time(name: str) -> bool:
    return any(word in _TIME_WORDS or _TIME_ENDING.match(word) for word in _words(name))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name)]
