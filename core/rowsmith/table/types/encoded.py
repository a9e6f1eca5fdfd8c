"""Spelled columns before type inference, and spelling of plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from attrs import field, frozen

from rowsmith.errors import DataError
from rowsmith.table.columns import Codes, from_codes, spelled
from rowsmith.table.schema import ColumnType, Layout, Storage
from rowsmith.table.types.datetimes import resolution_format, spell_datetimes
from rowsmith.table.types.spelling import DECIMAL_LIMIT, EXACT_LIMIT

__all__ = [
    "Encoded",
    "EncodedTable",
    "factorized",
    "first_row",
    "float_texts",
    "instant_texts",
    "integer_texts",
    "spell_floats",
    "spell_instants",
    "spell_integers",
    "spelled_unique",
]

_MOST_PADDED = 6


@frozen(eq=False)
class Encoded:
    """A spelled column that has no type yet.

    Attributes:
        array: The spelled column.
        storage: The storage of its values.
        allowed: Types that may be inferred.
    """

    array: pa.DictionaryArray
    storage: Storage
    allowed: tuple[ColumnType, ...]


@frozen(eq=False)
class EncodedTable:
    """Spelled columns of a table that have no type yet.

    Attributes:
        columns: The columns by name, of one length.
        layout: Header and row index of the text.
        notes: Notes to the user on how they were read, a line each.
    """

    columns: Mapping[str, Encoded]
    layout: Layout = field(factory=Layout)
    notes: tuple[str, ...] = ()


def factorized(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[Any], Codes]:
    """Distinct values in order of appearance, and the code of each row (-1 where missing)."""
    codes = np.full(len(values), -1, dtype=np.int32)
    present = ~missing
    found, unique = pd.factorize(values[present])
    codes[present] = found
    return unique, codes


def first_row(mask: npt.NDArray[np.bool_]) -> int:
    """The number of the first marked row, counted from 1, as messages name rows."""
    return int(np.argmax(mask)) + 1


def spell_integers(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_]) -> pa.DictionaryArray:
    """Spell integers of any width."""
    unique, codes = factorized(values, missing)
    return spelled(integer_texts(unique), codes)


def integer_texts(unique: npt.NDArray[Any]) -> pa.StringArray:
    """The spelling of each of some integers."""
    return pa.array(unique.astype(unique.dtype.newbyteorder("="), copy=False)).cast(pa.string())


def spell_floats(name: str, values: npt.NDArray[Any], missing: npt.NDArray[np.bool_]) -> pa.DictionaryArray:
    """Spell floating-point numbers of any width, as ``float_texts`` does; NaN is null.

    Raises:
        DataError: A value is infinite.
    """
    # By bits, since 0.0 and -0.0 are equal as numbers.
    bits, codes = factorized(values.view(f"i{values.dtype.itemsize}"), missing | np.isnan(values))
    return spelled(float_texts(name, bits.view(values.dtype), codes), codes)


def float_texts(name: str, unique: npt.NDArray[Any], codes: Codes) -> pa.StringArray:
    """The spelling of each of a column's floating-point numbers.

    Whole numbers are written without a point; others with the same number of digits when six are
    enough, else with the fewest that give the number back.

    Args:
        name: The column's name.
        unique: Its distinct values, NaN not among them.
        codes: Index of each row's value, -1 for null.

    Raises:
        DataError: A value is infinite.
    """
    infinite = np.isinf(unique)
    if infinite.any():
        raise DataError(
            f"column {name!r}, row {first_row(np.append(infinite, False)[codes])}: infinite numbers are not supported; "
            "replace them with a missing value or a large number"
        )
    negative_zero = (unique == 0) & np.signbit(unique)
    small = np.abs(unique.astype(np.float64)) <= EXACT_LIMIT
    if (small & ~negative_zero & (np.trunc(unique) == unique)).all():
        return integer_texts(unique.astype(np.int64))
    texts = [repr(value) for value in unique.tolist()] if unique.dtype == np.float64 else [str(v) for v in unique]
    return pa.array(_padded(texts) or texts, pa.string())


def _padded(texts: list[str]) -> list[str] | None:
    """The same numbers with the same number of decimals; None if that spelling is too long."""
    if any("e" in text for text in texts):
        return None
    digits = [len(text) - text.index(".") - 1 for text in texts]
    scale = max(digits)
    if scale > _MOST_PADDED:
        return None
    padded = [text + "0" * (scale - count) for text, count in zip(texts, digits, strict=True)]
    numbers = [float(text) for text in padded]
    same = (f"{n:.{scale}f}" == text and abs(n) < DECIMAL_LIMIT for n, text in zip(numbers, padded, strict=True))
    return padded if all(same) else None


def spell_instants(name: str, values: npt.NDArray[np.datetime64], suffix: str) -> pa.DictionaryArray:
    """Spell date-times, as ``instant_texts`` does; NaT is null.

    Raises:
        DataError: A year is outside 1 to 9999.
    """
    ticks, codes = factorized(values.view("i8"), np.isnat(values))
    return from_codes(instant_texts(name, ticks.view(values.dtype), codes, suffix), codes)


def instant_texts(name: str, unique: npt.NDArray[np.datetime64], codes: Codes, suffix: str) -> list[str]:
    """The spelling of each of a column's date-times.

    Args:
        name: The column's name.
        unique: Its distinct values, of any unit, in UTC where there is a zone; NaT not among them.
        codes: Index of each row's value, -1 for null.
        suffix: ``Z`` where there is a zone, else empty.

    Raises:
        DataError: A year is outside 1 to 9999.
    """
    if not len(unique):
        return []
    years = unique.astype("datetime64[Y]").astype(np.int64) + 1970
    outside = np.append((years < 1) | (years > 9999), False)[codes]
    if outside.any():
        raise DataError(f"column {name!r}, row {first_row(outside)}: the year is outside 1 to 9999; correct the value")
    return spell_datetimes(unique, resolution_format(unique, suffix))


def spelled_unique(texts: Sequence[str], codes: Codes) -> pa.DictionaryArray:
    """A spelled column from texts that may repeat, and the position of each row's text (-1 for null)."""
    codes_of_texts, unique = pd.factorize(np.array(texts, dtype=object))
    return from_codes(unique.tolist(), np.append(codes_of_texts, -1)[codes])
