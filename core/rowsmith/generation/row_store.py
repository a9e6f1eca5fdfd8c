"""Rows of many batches kept in few tables: a thousand small tables cost far more than their rows."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from attrs import define, field

from rowsmith.table.columns import single_array

__all__ = ["RowStore", "joined"]

_MOST_PENDING = 64


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Spelled tables one under the other, each column in one piece."""
    if len(tables) == 1:
        return tables[0]
    table = pa.concat_tables(tables)
    return pa.table([single_array(column) for column in table.columns], names=table.column_names)


@define(eq=False)
class RowStore:
    """Rows in the order in which they came.

    Attributes:
        num_rows: How many there are.
    """

    num_rows: int = 0
    _parts: list[pa.Table] = field(factory=list)
    _pending: list[pa.Table] = field(factory=list)

    def append(self, table: pa.Table) -> int:
        """Add rows; their place is the number of rows before them.

        Args:
            table: A spelled table, of the same columns every time.
        """
        place = self.num_rows
        self._pending.append(table)
        self.num_rows += table.num_rows
        if len(self._pending) == _MOST_PENDING:
            self._parts.append(joined(self._pending))
            self._pending = []
        return place

    def tables(self) -> list[pa.Table]:
        """All rows, in as few tables as they are kept in."""
        return [*self._parts, *self._pending]

    def rows(self, place: int, count: int) -> pa.Table:
        """Some of the rows.

        Args:
            place: The first of them.
            count: How many; they were added together.
        """
        for table in self.tables():
            if place < table.num_rows:
                return table.slice(place, count)
            place -= table.num_rows
        raise IndexError(place)
