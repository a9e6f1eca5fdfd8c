"""From spelled columns to pandas arrays of the user's dtypes.

Distinct values are read once and then spread over the rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from attrs import evolve

from rowsmith.table.columns import Codes, codes_of
from rowsmith.table.frames.arrow_types import arrow_type, is_uuid
from rowsmith.table.frames.objects import NULLS, element_reader
from rowsmith.table.schema import ColumnSchema, ColumnType, Source, Storage
from rowsmith.table.types.datetimes import find_format, parse_datetimes
from rowsmith.table.types.units import periods_of, ticks_of

__all__ = ["READ_ERRORS", "Reader", "accepts_any_text", "is_uuid_typed", "reader", "takes"]

READ_ERRORS = (ValueError, OverflowError, ArithmeticError, pa.ArrowException)
"""What reading a spelled value that does not fit its dtype may raise; ``DataError`` is a ``ValueError``."""

Values = Sequence[str]


class Reader:
    """Conversion of the spelled values of one column to a pandas array.

    Args:
        read: Makes an array of the right dtype from distinct values; raises one of ``READ_ERRORS``
            when a value does not fit.
        spread: Makes the column from that array and the rows' codes.
        nullable: Whether the dtype can hold null.
    """

    def __init__(
        self, read: Callable[[Values], Any], spread: Callable[[Any, Codes], Any], *, nullable: bool = True
    ) -> None:
        self.read = read
        self.nullable = nullable
        self._spread = spread

    def column(self, array: pa.DictionaryArray) -> Any:
        """The pandas array of a spelled column."""
        return self._spread(self.read(array.dictionary.to_pylist()), codes_of(array))


def reader(column: ColumnSchema, *, nulls: bool) -> Reader:
    """The reader for a column.

    Args:
        column: The column.
        nulls: Whether there are nulls; text sources then get a nullable dtype.
    """
    storage = column.storage
    if storage.source is not Source.PANDAS:
        column = evolve(column, storage=Storage(source=Source.PANDAS, dtype=_plain_dtype(column, nulls)))
        storage = column.storage
    dtype = storage.dtype
    if dtype == "category":
        return _open_category_reader(column) if storage.categories is None else _category_reader(column)
    if dtype == "object":
        return _object_reader(storage)
    if dtype.startswith("str["):
        return _string_reader(dtype)
    if dtype.endswith("[pyarrow]"):
        return _arrow_reader(column, arrow_type(dtype.removesuffix("[pyarrow]")))
    parsed: Any = pd.api.types.pandas_dtype(dtype)
    if parsed.kind == "M":
        return _datetime_reader(column, parsed)
    if isinstance(parsed, pd.PeriodDtype):
        return _period_reader(column, parsed)
    if parsed.kind == "m":
        return _duration_reader(storage, parsed)
    return _number_reader(column, parsed)


def _plain_dtype(column: ColumnSchema, nulls: bool) -> str:
    """The dtype for a column that came as text."""
    nulls = nulls or column.nullable
    if column.type is ColumnType.INTEGER or (column.whole_dates and column.storage.element != "string"):
        return "Int64" if nulls else "int64"
    if column.type is ColumnType.BOOLEAN:
        return "boolean" if nulls else "bool"
    if column.type in (ColumnType.DECIMAL, ColumnType.NULL):
        return "float64"
    usual: Any = pd.Series(["text"]).dtype
    return f"str[{usual.storage}, NaN]" if isinstance(usual, pd.StringDtype) else "object"


def is_uuid_typed(column: ColumnSchema) -> bool:
    """Whether a column is returned as UUIDs."""
    return column.storage.element == "uuid" or column.storage.dtype == "extension<arrow.uuid>[pyarrow]"


def takes(column: ColumnSchema, text: str) -> bool:
    """Whether the dtype of a column can hold a text."""
    if column.storage.categories is not None:
        return text in column.storage.categories
    try:
        reader(column, nulls=False).read([text])
    except READ_ERRORS:
        return False
    return True


def accepts_any_text(column: ColumnSchema) -> bool:
    """Whether a column is returned as text, which any value and null fit."""
    numbers = (ColumnType.INTEGER, ColumnType.BOOLEAN, ColumnType.DECIMAL, ColumnType.NULL)
    return column.storage.source is not Source.PANDAS and column.type not in numbers and not column.whole_dates


def _number_reader(column: ColumnSchema, dtype: Any) -> Reader:
    numpy_dtype = np.dtype(getattr(dtype, "numpy_dtype", dtype))
    read: Callable[[Values], Any]
    if numpy_dtype.kind == "b":
        read = _boolean_read(column)
    elif numpy_dtype.kind == "f":
        read = lambda values: _floats(values, numpy_dtype)  # noqa: E731
    else:
        read = lambda values: _integers(values, numpy_dtype)  # noqa: E731
    if not isinstance(dtype, np.dtype):
        return Reader(read, lambda unique, codes: _masked(unique, codes, numpy_dtype))
    if numpy_dtype.kind == "f":
        return Reader(read, lambda unique, codes: np.append(unique, np.array([np.nan], dtype=numpy_dtype))[codes])
    return Reader(read, lambda unique, codes: unique[codes], nullable=False)


def _integers(values: Values, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    texts = pa.array(values, pa.string())
    # Arrow also reads other spellings, such as hexadecimal ones, which no column of integers has.
    if pc.all(pc.match_substring_regex(texts, "^-?[0-9]{1,18}$")).as_py() and dtype == np.int64:
        return np.asarray(texts.cast(pa.int64()))
    return np.array([_integer(value) for value in values], dtype=dtype)


def _integer(text: str) -> int:
    return int(text) if text.lstrip("-").isdecimal() else int(_whole(text))


def _whole(text: str) -> float:
    number = float(text)
    if not number.is_integer():
        raise ValueError(f"{text!r} is not a whole number")
    return number


def _floats(values: Values, dtype: Any) -> npt.NDArray[Any]:
    numbers = np.array([float(value) for value in values], dtype=np.float64)
    with np.errstate(over="ignore"):
        numbers = numbers.astype(dtype)
    if not np.isfinite(numbers).all():
        raise ValueError("a number is not finite")
    return numbers


def _boolean_read(column: ColumnSchema) -> Callable[[Values], npt.NDArray[np.bool_]]:
    indices = {text: bool(index) for index, text in enumerate(column.spellings or ("False", "True"))}

    def read(values: Values) -> npt.NDArray[np.bool_]:
        unknown = [value for value in values if value not in indices]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is neither of {list(indices)}")
        return np.array([indices[value] for value in values], dtype=bool)

    return read


def _masked(unique: npt.NDArray[Any], codes: Codes, dtype: Any) -> Any:
    values = np.append(unique, np.zeros(1, dtype=dtype))[codes]
    kinds: dict[str, Any] = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}
    return kinds.get(dtype.kind, pd.arrays.IntegerArray)(values, codes < 0)


def _string_reader(words: str) -> Reader:
    storage: Any
    storage, na = words.removeprefix("str[").removesuffix("]").split(", ")
    dtype = pd.StringDtype(storage, na_value=pd.NA if na == "NA" else np.nan)
    if storage == "pyarrow":
        arrow = lambda values: pa.array(values, pa.large_string())  # noqa: E731
        return Reader(arrow, lambda unique, codes: pd.array(unique.take(pa.array(codes, mask=codes < 0)), dtype=dtype))
    return Reader(_texts, lambda unique, codes: pd.array(_objects(unique, codes, None), dtype=dtype))


def _texts(values: Values) -> npt.NDArray[np.object_]:
    return _object_array(values)


def _object_array(values: Sequence[Any]) -> npt.NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _objects(unique: npt.NDArray[np.object_], codes: Codes, null: Any) -> npt.NDArray[np.object_]:
    return np.append(unique, _object_array([null]))[codes]


def _object_reader(storage: Storage) -> Reader:
    read = element_reader(storage)
    null = NULLS[storage.null]
    # An explicit array, since pandas would make date-times and strings of a list.
    return Reader(
        lambda values: _object_array([read(value) for value in values]),
        lambda unique, codes: _objects(unique, codes, null),
    )


def _instants(values: Values, column: ColumnSchema) -> npt.NDArray[np.datetime64]:
    format_ = column.datetime_format or find_format(values)
    if format_ is None:
        if len(values):
            raise ValueError(f"{values[0]!r} and the other values have no common date-time format")
        return np.array([], dtype="datetime64[us]")
    return parse_datetimes(values, format_)


def _to_unit(instants: npt.NDArray[np.datetime64], unit: str) -> npt.NDArray[np.datetime64]:
    converted = instants.astype(f"datetime64[{unit}]")
    if (converted.astype("datetime64[D]") != instants.astype("datetime64[D]")).any():
        raise ValueError(f"a date-time is outside what {unit} can hold")
    return converted


def _datetime_reader(column: ColumnSchema, dtype: Any) -> Reader:
    unit = np.datetime_data(dtype)[0] if isinstance(dtype, np.dtype) else dtype.unit

    def spread(unique: npt.NDArray[np.datetime64], codes: Codes) -> Any:
        rows = np.append(unique, np.array(["NaT"], dtype=unique.dtype))[codes]
        if isinstance(dtype, np.dtype):
            return rows
        return pd.Series(rows).dt.tz_localize("UTC").dt.tz_convert(dtype.tz).array

    return Reader(lambda values: _to_unit(_instants(values, column), unit), spread)


def _period_reader(column: ColumnSchema, dtype: pd.PeriodDtype) -> Reader:
    def spread(unique: npt.NDArray[np.datetime64], codes: Codes) -> Any:
        return periods_of(np.append(unique, np.array(["NaT"], dtype=unique.dtype))[codes], dtype)

    return Reader(lambda values: _instants(values, column), spread)


def _duration_reader(storage: Storage, dtype: np.dtype[Any]) -> Reader:
    def read(values: Values) -> npt.NDArray[np.timedelta64]:
        return np.array(ticks_of(values, storage.unit, np.datetime_data(dtype)[0]), dtype=np.int64).view(dtype)

    return Reader(read, lambda unique, codes: np.append(unique, np.array(["NaT"], dtype=dtype))[codes])


def _category_reader(column: ColumnSchema) -> Reader:
    storage = column.storage
    texts = storage.categories or ()
    inner = evolve(column, storage=evolve(storage, dtype=storage.categories_dtype, categories=None))
    indices = {text: index for index, text in enumerate(texts)}
    categories = pd.Index(reader(inner, nulls=False).column(_all_of(texts)))
    dtype = pd.CategoricalDtype(categories, storage.ordered)

    def read(values: Values) -> npt.NDArray[np.int64]:
        unknown = [value for value in values if value not in indices]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not one of the categories")
        return np.array([indices[value] for value in values], dtype=np.int64)

    return Reader(read, lambda unique, codes: pd.Categorical.from_codes(np.append(unique, -1)[codes], dtype=dtype))


def _open_category_reader(column: ColumnSchema) -> Reader:
    storage = column.storage
    inner = reader(evolve(column, storage=evolve(storage, dtype=storage.categories_dtype)), nulls=False)

    def spread(unique: pd.Index, codes: Codes) -> Any:
        categories = unique.unique().sort_values()
        indices = np.append(categories.get_indexer(unique), -1)[codes]
        return pd.Categorical.from_codes(indices, dtype=pd.CategoricalDtype(categories, storage.ordered))

    return Reader(lambda values: pd.Index(inner.column(_all_of(values))), spread)


def _all_of(texts: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(range(len(texts)), pa.int32()), pa.array(texts, pa.string()))


def _arrow_reader(column: ColumnSchema, type_: pa.DataType) -> Reader:
    inner = type_.value_type if pa.types.is_dictionary(type_) else type_

    def spread(unique: pa.Array, codes: Codes) -> Any:
        indices = pa.array(codes, mask=codes < 0)
        rows = unique.take(indices)
        if pa.types.is_dictionary(type_):
            rows = pa.DictionaryArray.from_arrays(indices.cast(type_.index_type), unique, ordered=type_.ordered)
        return pd.arrays.ArrowExtensionArray(pa.chunked_array([rows], type=type_))

    return Reader(lambda values: _arrow_values(values, column, inner), spread)


def _arrow_values(values: Values, column: ColumnSchema, type_: pa.DataType) -> pa.Array:
    """Distinct values as an Arrow array of a type that is not coded."""
    is_ = pa.types
    if is_.is_timestamp(type_):
        instants = _to_unit(_instants(values, column), type_.unit)
        return pa.array(instants.view("i8"), pa.int64()).cast(type_)
    if is_.is_boolean(type_):
        return pa.array(_boolean_read(column)(values))
    if is_.is_floating(type_):
        return pa.array(_floats(values, type_.to_pandas_dtype()), type_)
    if is_.is_integer(type_):
        return pa.array([_integer(value) for value in values], type_)
    if is_.is_duration(type_) or is_.is_time(type_):
        ticks = ticks_of(values, column.storage.unit, type_.unit, within_a_day=is_.is_time(type_))
        return pa.array(ticks, pa.int64()).cast(f"int{type_.bit_width}").cast(type_)
    if is_uuid(type_):
        return pa.array([uuid.UUID(value).bytes for value in values], pa.binary(16)).cast(type_)
    element = "decimal" if is_.is_decimal(type_) else "date" if is_.is_date(type_) else "str"
    read = element_reader(Storage(element=element))
    return pa.array([read(value) for value in values], type_)
