"""From pandas columns to spelled columns, by dtype.

Values are factorized first, so that text is made once for each distinct value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from attrs import evolve

from rowsmith.errors import DataError
from rowsmith.table.columns import codes_of, compact, from_codes, spelled
from rowsmith.table.frames.arrow_encoding import encode_arrow, encode_strings
from rowsmith.table.frames.objects import encode_objects
from rowsmith.table.read_options import ReadOptions
from rowsmith.table.schema import ColumnType, Source, Storage
from rowsmith.table.types.encoded import (
    Encoded,
    factorized,
    first_row,
    integer_texts,
    spell_floats,
    spell_instants,
    spell_integers,
)
from rowsmith.table.types.inference import BOOLEANS, LABELS, NUMBERS, TEXTS, infer_column
from rowsmith.table.types.null_marks import marks_to_null
from rowsmith.table.types.units import period_starts, to_coarsest_unit

__all__ = ["encode_column"]

_WIDEST = 8


def encode_column(name: str, series: pd.Series, options: ReadOptions | None = None) -> Encoded:
    """Spell the values of a pandas column.

    Args:
        name: The column's name, for messages.
        series: Its values; not changed.
        options: The null marks; by default none.

    Returns:
        The spelled array, the storage that gives the same dtype back, and the types it may have.

    Raises:
        DataError: A value, or the dtype, is not supported; the message names column and row.
    """
    options = options or ReadOptions()
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "O":
        return encode_objects(name, series, options)
    return marks_to_null(_encode_typed(name, series), options)


def _encode_typed(name: str, series: pd.Series) -> Encoded:
    dtype: Any = series.dtype
    storage = Storage(source=Source.PANDAS, dtype=str(dtype))
    if isinstance(dtype, pd.CategoricalDtype):
        return _encode_category(name, series, dtype)
    if isinstance(dtype, pd.ArrowDtype):
        return encode_arrow(name, _arrow(series).chunks, dtype.pyarrow_dtype)
    if isinstance(dtype, pd.StringDtype):
        return _encode_strings(name, series, dtype)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _encode_zoned(name, series, storage)
    if isinstance(dtype, np.dtype) and dtype.kind == "M":
        return Encoded(spell_instants(name, series.to_numpy(), ""), storage, TEXTS)
    if isinstance(dtype, np.dtype) and dtype.kind == "m":
        return _encode_durations(series.to_numpy(), storage)
    if isinstance(dtype, pd.PeriodDtype):
        return Encoded(spell_instants(name, period_starts(series.array), ""), storage, TEXTS)
    if _is_number(dtype):
        return _encode_numbers(name, series, storage)
    raise DataError(
        f"column {name!r} has the dtype {str(dtype)!r}, which is not supported (first value, row 1: "
        f"{str(series.iloc[0])[:60]!r}); convert it to numbers, text or date-times, or leave it out"
    )


def _is_number(dtype: Any) -> bool:
    numpy_dtype = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", None)
    # Beyond 64 bits, readers read different numbers from the same text.
    return isinstance(numpy_dtype, np.dtype) and numpy_dtype.kind in "biuf" and numpy_dtype.itemsize <= _WIDEST


def _arrow(series: pd.Series) -> pa.ChunkedArray:
    array = pa.array(series.array)
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _encode_strings(name: str, series: pd.Series, dtype: pd.StringDtype) -> Encoded:
    na = "NA" if dtype.na_value is pd.NA else "NaN"
    storage = Storage(source=Source.PANDAS, dtype=f"str[{dtype.storage}, {na}]")
    try:
        return Encoded(encode_strings(_arrow(series).chunks), storage, TEXTS)
    except UnicodeEncodeError:
        encode_objects(name, series.astype(object), ReadOptions())  # names the row
        raise


def _encode_numbers(name: str, series: pd.Series, storage: Storage) -> Encoded:
    dtype: Any = series.dtype
    numpy_dtype = getattr(dtype, "numpy_dtype", dtype)
    missing = series.isna().to_numpy()
    if isinstance(dtype, np.dtype):
        values = series.to_numpy()
    else:
        values = series.to_numpy(dtype=numpy_dtype, na_value=numpy_dtype.type(0))
    if numpy_dtype.kind == "b":
        codes = np.where(missing, -1, values.astype(np.int8)).astype(np.int32)
        return Encoded(compact(from_codes(["False", "True"], codes)), storage, BOOLEANS)
    values = np.ascontiguousarray(values)
    if numpy_dtype.kind == "f":
        return Encoded(spell_floats(name, values, missing), storage, NUMBERS)
    return Encoded(spell_integers(values, missing), storage, NUMBERS)


def _encode_durations(values: npt.NDArray[np.timedelta64], storage: Storage) -> Encoded:
    ticks, codes = factorized(values.view("i8"), np.isnat(values))
    numbers, unit = to_coarsest_unit(ticks, np.datetime_data(values.dtype)[0])
    return Encoded(spelled(integer_texts(numbers), codes), evolve(storage, unit=unit), NUMBERS)


def _encode_zoned(name: str, series: pd.Series, storage: Storage) -> Encoded:
    try:
        same = pd.api.types.pandas_dtype(storage.dtype) == series.dtype
    except TypeError:
        same = False
    if not same:
        raise DataError(
            f"column {name!r} has a time zone without a standard name ({storage.dtype}); convert to UTC first"
        )
    instants = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    return Encoded(spell_instants(name, instants, "Z"), storage, TEXTS)


def _encode_category(name: str, series: pd.Series, dtype: pd.CategoricalDtype) -> Encoded:
    """Spell categories; those that hardly repeat are open."""
    codes = series.cat.codes.to_numpy().astype(np.int32)
    inner = _encode_categories(name, dtype)
    texts = [inner.array.dictionary[code].as_py() for code in codes_of(inner.array).tolist()]
    storage = evolve(
        inner.storage,
        dtype="category",
        categories=tuple(texts),
        categories_dtype=inner.storage.dtype,
        ordered=bool(dtype.ordered),
    )
    array = compact(from_codes(texts, codes))
    if infer_column(name, array, storage, LABELS).type is ColumnType.TEXT:
        return Encoded(array, evolve(storage, categories=None), inner.allowed)
    return Encoded(array, storage, LABELS)


def _encode_categories(name: str, dtype: pd.CategoricalDtype) -> Encoded:
    if not len(dtype.categories):
        storage = Storage(source=Source.PANDAS, dtype=str(dtype.categories.dtype))
        return Encoded(from_codes([], np.zeros(0)), storage, ())
    try:
        inner = encode_column(name, pd.Series(dtype.categories))
    except DataError as error:
        raise DataError(f"{error} (in its categories)") from error
    repeated = pd.Series(codes_of(inner.array)).duplicated().to_numpy()
    if repeated.any():
        raise DataError(f"column {name!r}: category {first_row(repeated)} is written like an earlier one; rename it")
    return inner
