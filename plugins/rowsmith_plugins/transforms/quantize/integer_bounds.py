"""Range of whole numbers that a column can hold."""

from __future__ import annotations

import re

from rowsmith.table.schema import ColumnSchema, ColumnType

__all__ = ["integer_bounds", "is_integer_typed"]

_INTEGER_TYPE = re.compile(r"(u?)int(8|16|32|64)", re.IGNORECASE)


def is_integer_typed(column: ColumnSchema) -> bool:
    """Whether the dtype of the column is an integer type."""
    return _INTEGER_TYPE.match(column.storage.dtype) is not None


def integer_bounds(column: ColumnSchema) -> tuple[int, int]:
    """The smallest and the largest whole number that a column can hold."""
    found = _INTEGER_TYPE.search(column.storage.dtype)
    bits = int(found.group(2)) if found else 64
    unsigned = found is not None and bool(found.group(1))
    most = 2**63 if column.type is ColumnType.INTEGER else 2**64
    return (0, min(2**bits, most) - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
