"""Order of columns after some are replaced or dropped."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from rowsmith.context import BuildContext
from rowsmith.table.schema import ColumnSchema, TableSchema

__all__ = ["expanded", "grouping", "in_schema_order", "unique_name"]


def expanded(schema: TableSchema, others: Mapping[str, tuple[ColumnSchema, ...]]) -> TableSchema:
    """Replace columns of a schema by others, or none.

    Args:
        schema: The schema.
        others: The replacing columns by column name.
    """
    return TableSchema(columns=tuple(new for column in schema for new in others.get(column.name, (column,))))


def in_schema_order(columns: pa.Table, schema: TableSchema, arrays: Mapping[str, pa.DictionaryArray]) -> pa.Table:
    """A table of ``schema`` from new columns and, for the rest, those of another table.

    Args:
        columns: The other table.
        schema: Which columns the result has.
        arrays: New columns by name, of as many rows as ``columns``.
    """
    if not len(schema):
        return columns.select([])
    found = [arrays[name] if name in arrays else columns.column(name) for name in schema.names]
    return pa.Table.from_arrays(found, names=list(schema.names))


def unique_name(name: str, taken: set[str]) -> str:
    """A name that is not taken: ``name``, if necessary with underscores; added to ``taken``."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def grouping(context: BuildContext) -> tuple[str, ...]:
    """The columns that group and order the rows of the run; their values are not changed."""
    config = context.config
    if not config.grouped:
        return ()
    return config.data.group_columns + (() if config.order_column is None else (config.order_column,))
