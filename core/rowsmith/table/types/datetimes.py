"""Spelling of date-times: from text to ``datetime64`` and back.

A format is ``strftime`` text with a few more codes (see ``ColumnSchema.datetime_format``); text that
does not belong to a code, such as a zone, is literal. Invariant: if ``find_format`` returns
a format for some values, ``spell_datetimes(parse_datetimes(values, format), format) == values``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rowsmith.errors import DataError
from rowsmith.table.datetime_formats import (
    CODES,
    DATES,
    EPOCHS,
    MONTHS,
    OVERRIDE_DATES,
    TIMES,
    ZONE,
    Piece,
    pieces,
)

__all__ = ["candidates", "find_format", "format_fit", "parse_datetimes", "resolution_format", "spell_datetimes"]

Instants = npt.NDArray[np.datetime64]

_EPOCH_DIGITS, _MILLISECOND_DIGITS = 9, 12


@lru_cache(maxsize=512)
def _pattern(format_: str) -> str:
    """The regular expression of exactly the texts that a format writes."""
    return "".join(CODES[p.code].pattern if p.code else re.escape(p.text) for p in pieces(format_))


def parse_datetimes(values: pa.Array | Sequence[str | None], format_: str) -> Instants:
    """Read spelled date-times.

    Args:
        values: Spelled date-times, null allowed.
        format_: Their format.

    Returns:
        ``datetime64[us]`` wall-clock times (``datetime64[ns]`` for a format with nine digits of
        fraction), NaT for null. A zone in the format is not applied.

    Raises:
        DataError: A value does not have this format, or is no real date; the message names it.
    """
    array = _strings(values)
    instants, fits = _parse(array, format_)
    if not fits.all():
        wrong = array[int(np.argmin(fits))].as_py()
        raise DataError(f"{wrong!r} is not a date-time written as {format_!r}")
    return instants


def format_fit(values: pa.Array, format_: str) -> npt.NDArray[np.bool_]:
    """Mask of values that a format can read; null is readable."""
    return _parse(_strings(values), format_)[1]


def find_format(values: pa.Array | Sequence[str], *, wide: bool = False) -> str | None:
    """The first known format that writes every one of some values.

    Args:
        values: Spelled values, without null.
        wide: Also try formats that look like other things, such as ``20240131``.

    Returns:
        The format, or None.
    """
    array = _strings(values)
    if not len(array):
        return None
    for format_ in candidates(array[0].as_py(), wide=wide):
        if format_fit(array, format_).all():
            return format_
    return None


def candidates(text: str, *, wide: bool = False) -> Iterator[str]:
    """Known formats that could have written a text, the likelier first."""
    if len(text) > 40:
        return
    for date in (*DATES, *(OVERRIDE_DATES if wide else ())):
        found = re.match(_pattern(date), text)
        if found is not None:
            yield from (date + time for time in _time_formats(text[found.end() :]))
    if wide and re.fullmatch(_pattern("%Q"), text) and len(text) >= _EPOCH_DIGITS:
        yield EPOCHS[len(text) >= _MILLISECOND_DIGITS]


def _time_formats(rest: str) -> Iterator[str]:
    if not rest:
        yield ""
        return
    zone = re.search(ZONE, rest)
    suffix = zone.group() if zone else ""
    time_of_day = rest[1 : len(rest) - len(suffix)]
    if rest[0] not in " T":
        return
    for time in TIMES:
        if re.fullmatch(_pattern(time), time_of_day):
            yield rest[0] + time + suffix


def spell_datetimes(values: Instants, format_: str) -> list[str]:
    """Write date-times.

    Args:
        values: ``datetime64`` wall-clock times of years 1 to 9999, no NaT; finer parts than the
            format has are cut off.
        format_: The format.

    Returns:
        One text for each.

    Raises:
        DataError: A year is outside 1 to 9999, or a value is NaT.
    """
    if not len(values):
        return []
    if np.isnat(values).any():
        raise DataError("a missing date-time cannot be spelled")
    years = values.astype("datetime64[Y]").astype(np.int64) + 1970
    if years.min() < 1 or years.max() > 9999:
        raise DataError("a date-time lies outside the years 1 to 9999")
    fields = _fields(values, years)
    template = ""
    columns: list[list[str]] = []
    for piece in pieces(format_):
        template += _template(piece, len(columns))
        if piece.code:
            columns.append([CODES[piece.code].write(v) for v in fields[CODES[piece.code].part].tolist()])
    if not columns:
        raise DataError(f"{format_!r} is not a date-time format")
    return [template.format(*row) for row in zip(*columns, strict=True)]


def resolution_format(values: Instants, suffix: str = "") -> str:
    """The shortest ISO format that writes some date-times (no NaT) without loss.

    Args:
        values: ``datetime64`` of any unit.
        suffix: Text of the zone; a date with a zone is written with its time.
    """
    time_of_day = (values - values.astype("datetime64[D]")).astype("timedelta64[ns]").astype(np.int64)
    if not suffix and not time_of_day.any():
        return "%Y-%m-%d"
    for step, fraction in ((10**9, ""), (10**6, ".%3f"), (10**3, ".%f")):
        if not (time_of_day % step).any():
            return f"%Y-%m-%d %H:%M:%S{fraction}{suffix}"
    return f"%Y-%m-%d %H:%M:%S.%9f{suffix}"


def _template(piece: Piece, index: int) -> str:
    if piece.code:
        return f"{{{index}}}"
    return piece.text.replace("{", "{{").replace("}", "}}")


def _fields(values: Instants, years: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.int64]]:
    months, days = values.astype("datetime64[M]"), values.astype("datetime64[D]")
    time_of_day = (values - days).astype("timedelta64[ns]").astype(np.int64)
    return {
        "year": years,
        "month": months.astype(np.int64) % 12 + 1,
        "day": (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "hour": time_of_day // 3_600_000_000_000,
        "minute": time_of_day // 60_000_000_000 % 60,
        "second": time_of_day // 1_000_000_000 % 60,
        "nanosecond": time_of_day % 1_000_000_000,
        "epoch": values.astype("datetime64[us]").astype(np.int64),
    }


def _strings(values: pa.Array | Sequence[str | None]) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, type=pa.string())


def _parse(array: pa.Array, format_: str) -> tuple[Instants, npt.NDArray[np.bool_]]:
    """Instants (NaT where null or wrong) and which values are null or right."""
    texts = pc.extract_regex(array, f"^(?:{_pattern(format_)})$")
    missing = np.asarray(pc.is_null(array).to_numpy(zero_copy_only=False))
    fits = np.asarray(pc.is_valid(texts).to_numpy(zero_copy_only=False))
    parts = _read_parts(texts, format_)
    start = (parts["year"] - 1970) * 12 + parts["month"] - 1
    days = start.astype("datetime64[M]").astype("datetime64[D]") + (parts["day"] - 1).astype("timedelta64[D]")
    real = (days.astype("datetime64[M]").astype(np.int64) == start) & (parts["year"] >= 1)
    seconds = parts["hour"] * 3600 + parts["minute"] * 60 + parts["second"]
    micros = (seconds * 1_000_000 + parts["nanosecond"] // 1000).astype("timedelta64[us]")
    instants = days.astype("datetime64[us]") + micros
    instants, real = (instants, real) if "epoch" not in parts else _since_epoch(parts["epoch"])
    if "%9f" in format_:
        real &= (parts["year"] > 1677) & (parts["year"] < 2262)
        instants = np.where(real, instants, np.datetime64("NaT", "us")).astype("datetime64[ns]")
        instants = instants + (parts["nanosecond"] % 1000).astype("timedelta64[ns]")
    fits = fits & real
    return np.where(fits, instants, np.array("NaT", dtype=instants.dtype)), fits | missing


def _since_epoch(micros: npt.NDArray[np.int64]) -> tuple[Instants, npt.NDArray[np.bool_]]:
    instants = micros.astype("datetime64[us]")
    years = instants.astype("datetime64[Y]").astype(np.int64) + 1970
    return instants, (years >= 1) & (years <= 9999)


def _read_parts(texts: pa.StructArray, format_: str) -> dict[str, npt.NDArray[np.int64]]:
    parts = {name: np.zeros(len(texts), dtype=np.int64) for name in ("hour", "minute", "second", "nanosecond")}
    parts |= {name: np.ones(len(texts), dtype=np.int64) for name in ("year", "month", "day")}
    afternoon = None
    for code in [piece.code for piece in pieces(format_) if piece.code]:
        text = pc.struct_field(texts, CODES[code].group)
        if code == "%p":
            afternoon = pc.fill_null(pc.equal(text, "PM"), False).to_numpy(zero_copy_only=False)
        elif code == "%b":
            parts["month"] = _integers(pc.index_in(text, pa.array(MONTHS)), 0) + 1
        else:
            parts[CODES[code].part] = _integers(text.cast(pa.int64()), 1) * CODES[code].unit
    if afternoon is not None:
        parts["hour"] = parts["hour"] % 12 + 12 * afternoon
    return parts


def _integers(array: pa.Array, missing: int) -> npt.NDArray[np.int64]:
    return np.asarray(array.fill_null(missing).to_numpy(zero_copy_only=False), dtype=np.int64)
