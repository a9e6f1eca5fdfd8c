"""Rows of many batches: stored in few tables, checked, and joined into one.

A thousand small tables cost far more than their rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
from attrs import define, field
from pandas.api.types import union_categoricals

from rowsmith.errors import GenerationError, PluginContractError
from rowsmith.table.columns import single_array

__all__ = ["RowStore", "check_columns", "check_made", "join_frames", "joined"]

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
        """Add rows; returns their offset, the number of rows before them.

        Args:
            table: A spelled table, of the same columns every time.
        """
        offset = self.num_rows
        self._pending.append(table)
        self.num_rows += table.num_rows
        if len(self._pending) == _MOST_PENDING:
            self._parts.append(joined(self._pending))
            self._pending = []
        return offset

    def tables(self) -> list[pa.Table]:
        """All rows, in the tables that store them."""
        return [*self._parts, *self._pending]

    def rows(self, offset: int, count: int) -> pa.Table:
        """Some of the rows.

        Args:
            offset: The first of them.
            count: How many; they were added together.
        """
        for table in self.tables():
            if offset < table.num_rows:
                return table.slice(offset, count)
            offset -= table.num_rows
        raise IndexError(offset)


def check_columns(names: Sequence[str], columns: Iterable[str], maker: str) -> None:
    """Refuse rows of a plugin that lack a column of the output.

    Args:
        names: The columns of the rows.
        columns: Columns of the output.
        maker: Who made the rows, for the message.

    Raises:
        PluginContractError: Columns are missing.
    """
    missing = [name for name in columns if name not in names]
    if missing:
        raise PluginContractError(
            f"{maker} gave rows without the columns {missing}; they have {list(names)}. "
            "Every column of the output must be there, with nulls where a row has no value"
        )


def check_made(names: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse generated records that lack a column of the output.

    Args:
        names: The columns of the records.
        columns: Columns of the output.

    Raises:
        GenerationError: Columns are missing.
    """
    missing = [name for name in columns if name not in names]
    if missing:
        raise GenerationError(f"generated records have no column {missing}; they have {list(names)}")


def join_frames(frames: Iterable[pd.DataFrame], columns: Sequence[str], most: int | None, typed: bool) -> pd.DataFrame:
    """Join frames into one table.

    Args:
        frames: The frames, in order.
        columns: Columns of the table, in order.
        most: Most rows; None for all.
        typed: Whether the columns' types are to stay; otherwise each takes the type that all of its
            values have.

    Returns:
        The table; no rows with those columns when there are no frames.

    Raises:
        GenerationError: No frame has one of the columns.
    """
    needed = list(_first(frames, most))
    if not needed:
        return pd.DataFrame(columns=list(columns))
    table = pd.concat(needed, ignore_index=True) if len(needed) > 1 else needed[0].reset_index(drop=True)
    check_made(list(table.columns), columns)
    for name in columns:
        if isinstance(needed[0][name].dtype, pd.CategoricalDtype) and table[name].dtype != needed[0][name].dtype:
            table[name] = _categories_of_all([frame[name] for frame in needed])
    table = table[list(columns)].head(len(table) if most is None else most)
    return table if typed else table.infer_objects()


def _categories_of_all(parts: Sequence[pd.Series]) -> Any:
    """Categories that differ from frame to frame, which would become plain objects."""
    joined: Any = union_categoricals([*parts], sort_categories=True, ignore_order=True)
    return joined.as_ordered() if parts[0].cat.ordered else joined


def _first(frames: Iterable[pd.DataFrame], most: int | None) -> Iterator[pd.DataFrame]:
    rows = 0
    for frame in frames:
        if most is not None and rows >= most:
            return
        rows += len(frame)
        yield frame
