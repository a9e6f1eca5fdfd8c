"""Setting rows apart that no model sees: the holdout.

Of plain tables they are drawn row by row, so that no label of a small table becomes rare for it; of grouped ones group
by group, since a model that saw a part of a group knows much of the rest. A single series gives its end: rows out of
its middle would leave gaps.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from attrs import frozen

from rowsmith.config import DataConfig, RunConfig
from rowsmith.errors import DataError
from rowsmith.randomness.seeds import Seeds
from rowsmith.sequences.arranging import arrange, check_columns, rows_without_order
from rowsmith.sequences.grouping import Ints, group_bounds
from rowsmith.sequences.ranges import bounds_of
from rowsmith.sequences.row_order import RowOrder
from rowsmith.sequences.series_plan import SeriesPlan
from rowsmith.sequences.time_column import prepare_series
from rowsmith.table.columns import distinct
from rowsmith.table.schema import ColumnType, TableSchema
from rowsmith.table.table import Table

__all__ = ["MIN_TRAIN_ROWS", "TrainingPart", "split_holdout", "split_holdout_groups", "training_part"]

MIN_TRAIN_ROWS = 10
_K = 5
"""What fewer rows have is rare by default."""
_SMALL = 1_000
"""In tables of so many rows a label that five rows have is half a percent of them."""
_LABELLED = (ColumnType.BOOLEAN, ColumnType.CATEGORICAL)
_TRIALS = 20
"""Orders of the groups that are tried for a holdout of the right size."""


@frozen(eq=False)
class TrainingPart:
    """What is learned of a table.

    Attributes:
        table: The rows to train on; of grouped tables, group by group and in order.
        groups: The number of each row's group, from 0; int64 ``[rows]``, or None for plain tables.
        notes: What the user should know, a line each.
        schema: The columns of the table as it was read.
        whole: All rows, those that are held out included, in any order.
        trained: The numbers of the rows to train on in the table as it was read; int64 ``[rows]``.
        held: The numbers of the rows that are held out; int64 ``[held rows]``.
        order: By what the rows of a group follow each other; None for plain tables.
        series: The clock and the extents of time series; None for other tables.
    """

    table: Table
    groups: Ints | None
    notes: tuple[str, ...]
    schema: TableSchema
    whole: Table
    trained: Ints
    held: Ints
    order: RowOrder | None = None
    series: SeriesPlan | None = None


def training_part(table: Table, config: RunConfig, seeds: Seeds) -> TrainingPart:
    """Arrange a table and take out what is held out; of time series, find out the clock first.

    Args:
        table: The table as it was read.
        config: Says what groups and orders the rows, and how many are held out.
        seeds: Randomness by stage.

    Raises:
        ConfigError: A column is not in the table.
        DataError: The rows cannot be arranged, or too few are left to train on.
    """
    schema = table.schema
    if not config.grouped:
        kept, held = split_holdout(table, config.data, seeds)
        notes = _notes(len(held), "", config.data)
        return TrainingPart(table.take(kept), None, notes, schema, table, kept, held)
    check_columns(table.schema, config)
    prepared = prepare_series(table, config) if config.time_series.is_timeseries else None
    if prepared is not None:
        bounds_of(prepared.clock, config.time_series)  # a slip in them is told before anything is learned
        table, config = prepared.table, prepared.config
    arranged = arrange(table, config)
    column, unplaced = _order_column(arranged.table, config)
    kept, held = split_holdout_groups(arranged.groups, config.data, seeds)
    part, groups = arranged.take(kept), arranged.num_groups
    told = f"the table has {groups:,} group{'s' if groups != 1 else ''}"
    where = f" in {groups - part.num_groups:,} whole groups" if groups > 1 else ", the end of the series,"
    # Where a single series ends is told by its times alone, so a new one may cover the same range.
    whole = arranged if groups == 1 else part
    plan = None if prepared is None else prepared.plan(whole.table, whole.groups)
    notes = (
        told,
        *unplaced,
        *_notes(len(held), where, config.data),
        *(prepared.notes(plan) if prepared and plan else ()),
    )
    order = RowOrder(
        column=column,
        made=prepared is not None and prepared.clock.made,
        interval=None if plan is None else plan.interval,
    )
    held_rows = arranged.rows[held]
    return TrainingPart(part.table, part.groups, notes, schema, arranged.table, part.rows, held_rows, order, plan)


def _order_column(table: Table, config: RunConfig) -> tuple[str | None, tuple[str, ...]]:
    """The column that tells steps, and a note where it does not: one with gaps orders rows, but tells no steps."""
    missing, name = rows_without_order(table, config), config.order_column
    if not missing:
        return name, ()
    note = (
        f"column {name!r} has no value in {missing:,} of {len(table):,} rows ({missing / len(table):.1%}); they are "
        "the last rows of their group. The column is learned like any other, and new rows follow it as far as that "
        "is learned; fill the values in, or take those rows out, to have new rows in its order"
    )
    return None, (note,)


def _notes(held: int, where: str, data: DataConfig) -> tuple[str, ...]:
    if held:
        return (f"{held:,} rows{where} are held out and never trained on",)
    if where and not isinstance(data.holdout, str) and data.holdout and data.max_holdout:
        return ("nothing is held out: every group is larger than data.holdout asks for",)
    return ()


def split_holdout(table: Table, data: DataConfig, seeds: Seeds) -> tuple[Ints, Ints]:
    """Choose the rows to train on and the rows to keep for evaluation.

    They are drawn by chance. In tables of at most 1,000 rows a row is passed over that would leave fewer than five of
    a label, or of a column's values, where there are as many: they would be rare, and be lost for want of one row.

    Args:
        table: The table.
        data: How many rows to hold out; a holdout that is a file takes none from the table.
        seeds: Randomness by stage.

    Returns:
        Row numbers of both parts, each in table order.

    Raises:
        DataError: Too few rows are left to train on.
    """
    rows = len(table)
    count = _checked_count(rows, data)
    order = seeds.generator("holdout").permutation(rows)
    if rows <= _SMALL:
        order = _dispensable_first(table, order, count)
    return np.sort(order[count:]), np.sort(order[:count])


def _dispensable_first(table: Table, order: Ints, count: int) -> Ints:
    """The same order, but with the rows first that can be held out without making a label rare."""
    codes = np.column_stack([*_labels(table), np.zeros(len(table), dtype=np.int64)])
    columns = np.arange(codes.shape[1])
    left = np.zeros((codes.shape[1], int(codes.max(initial=0)) + 1), dtype=np.int64)
    for column in columns:
        left[column, : int(codes[:, column].max()) + 1] = np.bincount(codes[:, column])
    first: list[int] = []
    for row in order.tolist():
        if len(first) == count:
            break
        if not (left[columns, codes[row]] == _K).any():
            first.append(row)
            left[columns, codes[row]] -= 1
    return np.concatenate([np.array(first, dtype=np.int64), order[~np.isin(order, first)]])


def _labels(table: Table) -> Iterator[Ints]:
    """For each column the number of each row's label; of columns that hold none, whether there is a value."""
    for column in table.schema:
        codes = distinct(table.columns, column.name)[1].astype(np.int64) + 1
        yield codes if column.type in _LABELLED else np.minimum(codes, 1)


def split_holdout_groups(groups: Ints, data: DataConfig, seeds: Seeds) -> tuple[Ints, Ints]:
    """Choose whole groups to train on and whole groups to keep for evaluation.

    The holdout has as nearly the wanted number of rows as whole groups can, which may be none when every
    group is much larger; at least one group stays to train on. Of a single group the last rows are held out.

    Args:
        groups: Group numbers of rows that stand together group by group ``[rows]``.
        data: How many rows to hold out; a holdout that is a file takes none from the table.
        seeds: Randomness by stage.

    Returns:
        Row numbers of both parts, each in table order.

    Raises:
        DataError: Too few rows are left to train on.
    """
    rows = np.arange(len(groups), dtype=np.int64)
    count = _checked_count(len(groups), data)
    starts, stops = group_bounds(groups)
    if len(starts) < 2:
        return rows[: len(rows) - count], rows[len(rows) - count :]
    limit = min(len(groups) - MIN_TRAIN_ROWS, data.max_holdout if _is_share(data) else len(groups))
    chosen = _nearest(stops - starts, count, limit, seeds.generator("holdout"))
    held = np.repeat(np.isin(np.arange(len(starts)), chosen), stops - starts)
    return rows[~held], rows[held]


def _nearest(sizes: Ints, target: int, limit: int, generator: np.random.Generator) -> Ints:
    """Groups whose sizes add up to nearly the target and to no more than the limit, but not all of them."""
    best, missed = np.empty(0, dtype=np.int64), target
    for _ in range(_TRIALS if target else 0):
        order = generator.permutation(len(sizes))
        totals = np.cumsum(sizes[order])[:-1]
        misses = np.where(totals <= limit, np.abs(totals - target), missed)
        place = int(misses.argmin())
        if misses[place] < missed:
            best, missed = order[: place + 1], int(misses[place])
        if missed == 0:
            break
    return best


def _checked_count(rows: int, data: DataConfig) -> int:
    count = holdout_count(rows, data)
    if rows - count < MIN_TRAIN_ROWS:
        raise DataError(
            f"the table has {rows} rows, {count} of them held out: at least {MIN_TRAIN_ROWS} are needed to learn "
            "from. Give more rows, or lower data.holdout."
        )
    return count


def holdout_count(rows: int, data: DataConfig) -> int:
    """How many rows of the table are to be held out."""
    if isinstance(data.holdout, str):
        return 0
    if not _is_share(data):
        return int(data.holdout)
    return min(int(rows * data.holdout), data.max_holdout)


def _is_share(data: DataConfig) -> bool:
    return not (isinstance(data.holdout, int) and data.holdout >= 1)
