"""Spelling of numbers: from text to doubles and back.

Both directions are inverse: for every value of a numeric column that fits a double,
``spell_numbers(parse_numbers([text]), column) == [text]``. Integers beyond 2**53 retain their exact
text in the table, but lose digits in ``parse_numbers``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rowsmith.errors import DataError
from rowsmith.table.schema import ColumnSchema, ColumnType

__all__ = ["DECIMAL_LIMIT", "EXACT_LIMIT", "parse_numbers", "spell_decimal", "spell_numbers"]

Floats = npt.NDArray[np.float64]

EXACT_LIMIT = 2**53
"""Whole numbers up to this size are exact as doubles."""

DECIMAL_LIMIT = 1e16
"""From this number on the shortest text of a double has an exponent."""


def parse_numbers(values: pa.Array | pa.ChunkedArray | Sequence[str | None]) -> Floats:
    """Read spelled numbers.

    Args:
        values: Spelled numbers: a list, or an Arrow array of strings (coded or plain). Nulls are
            allowed.

    Returns:
        Their doubles, NaN for null.

    Raises:
        DataError: A value is not a finite number; the message names it.
    """
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, type=pa.string())
    if pa.types.is_dictionary(array.type):
        array = array.cast(pa.string())
    try:
        numbers = pc.cast(array, pa.float64())
    except pa.ArrowInvalid as error:
        raise DataError(f"not a number: {error}; give the column another type") from error
    finite = pc.is_finite(numbers)
    if pc.any(pc.invert(finite)).as_py():
        wrong = array.filter(pc.invert(finite))[0].as_py()
        raise DataError(f"{wrong!r} is not a finite number; give the column another type")
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)


def spell_numbers(values: npt.ArrayLike, column: ColumnSchema) -> list[str]:
    """Write numbers in the spelling of a column.

    Integers are rounded to whole numbers, decimals to the column's ``scale`` (or ``max_scale``).

    Args:
        values: Finite numbers.
        column: An integer or decimal column.

    Returns:
        One text for each number.

    Raises:
        DataError: A number is not finite, or the column is not numeric.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if column.type not in (ColumnType.INTEGER, ColumnType.DECIMAL):
        raise DataError(f"column {column.name!r} is {column.type.value}: numbers cannot be spelled for it")
    if not np.isfinite(numbers).all():
        raise DataError(f"column {column.name!r}: a number to spell is not finite")
    if column.type is ColumnType.INTEGER:
        return [str(int(number)) for number in np.rint(numbers).tolist()]
    return [spell_decimal(number, column) for number in numbers.tolist()]


def spell_decimal(number: float, column: ColumnSchema) -> str:
    """Write one finite number in the spelling of a decimal column."""
    if column.scale is not None:
        return _without_false_sign(f"{number:.{column.scale}f}", number)
    if column.max_scale is not None:
        rounded = round(number, column.max_scale)
        number = rounded if rounded or not number else 0.0
    if not column.whole_point and number.is_integer() and abs(number) < DECIMAL_LIMIT:
        return str(int(number))
    return repr(number)


def _without_false_sign(text: str, number: float) -> str:
    """Drop the sign of a negative number that was rounded to zero; an actual -0.0 retains it."""
    if number and text.startswith("-") and not text.strip("-0."):
        return text[1:]
    return text
