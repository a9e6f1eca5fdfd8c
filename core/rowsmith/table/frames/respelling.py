"""From a DataFrame of a known table back to a spelled table: the inverse of ``to_frame``.

A frame does not contain the spelling of its columns (``1.5`` or ``1.50``, ``yes`` or ``True``); the
schema does. Each distinct value is spelled once. Invariant:
``spell_frame(to_frame(columns, schema), schema)`` has the same texts as ``columns``, for columns that
came from a file or a frame.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa

from rowsmith.errors import DataError
from rowsmith.table.column_labels import name_of
from rowsmith.table.columns import codes_of, compact
from rowsmith.table.frames.encoding import encode_column
from rowsmith.table.read_options import ReadOptions
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.table.types.datetimes import format_fit, spell_datetimes
from rowsmith.table.types.encoded import spelled_unique
from rowsmith.table.types.spelling import spell_decimal
from rowsmith.table.types.units import ticks_of

__all__ = ["spell_frame"]


def spell_frame(frame: pd.DataFrame, schema: TableSchema) -> pa.Table:
    """Spell a frame in the spelling of its table.

    Args:
        frame: Rows in the user's dtypes, as ``to_frame`` gives them, labelled by label or name; other
            columns are ignored.
        schema: The table's columns.

    Returns:
        The spelled table, its columns in the schema's order.

    Raises:
        DataError: The frame lacks a column, or a value cannot be written in the spelling of its column.
    """
    indices = {name_of(label): index for index, label in enumerate(frame.columns)}
    missing = [name for name in schema.names if name not in indices]
    if missing:
        raise DataError(f"the rows lack the columns {missing}; give every column of the table")
    return pa.table(
        [_spell(frame.iloc[:, indices[column.name]], column) for column in schema], names=list(schema.names)
    )


def _spell(series: pd.Series, column: ColumnSchema) -> pa.DictionaryArray:
    marks = tuple(mark for mark, _ in column.storage.null_marks if mark is not None)
    encoded = encode_column(column.name, series, ReadOptions(null_values=marks))
    array = compact(encoded.array)
    respell = _RESPELL.get(column.type)
    counted = encoded.storage.unit != column.storage.unit and column.type in (ColumnType.INTEGER, ColumnType.DECIMAL)
    if respell is None or not len(array.dictionary):
        return array
    try:
        texts = array.dictionary.to_pylist()
        if counted:
            texts = list(map(str, ticks_of(texts, encoded.storage.unit, column.storage.unit)))
        texts = respell(texts, column)
    except (ValueError, OverflowError) as error:
        raise DataError(f"column {column.name!r}: a value is not of type {column.type.value} ({error})") from error
    return compact(spelled_unique(texts, codes_of(array)))


def _integers(texts: list[str], column: ColumnSchema) -> list[str]:
    # Floats with a fraction beside them are spelled with a point; whole numbers are not.
    return [text if text.lstrip("-").isdecimal() else str(int(float(text))) for text in texts]


def _decimals(texts: list[str], column: ColumnSchema) -> list[str]:
    return [spell_decimal(float(text), column) for text in texts]


def _booleans(texts: list[str], column: ColumnSchema) -> list[str]:
    false, true = column.spellings or ("False", "True")
    words = {"False": false, "True": true, false: false, true: true}
    unknown = [text for text in texts if text not in words]
    if unknown:
        raise ValueError(f"it is neither {false!r} nor {true!r}")
    return [words[text] for text in texts]


def _datetimes(texts: list[str], column: ColumnSchema) -> list[str]:
    """Date-times in the column's format; the encoder's ISO text is only as fine as the values need."""
    format_ = column.datetime_format
    if format_ is None or format_fit(pa.array(texts, type=pa.string()), format_).all():
        return texts
    instants = np.array([text.removesuffix("Z") for text in texts], dtype="datetime64[ns]")
    if (instants.astype("datetime64[D]") != np.array([text[:10] for text in texts], dtype="datetime64[D]")).any():
        instants = np.array([text.removesuffix("Z") for text in texts], dtype="datetime64[us]")
    return spell_datetimes(instants, format_)


_RESPELL: dict[ColumnType, Callable[[list[str], ColumnSchema], list[str]]] = {
    ColumnType.INTEGER: _integers,
    ColumnType.DECIMAL: _decimals,
    ColumnType.BOOLEAN: _booleans,
    ColumnType.DATETIME: _datetimes,
}
