"""Detection of numbers among spelled values, and of their style.

Work is on Arrow arrays of distinct values. Only values that could differ between double and text
(more than 15 digits, or an exponent) are compared one by one.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rowsmith.table.schema import ColumnSchema, ColumnType
from rowsmith.table.types.spelling import DECIMAL_LIMIT, spell_decimal

__all__ = ["JSON_NUMBER", "decimal_fit", "decimal_style", "integer_fit", "most_digits"]

Mask = npt.NDArray[np.bool_]

JSON_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"
_INTEGER = r"^(?:0|-?[1-9][0-9]{0,18})$"
_SAFE_INTEGER = r"^(?:0|-?[1-9][0-9]{0,17})$"
_EASY_FIXED = r"^-?(?:0|[1-9][0-9]{0,7})\.[0-9]{1,7}$"
_EASY_SHORTEST = r"^-?(?:[1-9][0-9]{0,7}\.(?:0|[0-9]{0,6}[1-9])|0\.(?:0|0{0,3}[1-9]|0{0,3}[1-9][0-9]{0,9}[1-9]))$"
_EASY_BARE = r"^-?(?:[1-9][0-9]{0,7}(?:\.[0-9]{0,6}[1-9])?|0\.(?:0{0,3}[1-9]|0{0,3}[1-9][0-9]{0,9}[1-9]))$|^0$"
_MOST_DIGITS = 17
# Longer fractions do not occur in columns of doubles.
_LONGEST_FRACTION = 400


def integer_fit(values: pa.StringArray) -> Mask:
    """Mask of values that are 64-bit integers without leading zero, plus sign or ``-0``."""
    fits = _matches(values, _INTEGER)
    for index in np.flatnonzero(fits & ~_matches(values, _SAFE_INTEGER)).tolist():
        fits[index] = -(2**63) <= int(values[index].as_py()) < 2**63
    return fits


def decimal_style(values: pa.StringArray) -> dict[str, Any] | None:
    """Style of decimals, as fields of a column schema.

    Args:
        values: Distinct spelled values, at least one.

    Returns:
        ``scale``, ``max_scale`` and ``whole_point``; None if no style writes every value.
    """
    if not _matches(values, JSON_NUMBER).all():
        return None
    for style in _styles(values):
        if decimal_fit(values, style).all():
            return style
    return None


def decimal_fit(values: pa.StringArray, style: dict[str, Any] | None = None) -> Mask:
    """Mask of values that a style writes; without a style, the first one that fits the most values."""
    numbers = _matches(values, JSON_NUMBER)
    if style is None:
        masks = [decimal_fit(values, each) for each in _styles(values)] if numbers.all() else []
        return max(masks, key=np.count_nonzero) if masks else numbers
    column = ColumnSchema(name="", type=ColumnType.DECIMAL, **{**style, "max_scale": None})
    if style["scale"] is not None and style["scale"] > _LONGEST_FRACTION:
        return np.zeros(len(values), dtype=bool)
    if style["scale"] is not None:
        right_length = _matches(values, rf"\.[0-9]{{{style['scale']}}}$")
        return numbers & right_length & _written_so(values, numbers & right_length, _EASY_FIXED, column)
    easy = _EASY_SHORTEST if style["whole_point"] else _EASY_BARE
    return numbers & _written_so(values, numbers, easy, column)


def _styles(values: pa.StringArray) -> list[dict[str, Any]]:
    found = re.search(r"\.([0-9]+)$", values[0].as_py())
    digits = len(found.group(1)) if found else 0
    most: int | None = most_digits(values)
    if most is not None and most > _MOST_DIGITS and pc.any(_search(values, "[eE]-")).as_py():
        # Rounding to so many digits would change the last one of some doubles.
        most = None
    styles: list[dict[str, Any]] = []
    if 0 < digits <= _MOST_DIGITS:
        styles.append({"scale": digits, "max_scale": digits, "whole_point": True})
    styles.append({"scale": None, "max_scale": most, "whole_point": True})
    styles.append({"scale": None, "max_scale": most, "whole_point": False})
    return styles


def most_digits(values: pa.StringArray) -> int:
    """The most digits after the point of any number, trailing zeros left out; ``8e-05`` has five."""
    # The shortest text of a double has a positive exponent only where there is no fraction.
    fractions = pc.extract_regex(values, r"\.(?P<digits>[0-9]*[1-9])0*$")
    most: int = pc.max(pc.utf8_length(pc.struct_field(fractions, "digits"))).as_py() or 0
    for text in values.filter(_search(values, "[eE]-")).to_pylist():
        mantissa, _, exponent = text.lower().partition("e-")
        most = max(most, len(mantissa.partition(".")[2].rstrip("0")) + int(exponent))
    return most


def _written_so(values: pa.StringArray, among: Mask, easy: str, column: ColumnSchema) -> Mask:
    fits = _matches(values, easy)
    for index in np.flatnonzero(among & ~fits).tolist():
        text = values[index].as_py()
        number = float(text)
        fixed = column.scale is not None or not (column.whole_point or "e" in text)
        fits[index] = abs(number) < (DECIMAL_LIMIT if fixed else math.inf) and spell_decimal(number, column) == text
    return fits


def _matches(values: pa.StringArray, pattern: str) -> Mask:
    return _numpy(_search(values, pattern))


def _search(values: pa.StringArray, pattern: str) -> pa.BooleanArray:
    return pc.match_substring_regex(values, pattern)


def _numpy(mask: pa.BooleanArray) -> Mask:
    return np.array(mask.to_numpy(zero_copy_only=False), dtype=bool)
