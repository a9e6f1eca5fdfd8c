"""Open categories of a frame: new values are allowed and become categories.

The categories of a column that names groups, or in which values hardly repeat, are not a fixed set. They are opened:
the column is learned by the type of its categories, and returned with the categories that occur.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from rowsmith.table.columns import distinct
from rowsmith.table.schema import ColumnSchema, ColumnType, Storage
from rowsmith.table.table import Table

__all__ = ["opened", "with_open_names"]

_NAMES = (ColumnType.INTEGER, ColumnType.TEXT, ColumnType.CATEGORICAL)
_TEXTS = frozenset({"string[pyarrow]", "large_string[pyarrow]", "string_view[pyarrow]"})
_UUIDS = "extension<arrow.uuid>[pyarrow]"


def opened(storage: Storage) -> Storage:
    """The storage of the same categories without a fixed set of them."""
    return evolve(storage, categories=None)


def with_open_names(table: Table, groups: Sequence[str]) -> Table:
    """A table whose groups can get new names, where categories name them.

    Args:
        table: The table.
        groups: The columns that name the groups, if any.

    Returns:
        The table itself where another column can name them; else the column with the most categories is opened.
    """
    columns = [column for column in table.schema if column.name in groups]
    fixed = [column for column in columns if column.storage.categories is not None]
    if len(fixed) < len(columns) and any(_can_name(column) for column in columns if column not in fixed):
        return table
    sizes = {column.name: len(distinct(table.columns, column.name)[0]) for column in fixed if _can_name(column)}
    if not sizes:
        return table
    name = max(sizes, key=lambda each: sizes[each])
    schema = [
        evolve(column, storage=opened(column.storage)) if column.name == name else column for column in table.schema
    ]
    return evolve(table, schema=evolve(table.schema, columns=tuple(schema)))


def _can_name(column: ColumnSchema) -> bool:
    """Whether new names can be made that the column can hold."""
    storage = column.storage
    if column.type not in _NAMES or storage.dtype != "category":
        return column.type in _NAMES
    if storage.unit:
        return False
    if storage.element:
        return storage.element in ("str", "int", "uuid")
    dtype = storage.categories_dtype.lower()
    return dtype.startswith(("str[", "int", "uint")) or dtype in _TEXTS or dtype == _UUIDS
