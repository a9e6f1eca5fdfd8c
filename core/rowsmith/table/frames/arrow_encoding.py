"""From Arrow columns to spelled columns."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import evolve

from rowsmith.errors import DataError
from rowsmith.storage.malloc import release_freed_memory
from rowsmith.table.columns import Codes, codes_of, compact, renumbered, single_array, spelled
from rowsmith.table.frames.arrow_types import arrow_type, is_uuid
from rowsmith.table.schema import ColumnType, Source, Storage
from rowsmith.table.types.encoded import Encoded, float_texts, instant_texts, integer_texts
from rowsmith.table.types.inference import BOOLEANS, LABELS, NUMBERS, TEXTS
from rowsmith.table.types.units import to_coarsest_unit

__all__ = ["encode_arrow", "encode_strings", "is_text"]

_is = pa.types


def encode_arrow(name: str, chunks: Iterable[pa.Array], declared: pa.DataType) -> Encoded:
    """Spell the values of an Arrow column, a chunk at a time.

    Args:
        name: The column's name, for messages.
        chunks: Its values, in order; strings may be dictionary-encoded although they are not declared so.
        declared: The type of the column on output.

    Returns:
        The spelled array, the storage that gives the same type back, and the types it may have.

    Raises:
        DataError: The type or a value is not supported.
    """
    storage = Storage(source=Source.PANDAS, dtype=f"{declared}[pyarrow]")
    try:
        arrow_type(str(declared))
        type_ = declared.value_type if _is.is_dictionary(declared) else declared
        coded = _joined(chunks)
        if _is.is_duration(type_) or _is.is_time(type_):
            numbers, unit = to_coarsest_unit(_ticks(coded.dictionary), type_.unit)
            return Encoded(spelled(integer_texts(numbers), codes_of(coded)), evolve(storage, unit=unit), NUMBERS)
        codes = codes_of(coded)
        texts, allowed = _texts(name, coded.dictionary, codes, type_)
    except DataError as error:
        raise DataError(f"column {name!r}: {error}") from error
    except (pa.ArrowException, OverflowError, ValueError) as error:
        raise DataError(f"column {name!r}: the values cannot be read ({error})") from error
    return Encoded(spelled(texts, codes), storage, allowed)


def encode_strings(chunks: Iterable[pa.Array]) -> pa.DictionaryArray:
    """Spell a column of Arrow strings of any width."""
    return _joined(chunks)


def _joined(chunks: Iterable[pa.Array]) -> pa.DictionaryArray:
    """All chunks as distinct values and codes."""
    parts = pa.chunked_array([_coded(chunk) for chunk in chunks])
    coded, several = single_array(parts), parts.num_chunks > 1
    del parts
    if several:
        release_freed_memory()
    return compact(coded)


def _coded(chunk: pa.Array) -> pa.DictionaryArray:
    """A chunk as distinct values and codes; floating-point numbers by their bits, so that 0 and -0 differ."""
    type_ = chunk.type
    if _is.is_dictionary(type_):
        values = _coded(chunk.dictionary)
        return spelled(values.dictionary, renumbered(codes_of(chunk), codes_of(values)))
    if _is.is_floating(type_):
        chunk = chunk.view(f"int{type_.bit_width}")
    elif _is.is_null(type_):
        chunk = chunk.cast(pa.string())
    elif is_uuid(type_):
        chunk = chunk.storage
    coded = chunk.dictionary_encode()
    values, codes = coded.dictionary, codes_of(coded)
    if _is.is_floating(type_) or _is.is_timestamp(type_):
        plain = _plain(values, type_)
        # NaN and NaT, which are nulls, are not equal to themselves.
        codes = renumbered(codes, np.where(plain == plain, np.arange(len(plain)), -1).astype(np.int32))
    return spelled(values.cast(pa.string()) if is_text(type_) else values, codes)


def _ticks(values: pa.Array) -> npt.NDArray[np.int64]:
    """Durations or times of day without nulls as numbers of their unit."""
    return np.asarray(values.view(f"int{values.type.bit_width}").to_numpy(), dtype=np.int64)


def _plain(values: pa.Array, type_: pa.DataType) -> npt.NDArray[Any]:
    """Values without nulls as a NumPy array."""
    if _is.is_timestamp(type_):
        return np.asarray(values.cast(pa.int64()).to_numpy()).view(f"datetime64[{type_.unit}]")
    return np.asarray(values.to_numpy()).view(type_.to_pandas_dtype())


def _texts(
    name: str, values: pa.Array, codes: Codes, type_: pa.DataType
) -> tuple[pa.StringArray, tuple[ColumnType, ...]]:
    """The spelling of each distinct value of a column, and the types it may have."""
    if is_text(type_):
        return values, TEXTS
    if _is.is_null(type_):
        return values, ()
    if _is.is_integer(type_):
        return integer_texts(_plain(values, type_)), NUMBERS
    if _is.is_floating(type_):
        return float_texts(name, _plain(values, type_), codes), NUMBERS
    if _is.is_timestamp(type_):
        texts = instant_texts(name, _plain(values, type_), codes, "Z" if type_.tz else "")
        return pa.array(texts, pa.string()), TEXTS
    return _object_texts(values, type_)


def _object_texts(values: pa.Array, type_: pa.DataType) -> tuple[pa.StringArray, tuple[ColumnType, ...]]:
    objects = values.to_pylist()
    if _is.is_boolean(type_):
        return pa.array([str(value) for value in objects], pa.string()), BOOLEANS
    if _is.is_decimal(type_):
        return pa.array([f"{value:f}" for value in objects], pa.string()), NUMBERS
    if _is.is_date(type_):
        return pa.array([value.isoformat() for value in objects], pa.string()), TEXTS
    if is_uuid(type_):
        return pa.array([str(uuid.UUID(bytes=value)) for value in objects], pa.string()), LABELS
    raise DataError(f"the Arrow type {str(type_)!r} is not supported")


def is_text(type_: pa.DataType) -> bool:
    """Whether an Arrow type is a string of some width."""
    return bool(_is.is_string(type_) or _is.is_large_string(type_) or _is.is_string_view(type_))
