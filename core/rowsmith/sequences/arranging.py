"""Grouped tables and time series: the rows of a group together, each group in its order.

Rows are ordered by values: numbers as numbers, date-times as points in time. Order as text, by which
10 October comes before 2 October, is never used.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.config import RunConfig
from rowsmith.config.problems import did_you_mean, show
from rowsmith.errors import ConfigError, DataError
from rowsmith.sequences.grouping import Ints, group_bounds, group_numbers
from rowsmith.table.columns import distinct
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.table.table import Table
from rowsmith.table.types.datetimes import candidates, find_format, format_fit, parse_datetimes
from rowsmith.table.types.spelling import EXACT_LIMIT, parse_numbers

__all__ = ["Arranged", "arrange", "check_columns", "rows_without_order"]

_GROUP, _ORDER, _TIME = (
    "data.group_training_examples_by",
    "data.order_training_examples_by",
    "time_series.timestamp_column",
)
# Values whose date-time format is tried on the whole column, when the column has none.
_LOOKED_AT = 5


@frozen(eq=False)
class Arranged:
    """A table whose rows are sorted by group.

    Attributes:
        table: The table; the rows of a group follow each other, in their order.
        groups: The number of each row's group, counted from 0 in the order of the groups; int64 ``[rows]``.
        rows: The number of each row in the table that was arranged; int64 ``[rows]``.
    """

    table: Table
    groups: Ints
    rows: Ints

    @property
    def num_groups(self) -> int:
        """Number of groups."""
        return int(self.groups[-1]) + 1 if len(self.groups) else 0

    def take(self, rows: Ints) -> Arranged:
        """Select rows and number their groups again.

        Args:
            rows: Row numbers from 0, ascending.
        """
        return Arranged(self.table.take(rows), _numbered_from_zero(self.groups[rows]), self.rows[rows])


def arrange(table: Table, config: RunConfig) -> Arranged:
    """Sort the rows by group, and within each group by the order column.

    Groups keep the order of their first rows. Rows that are equal in the order column, and all rows
    of a group when there is none, keep the order of the table. Rows without a value in it are the last of
    their group. Without a group column all rows are one group.

    Args:
        table: The table.
        config: Names the columns.

    Returns:
        The arranged table.

    Raises:
        ConfigError: Columns are not in the table; all of them are reported.
        DataError: A row has no group, or the column cannot order rows.
    """
    check_columns(table.schema, config)
    codes = {name: distinct(table.columns, name)[1] for name in config.data.group_columns}
    groups = group_numbers(codes, len(table), _GROUP)
    order = config.order_column
    keys = [groups] if order is None else [_ranks(table, order, _order_setting(config)), groups]
    rows = np.lexsort(keys)
    return Arranged(table.take(rows), groups[rows], rows)


def rows_without_order(table: Table, config: RunConfig) -> int:
    """How many rows have no value in the column that orders the rows of a group.

    Args:
        table: The table.
        config: Names the column.
    """
    return 0 if config.order_column is None else table.columns.column(config.order_column).null_count


def check_columns(schema: TableSchema, config: RunConfig) -> None:
    """Check that a table has the columns that group and order its rows.

    Raises:
        ConfigError: A column is missing; all of them are reported.
    """
    problems = [*_column_problems(schema, config)]
    if problems:
        raise ConfigError(problems)


def _numbered_from_zero(groups: Ints) -> Ints:
    starts, stops = group_bounds(groups)
    return np.repeat(np.arange(len(starts), dtype=np.int64), stops - starts)


def _order_setting(config: RunConfig) -> str:
    return _TIME if config.time_series.is_timeseries else _ORDER


def _column_problems(schema: TableSchema, config: RunConfig) -> Iterator[str]:
    order = config.order_column
    named = [(name, _GROUP) for name in config.data.group_columns]
    for name, setting in [*named, *([] if order is None else [(order, _order_setting(config))])]:
        if name not in schema.names:
            columns = ", ".join(map(repr, schema.names[:10])) + (", …" if len(schema) > 10 else "")
            hint = did_you_mean(name, schema.names) or f"; its columns are {columns}"
            yield f"the table has no column {name!r}{hint} @ {setting}"


def _ranks(table: Table, name: str, setting: str) -> Ints:
    """The rank of each row's value in the order column; equal values share a rank, and null ranks last."""
    values, codes = distinct(table.columns, name)
    if not values:
        return np.zeros(len(codes), dtype=np.int64)
    keys = _sort_keys(values, codes, table.schema[name], setting)
    ranks: Ints = np.unique(keys, return_inverse=True)[1].astype(np.int64)
    return np.append(ranks, ranks.max() + 1)[codes]  # the code of null is -1


def _sort_keys(
    values: list[str], codes: npt.NDArray[np.int32], column: ColumnSchema, setting: str
) -> npt.NDArray[np.generic]:
    """Sort keys of distinct values: numbers or points in time."""
    if column.type in (ColumnType.INTEGER, ColumnType.DECIMAL):
        numbers = parse_numbers(values)
        if column.type is ColumnType.INTEGER and (np.abs(numbers) > EXACT_LIMIT).any():
            # Adjacent integers of this size are equal as doubles.
            order = {number: index for index, number in enumerate(sorted({int(value) for value in values}))}
            return np.array([order[int(value)] for value in values], dtype=np.int64)
        return numbers
    if column.type is ColumnType.DATETIME and column.datetime_format is not None:
        return parse_datetimes(values, column.datetime_format)
    raise DataError(_no_order_message(values, codes, column, setting))


def _no_order_message(values: list[str], codes: npt.NDArray[np.int32], column: ColumnSchema, setting: str) -> str:
    what = f"column {column.name!r} is {column.type.value}, and rows are ordered by numbers or date-times"
    readable = _readable_as(values)
    if readable is not None:
        return f"{what}. Its values can be read as such: set data.types: {{{column.name}: {readable.value}}}."
    misfits = _misfits(values)
    if misfits.any():
        row = int(np.argmax(misfits[codes]))
        return (
            f"{what}. Most of its values are, but row {row + 1} holds {show(values[int(codes[row])])}; correct "
            f"{'it' if misfits.sum() == 1 else f'it and {misfits.sum() - 1:,} other'}, remove such rows, "
            f"or name another column as {setting}."
        )
    return (
        f"{what}. Write its values as one of the two (all date-times in the same format and time zone), "
        f"or name another column as {setting}."
    )


def _readable_as(values: list[str]) -> ColumnType | None:
    if find_format(values, wide=True) is not None:
        return ColumnType.DATETIME
    try:
        whole = np.mod(parse_numbers(values), 1) == 0
    except DataError:
        return None
    return ColumnType.INTEGER if whole.all() else ColumnType.DECIMAL


def _misfits(values: list[str]) -> npt.NDArray[np.bool_]:
    """Values that are not numbers (or date-times) if most of the values are; else none."""
    texts = pa.array(values, type=pa.string())
    masks = [format_fit(texts, each) for value in values[:_LOOKED_AT] for each in candidates(value, wide=True)]
    fits = max([np.array([_is_number(value) for value in values]), *masks], key=np.count_nonzero)
    return ~fits if fits.mean() > 0.5 else np.zeros(len(values), dtype=bool)


def _is_number(value: str) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except ValueError:
        return False
