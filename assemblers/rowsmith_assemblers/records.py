"""Records of a dataset as text, whatever Arrow types its columns have."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from rowsmith.dialect import RecordDialect
from rowsmith.dialect.booleans import boolean_spellings
from rowsmith.errors import DataError, ParameterError
from rowsmith.table.columns import CODED_TEXT, single_array
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["check_columns", "record_lines", "record_names", "schema_of"]


def record_names(dataset: Dataset | pa.Table, schema: ModelSchema | None) -> tuple[str, ...]:
    """The columns of a record, in order: those of the model if known, else those of the dataset."""
    return schema.names if schema is not None else tuple(dataset.column_names)


def check_columns(dataset: Dataset | pa.Table, schema: ModelSchema | None) -> None:
    """Check that the dataset has every column of the model's records.

    Raises:
        ParameterError: A column is missing.
    """
    missing = [name for name in record_names(dataset, schema) if name not in dataset.column_names]
    if missing:
        known = ", ".join(map(repr, dataset.column_names))
        raise ParameterError(
            f"the model's schema has the column {missing[0]!r} and the dataset does not; its columns are {known}. "
            "Give the dataset that the schema was made from, transforms applied"
        )


def record_lines(dataset: Dataset | pa.Table, schema: ModelSchema | None) -> list[str]:
    """The records as lines of the record dialect.

    Args:
        dataset: A ``datasets.Dataset`` or a ``pyarrow.Table``, of scalar columns.
        schema: The columns of a record; None for those of the dataset, by their Arrow types.

    Returns:
        A line for each row, line end included.

    Raises:
        DataError: A column holds values that a record cannot: lists, structs, bytes, infinite numbers.
    """
    table = dataset if isinstance(dataset, pa.Table) else dataset.with_format("arrow")[:]
    table = table.select(list(record_names(table, schema)))
    known = schema if schema is not None else schema_of(table)
    columns = {column.name: _spelled(table.column(column.name), column) for column in known}
    return RecordDialect(known).encode(pa.table(columns))


def schema_of(table: pa.Table) -> ModelSchema:
    """Columns by their Arrow types, all of them open.

    Args:
        table: Columns of any scalar types.
    """
    return ModelSchema(columns=tuple(_model_column(name, table.column(name)) for name in table.column_names))


def _model_column(name: str, column: pa.ChunkedArray) -> ModelColumn:
    kind = _value_type(column)
    integral = pa.types.is_integer(kind)
    if integral or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        json_kind = JsonKind.NUMBER
    else:
        json_kind = JsonKind.BOOLEAN if pa.types.is_boolean(kind) else JsonKind.STRING
    missing = column.null_count > 0 or (pa.types.is_floating(kind) and bool(pc.any(pc.is_nan(column)).as_py()))
    return ModelColumn(name=name, kind=json_kind, nullable=missing, integral=integral)


def _value_type(column: pa.ChunkedArray) -> pa.DataType:
    return column.type.value_type if pa.types.is_dictionary(column.type) else column.type


def _spelled(values: pa.ChunkedArray, column: ModelColumn) -> pa.DictionaryArray:
    """The column as codes of distinct texts; each distinct value is spelled once."""
    _check_type(values, column.name)
    array = single_array(values if pa.types.is_dictionary(values.type) else values.dictionary_encode())
    if array.type == CODED_TEXT:
        return array
    texts = pa.array(_texts(array.dictionary, column), type=pa.string())
    # Several values may have the same spelling or be null (NaN), so the column is encoded again.
    return texts.take(array.indices).dictionary_encode()


def _check_type(values: pa.ChunkedArray, name: str) -> None:
    kind = _value_type(values)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise DataError(f"column {name!r} is of type {kind}, which a record cannot hold; make it text or leave it out")


def _texts(values: pa.Array, column: ModelColumn) -> list[str | None]:
    if pa.types.is_boolean(values.type):
        spellings = boolean_spellings(column)
        return [None if value is None else spellings[value] for value in values.to_pylist()]
    if pa.types.is_floating(values.type):
        return [_number_text(value, column.name) for value in values.to_numpy(zero_copy_only=False)]
    texts: list[str | None] = values.cast(pa.string()).to_pylist()
    return texts


def _number_text(value: float, name: str) -> str | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise DataError(f"column {name!r} has an infinite number, which JSON cannot write; replace it or leave it out")
    return str(value)
