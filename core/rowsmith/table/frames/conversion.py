"""Tables from pandas DataFrames, and back in the same dtypes.

For every supported frame, ``to_frame`` of ``from_frame`` equals it except for its index,
which a table does not have. NaN counts as null.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from attrs import evolve

from rowsmith.errors import DataError
from rowsmith.table.column_labels import name_of
from rowsmith.table.columns import codes_of, compact, single_array
from rowsmith.table.frames.decoding import READ_ERRORS, Reader, accepts_any_text, reader
from rowsmith.table.frames.encoding import encode_column
from rowsmith.table.frames.labels import column_labels, labelled, names_of
from rowsmith.table.limits import Limits
from rowsmith.table.read_options import ReadOptions
from rowsmith.table.schema import ColumnSchema, Source, TableSchema
from rowsmith.table.table import Table
from rowsmith.table.types.encoded import Encoded, EncodedTable
from rowsmith.table.types.inference import check_types, infer_column
from rowsmith.table.types.marks import slips_note
from rowsmith.table.types.null_marks import insert_marks, mark_notes
from rowsmith.table.types.whole_dates import DESCRIPTIONS

__all__ = ["build_table", "from_frame", "misfits", "named_frame", "to_frame"]


def from_frame(
    frame: pd.DataFrame, *, types: Mapping[Any, str] | None = None, options: ReadOptions | None = None
) -> Table:
    """Make a table from a DataFrame.

    Args:
        frame: At least one row and one column, labels unique as text. It is not changed; its index is
            ignored.
        types: Types by column label or name, instead of inferred ones: a ``ColumnType`` value,
            ``key`` or ``constant``.
        options: Dropped columns and null marks.

    Returns:
        The table.

    Raises:
        DataError: The frame cannot be used; the message names column and row.
    """
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"expected a pandas DataFrame, not {type(frame).__name__}")
    Limits().check_shape("the table", len(frame), len(frame.columns))
    names = check_names(names_of(frame.columns))
    if not len(frame):
        raise DataError("the table has no rows; at least one is needed")
    options = options or ReadOptions()
    selected = options.selected(names)
    encoded = {names[at]: encode_column(names[at], frame.iloc[:, at], options) for at in selected}
    named = {name_of(label): type_ for label, type_ in (types or {}).items()}
    table = build_table(EncodedTable(encoded), named, options)
    return evolve(table, schema=evolve(table.schema, labels=column_labels(frame.columns[selected])))


def check_names(labels: list[Any], *, unnamed: Collection[int] = ()) -> list[str]:
    """Check column labels.

    Args:
        labels: Labels of any kind.
        unnamed: Columns, counted from 1, that may lack a name.

    Returns:
        The same, known to be unique, non-empty strings.

    Raises:
        DataError: They are not; the message names the first problem.
    """
    if not labels:
        raise DataError("the table has no columns; at least one is needed")
    seen: set[str] = set()
    for number, label in enumerate(labels, start=1):
        if not isinstance(label, str):
            raise DataError(f"the label of column {number} is {label!r}, not a string; rename the column")
        if not label and number not in unnamed:
            raise DataError(f"column {number} has no name; name it, or leave it out with data.drop: ['']")
        if label and label in seen:
            raise DataError(f"two columns are named {label!r} (the second is column {number}); rename one")
        if any("\ud800" <= character <= "\udfff" for character in label):
            raise DataError(f"the label of column {number} is not valid Unicode (a lone surrogate); rename the column")
        seen.add(label)
    return labels


def build_table(encoded: EncodedTable, types: Mapping[str, str], options: ReadOptions) -> Table:
    """Make a table from spelled columns, inferring types.

    Args:
        encoded: The spelled columns.
        types: The user's types by column name.
        options: The read options.

    Raises:
        DataError: ``types`` names an unknown column or type, or a value does not fit its type.
    """
    found = encoded.columns
    check_types(list(found), types)
    schemas = [
        infer_column(name, column.array, column.storage, column.allowed, types.get(name))
        for name, column in found.items()
    ]
    notes = (*encoded.notes, *mark_notes(found, options), *_type_notes(found, schemas, types))
    columns = pa.table([column.array for column in found.values()], names=list(found))
    return Table(columns, TableSchema(columns=tuple(schemas), layout=encoded.layout), notes)


def _type_notes(
    encoded: Mapping[str, Encoded], schemas: Iterable[ColumnSchema], types: Mapping[str, str]
) -> tuple[str, ...]:
    found = []
    for each in schemas:
        if each.marked is not None:
            found.append(slips_note(each.name, compact(encoded[each.name].array), each.marked))
        if each.name not in types and each.whole_dates:
            found.append(
                f"column {each.name!r} is read as {DESCRIPTIONS[each.datetime_format or '']}; "
                f"if it is a number, say so: data.types: {{{each.name}: integer}}"
            )
    return tuple(note for note in found if note is not None)


def to_frame(columns: pa.Table, schema: TableSchema) -> pd.DataFrame:
    """Convert a spelled table to a DataFrame of the user's dtypes.

    Tables from CSV and JSON files give ``int64`` or ``Int64``, ``float64``, ``bool`` or ``boolean``,
    and pandas' usual dtype for strings; their date-times stay text.

    Args:
        columns: The spelled table.
        schema: Its columns; the frame has them in this order.

    Returns:
        A frame with a new range index, and the labels of the user's frame.

    Raises:
        DataError: A value does not fit its column's dtype; the message names column and row.
            ``misfits`` finds such rows.
    """
    return labelled(named_frame(columns, schema), schema)


def named_frame(columns: pa.Table, schema: TableSchema) -> pd.DataFrame:
    """Convert a spelled table to a DataFrame whose labels are column names."""
    arrays = {column.name: _pandas_array(single_array(columns.column(column.name)), column) for column in schema}
    series = {name: pd.Series(array, copy=False, dtype=_retained_dtype(array)) for name, array in arrays.items()}
    return pd.DataFrame(series, index=pd.RangeIndex(columns.num_rows), columns=pd.Index(list(series)), copy=False)


def _retained_dtype(array: Any) -> Any:
    return object if isinstance(array, np.ndarray) and array.dtype == object else None


def _pandas_array(array: pa.DictionaryArray, column: ColumnSchema) -> Any:
    array = compact(array)
    read = reader(column, nulls=array.null_count > 0)
    try:
        if not array.null_count:
            return read.column(array)
        if read.nullable:
            found = read.column(array)
            return insert_marks(found, codes_of(array), column) if column.storage.source is Source.PANDAS else found
    except READ_ERRORS as error:
        raise _misfit_error(array, column, read) from error
    raise _misfit_error(array, column, read)


def _misfit_error(array: pa.DictionaryArray, column: ColumnSchema, read: Reader) -> DataError:
    row = int(np.argmax(_misfit_rows(array, read)))
    value = array[row].as_py()
    reason = "it cannot hold missing values" if value is None else _reason(read, value)
    return DataError(
        f"column {column.name!r}, row {row + 1}: {'null' if value is None else repr(value)[:60]} cannot be written as "
        f"{column.storage.dtype or column.type.value} ({reason}); leave such rows out"
    )


def _reason(read: Reader, value: str) -> str:
    try:
        read.read([value])
    except READ_ERRORS as error:
        return str(error)
    return "the values do not fit together"


def misfits(columns: pa.Table, schema: TableSchema) -> npt.NDArray[np.bool_]:
    """Find rows that ``to_frame`` cannot convert, such as 300 for ``uint8``.

    Args:
        columns: A spelled table.
        schema: Its columns.

    Returns:
        For each row, whether some value does not fit its column's dtype.
    """
    found = np.zeros(columns.num_rows, dtype=bool)
    for column in schema:
        if accepts_any_text(column):
            continue
        array = compact(single_array(columns.column(column.name)))
        read = reader(column, nulls=array.null_count > 0)
        found |= _misfit_rows(array, read)
    return found


def _misfit_rows(array: pa.DictionaryArray, read: Reader) -> npt.NDArray[np.bool_]:
    values = array.dictionary.to_pylist()
    wrong = np.zeros(len(values) + 1, dtype=bool)
    wrong[-1] = not read.nullable  # code -1, null, is the last item
    if not _readable(read, values):
        wrong[:-1] = [not _readable(read, [value]) for value in values]
    return wrong[codes_of(array)]


def _readable(read: Reader, values: list[str]) -> bool:
    try:
        read.read(values)
    except READ_ERRORS:
        return False
    return True
