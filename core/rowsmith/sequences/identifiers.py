"""An identifier column for several series in a table that has none."""

from __future__ import annotations

from rowsmith.table.schema import ColumnSchema, ColumnType, Source, Storage, TableSchema

__all__ = ["identifier_name", "with_identifier"]

_NAME = "series"


def identifier_name(schema: TableSchema) -> str:
    """A name that no column of the table has."""
    name = _NAME
    while name in schema.names:
        name += "_"
    return name


def with_identifier(schema: TableSchema, name: str | None) -> TableSchema:
    """The schema of a table with the series numbers as its first column.

    Args:
        schema: The table's columns.
        name: Name of the column of series numbers; None for none.
    """
    if name is None:
        return schema
    like = schema.columns[0].storage
    storage = Storage(
        source=like.source,
        dtype="int64" if like.source is Source.PANDAS else "",
        element="number" if like.source is Source.JSON else "",
        delimiter=like.delimiter,
    )
    column = ColumnSchema(name=name, type=ColumnType.INTEGER, storage=storage)
    return TableSchema(columns=(column, *schema.columns))
