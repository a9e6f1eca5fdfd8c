"""Arrow streams that others may have written: nothing is read beyond them, and they take no more memory than they have.

Arrow itself checks less. A batch from a file says how long its arrays are and where their items begin, and
until it is validated, reading an item may read any address. Its buffers may also be compressed, and then a small
file may fill the memory.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa

__all__ = ["UNSOUND", "read_stream"]

UNSOUND = (
    pa.ArrowException,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    TypeError,
    ValueError,
    struct.error,
)
"""What Arrow raises on damaged bytes, besides what ``read_stream`` raises itself."""

# Positions of fields in the tables of the format (Message.fbs of Apache Arrow).
_HEADER = 2
_COMPRESSION = 3


def read_stream(source: Any, types: Mapping[str, Collection[pa.DataType]]) -> pa.Table:
    """Read a stream of plain batches, without a copy.

    Args:
        source: Bytes, a buffer, or an open Arrow file at the start of the stream.
        types: The types that each column may have; a stream need not have all columns.

    Returns:
        A table that is valid as a whole.

    Raises:
        ValueError: It has other columns or types, nulls, dictionaries or compressed buffers, or is not valid
            (``ArrowInvalid``). Arrow may raise any of ``UNSOUND``.
    """
    schema, batches = None, []
    for message in pa.ipc.MessageReader.open_stream(source):
        if schema is None:
            schema = pa.ipc.read_schema(message)
            _check_types(schema, types)
            continue
        if message.type != "record batch":
            raise ValueError(f"a {message.type} among the batches")
        if _is_compressed(message.metadata):
            raise ValueError("compressed buffers")
        batches.append(pa.ipc.read_record_batch(message, schema))
    if schema is None:
        raise ValueError("no stream of batches")
    table = pa.Table.from_batches(batches, schema)
    table.validate(full=True)
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count:
            raise ValueError(f"nulls in column {name!r}")
    return table


def _check_types(schema: pa.Schema, types: Mapping[str, Collection[pa.DataType]]) -> None:
    if len(set(schema.names)) < len(schema.names):
        raise ValueError("two columns with one name")
    for field in schema:
        if field.type not in types.get(field.name, ()):
            raise ValueError(f"column {field.name[:40]!r} of type {str(field.type)[:40]}")


def _is_compressed(metadata: Any) -> bool:
    """Whether a batch says that its buffers are compressed; Arrow has checked the layout of what it says."""
    data = memoryview(metadata)
    header = _field(data, _at(data, 0), _HEADER)
    return header is None or _field(data, _at(data, header), _COMPRESSION) is not None


def _at(data: memoryview, position: int) -> int:
    """What an offset refers to."""
    return position + int(struct.unpack_from("<I", data, position)[0])


def _field(data: memoryview, table: int, index: int) -> int | None:
    """Where a FlatBuffers table holds a field; None if it does not."""
    layout = table - struct.unpack_from("<i", data, table)[0]
    size = struct.unpack_from("<H", data, layout)[0]
    entry = 4 + 2 * index
    offset = struct.unpack_from("<H", data, layout + entry)[0] if entry < size else 0
    return table + offset if offset else None
