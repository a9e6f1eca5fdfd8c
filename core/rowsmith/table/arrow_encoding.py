"""From Arrow columns to spelled columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rowsmith.errors import DataError
from rowsmith.table.arrow_types import arrow_type
from rowsmith.table.columns import codes_of, compact, from_codes, single_array
from rowsmith.table.encoded import Encoded, spell_floats, spell_instants, spell_integers, spelled_unique
from rowsmith.table.inference import BOOLEANS, NUMBERS, TEXTS
from rowsmith.table.schema import ColumnType, Source, Storage

__all__ = ["encode_arrow", "encode_strings"]

_is = pa.types


def encode_arrow(name: str, column: pa.ChunkedArray, declared: pa.DataType) -> Encoded:
    """Spell the values of an Arrow column.

    Args:
        name: The column's name, for messages.
        column: Its values; strings may be dictionary-encoded although they are not declared so.
        declared: The type to hand back.

    Returns:
        The spelled array, the storage that gives the same type back, and the types it may have.

    Raises:
        DataError: The type or a value is not supported.
    """
    storage = Storage(source=Source.PANDAS, dtype=f"{declared}[pyarrow]")
    try:
        arrow_type(str(declared))
        array, allowed = _spell(name, column)
    except DataError as error:
        raise DataError(f"column {name!r}: {error}") from error
    except (pa.ArrowException, OverflowError, ValueError) as error:
        raise DataError(f"column {name!r}: the values cannot be read ({error})") from error
    return Encoded(array, storage, allowed)


def encode_strings(name: str, column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Spell a column of Arrow strings of any width."""
    coded = column.dictionary_encode()
    if not _is.is_string(coded.type.value_type):
        coded = coded.cast(pa.dictionary(pa.int32(), pa.string()))
    return compact(single_array(coded))


def _spell(name: str, column: pa.ChunkedArray) -> tuple[pa.DictionaryArray, tuple[ColumnType, ...]]:
    type_ = column.type
    if _is.is_dictionary(type_):
        return _spell_coded(name, column)
    if _is.is_string(type_) or _is.is_large_string(type_) or _is.is_string_view(type_):
        return encode_strings(name, column), TEXTS
    if _is.is_integer(type_):
        return spell_integers(name, *_plain(column)), NUMBERS
    if _is.is_floating(type_):
        return spell_floats(name, *_plain(column)), NUMBERS
    if _is.is_timestamp(type_):
        ticks, missing = _plain(column.cast(pa.int64()))
        instants = ticks.view(f"datetime64[{type_.unit}]").copy()
        instants[missing] = np.datetime64("NaT")
        return spell_instants(name, instants, "Z" if type_.tz else ""), TEXTS
    if _is.is_null(type_):
        return from_codes([], np.full(len(column), -1, dtype=np.int32)), ()
    return _spell_objects(name, column)


def _spell_objects(name: str, column: pa.ChunkedArray) -> tuple[pa.DictionaryArray, tuple[ColumnType, ...]]:
    coded = _single(column.dictionary_encode())
    values = coded.dictionary.to_pylist()
    if _is.is_boolean(column.type):
        return from_codes([str(value) for value in values], codes_of(coded)), BOOLEANS
    if _is.is_decimal(column.type):
        return from_codes([f"{value:f}" for value in values], codes_of(coded)), NUMBERS
    if _is.is_date(column.type):
        return from_codes([value.isoformat() for value in values], codes_of(coded)), TEXTS
    raise DataError(f"the Arrow type {str(column.type)!r} is not supported")


def _spell_coded(name: str, column: pa.ChunkedArray) -> tuple[pa.DictionaryArray, tuple[ColumnType, ...]]:
    coded = _single(column)
    codes = coded.indices.cast(pa.int64())
    inner, allowed = _spell(name, pa.chunked_array([coded.dictionary]))
    places = np.append(codes_of(inner), -1)
    rows = places[np.asarray(codes.fill_null(-1).to_numpy(zero_copy_only=False))]
    return compact(spelled_unique(inner.dictionary.to_pylist(), rows)), allowed


def _single(column: pa.ChunkedArray) -> pa.DictionaryArray:
    if column.num_chunks == 0:
        return pa.array([], type=column.type)
    return single_array(column)


def _plain(column: pa.ChunkedArray) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Values as NumPy, zero where null, and which are null."""
    missing = np.asarray(pc.is_null(column).to_numpy())
    if column.null_count:
        column = column.fill_null(pa.scalar(0, type=pa.int64()).cast(column.type))
    return np.ascontiguousarray(column.to_numpy()), missing
