"""Arrow types by their names in a column's storage."""

from __future__ import annotations

import re

import pyarrow as pa

from rowsmith.errors import DataError

__all__ = ["arrow_type", "is_uuid"]

_SIMPLE = {
    str(type_): type_
    for type_ in (
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.date32(), pa.date64(), pa.null()),
        *(pa.string(), pa.large_string(), pa.string_view()),
        *(pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
        *(pa.duration(unit) for unit in ("s", "ms", "us", "ns")),
        # Older releases of Arrow have no type for UUIDs.
        *([pa.uuid()] if hasattr(pa, "uuid") else []),
    )
}
_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns)(?:, tz=(.+))?\]")
_DECIMAL = re.compile(r"decimal(32|64|128|256)\((\d+), (-?\d+)\)")
_DICTIONARY = re.compile(r"dictionary<values=(.+), indices=(u?int\d+), ordered=([01])>")
_DECIMALS = {"32": pa.decimal32, "64": pa.decimal64, "128": pa.decimal128, "256": pa.decimal256}


def arrow_type(words: str) -> pa.DataType:
    """Parse the name of an Arrow type, as ``str`` writes it.

    Args:
        words: Such as ``timestamp[us, tz=UTC]``.

    Raises:
        DataError: Not a type that tables can hold.
    """
    if words in _SIMPLE:
        return _SIMPLE[words]
    if found := _TIMESTAMP.fullmatch(words):
        return pa.timestamp(found.group(1), tz=found.group(2))
    if found := _DECIMAL.fullmatch(words):
        return _DECIMALS[found.group(1)](int(found.group(2)), int(found.group(3)))
    if found := _DICTIONARY.fullmatch(words):
        inner, index, ordered = found.groups()
        return pa.dictionary(arrow_type(index), arrow_type(inner), ordered=ordered == "1")
    raise DataError(f"the Arrow type {words!r} is not supported; convert the column to numbers, text or date-times")


def is_uuid(type_: pa.DataType) -> bool:
    """Whether an Arrow type is that of UUIDs."""
    return isinstance(type_, pa.BaseExtensionType) and type_.extension_name == "arrow.uuid"
