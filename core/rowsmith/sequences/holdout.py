"""The holdout: rows that no model sees.

In plain tables the rows are drawn at random, but so that no label of a small table becomes rare. In grouped tables
whole groups are drawn, because a model that saw a part of a group knows much of the rest. In a single series the last
rows are held out: rows out of its middle would leave gaps.
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
from rowsmith.sequences.stopping_rows import StoppingRows, stopping_count
from rowsmith.sequences.time_column import prepare_series
from rowsmith.table.columns import distinct
from rowsmith.table.schema import ColumnType, TableSchema
from rowsmith.table.table import Table

__all__ = ["MIN_TRAIN_ROWS", "TrainingPart", "split_holdout", "split_holdout_groups", "training_part"]

MIN_TRAIN_ROWS = 10
_K = 5
"""A value is rare by default if fewer rows have it."""
_SMALL = 1_000
"""Largest table in which labels are protected: there, five rows are half a percent."""
_LABELLED = (ColumnType.BOOLEAN, ColumnType.CATEGORICAL)
_TRIALS = 20
"""Number of random orders of the groups tried for a holdout of the right size."""


@frozen(eq=False)
class TrainingPart:
    """The rows of a table to train on, and what is known of them.

    Attributes:
        table: The rows to train on; in grouped tables, sorted by group and order.
        groups: The number of each row's group, from 0; int64 ``[rows]``, or None for plain tables.
        notes: What the user should know, a line each.
        schema: The columns of the table as read.
        whole: All rows, including the holdout, in any order.
        trained: The numbers of the rows to train on in the table as read; int64 ``[rows]``.
        held: The numbers of the rows that are held out; int64 ``[held rows]``.
        order: How the rows of a group are ordered; None for plain tables.
        series: The time axis and the spans of time series; None for other tables.
        stopping: Rows that decide when training ends; None where the held-out loss decides.
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
    stopping: StoppingRows | None = None


def training_part(table: Table, config: RunConfig, seeds: Seeds) -> TrainingPart:
    """Sort a table and split off the holdout; for time series, find the time axis first.

    Args:
        table: The table as read.
        config: Names the columns that group and order the rows, and the size of the holdout.
        seeds: Randomness by stage.

    Raises:
        ConfigError: A column is not in the table.
        DataError: The rows cannot be arranged, or too few are left to train on.
    """
    schema, as_read = table.schema, table
    if not config.grouped:
        train, held = split_holdout(table, config.data, seeds)
        notes, stopping = _notes(len(held), "", config.data), None
        if config.training.policy is not None:
            learned = table.take(train)
            rest, chosen = split_holdout(
                learned, DataConfig(holdout=stopping_count(len(train), config.training)), seeds, "stopping-rows"
            )
            stopping = StoppingRows.of(table, train[rest], train[chosen])
            train, notes = train[rest], (*notes, stopping.note)
        return TrainingPart(table.take(train), None, notes, schema, table, train, held, stopping=stopping)
    check_columns(table.schema, config)
    prepared = prepare_series(table, config) if config.time_series.is_timeseries else None
    if prepared is not None:
        bounds_of(prepared.axis, config.time_series)  # mistakes in them are reported before training
        table, config = prepared.table, prepared.config
    arranged = arrange(table, config)
    column, unordered = _order_column(arranged.table, config)
    train, held = split_holdout_groups(arranged.groups, config.data, seeds)
    part, groups, stopping = arranged.take(train), arranged.num_groups, None
    held_groups = groups - part.num_groups
    if config.training.policy is not None:
        count = stopping_count(len(train), config.training, part.num_groups)
        rest, chosen = split_holdout_groups(part.groups, DataConfig(holdout=count), seeds, "stopping-rows")
        stopping = StoppingRows.of(as_read, part.rows[rest], part.rows[chosen])
        part = part.take(rest)
    group_count = f"the table has {groups:,} group{'s' if groups != 1 else ''}"
    where = f" in {held_groups:,} whole groups" if groups > 1 else ", the end of the series,"
    # The end of a single series is known by its times alone, so a new one may cover the same range.
    whole = arranged if groups == 1 else part
    plan = None if prepared is None else prepared.plan(whole.table, whole.groups)
    notes = (
        group_count,
        *unordered,
        *_notes(len(held), where, config.data),
        *([] if stopping is None else [stopping.note]),
        *(prepared.notes(plan) if prepared and plan else ()),
    )
    order = RowOrder(
        column=column,
        made=prepared is not None and prepared.axis.made,
        interval=None if plan is None else plan.interval,
    )
    held_rows = arranged.rows[held]
    return TrainingPart(
        part.table, part.groups, notes, schema, arranged.table, part.rows, held_rows, order, plan, stopping
    )


def _order_column(table: Table, config: RunConfig) -> tuple[str | None, tuple[str, ...]]:
    """The column that gives the steps, or None and a note: a column with gaps orders rows, but gives no steps."""
    missing, name = rows_without_order(table, config), config.order_column
    if not missing:
        return name, ()
    note = (
        f"column {name!r} has no value in {missing:,} of {len(table):,} rows ({missing / len(table):.1%}); they are "
        "the last rows of their group. The column is learned like any other, and new rows follow it as far as that "
        f"is learned; fill in the values, or remove those rows, to have new rows in its order"
    )
    return None, (note,)


def _notes(held: int, where: str, data: DataConfig) -> tuple[str, ...]:
    if held:
        return (f"{held:,} rows{where} are held out and never trained on",)
    if where and not isinstance(data.holdout, str) and data.holdout and data.max_holdout:
        return ("nothing is held out: every group is larger than data.holdout asks for",)
    return ()


def split_holdout(table: Table, data: DataConfig, seeds: Seeds, stage: str = "holdout") -> tuple[Ints, Ints]:
    """Choose the rows to train on and the rows to keep for evaluation.

    They are drawn at random. In tables of at most 1,000 rows, no row is taken if that leaves fewer than five rows of
    a label or of a column's values that has at least five: they would become rare and be lost for want of one row.

    Args:
        table: The table.
        data: How many rows to hold out; if the holdout is a file, none of the table.
        seeds: Randomness by stage.
        stage: The stage whose stream draws the rows.

    Returns:
        Row numbers of both parts, each in table order.

    Raises:
        DataError: Too few rows are left to train on.
    """
    rows = len(table)
    count = _checked_count(rows, data)
    order = seeds.generator(stage).permutation(rows)
    if rows <= _SMALL:
        order = _common_labels_first(table, order, count)
    return np.sort(order[count:]), np.sort(order[:count])


def _common_labels_first(table: Table, order: Ints, count: int) -> Ints:
    """The same order, but rows that can be held out without making a label rare come first."""
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
    """For each column the number of each row's label; for columns without labels, whether the row has a value."""
    for column in table.schema:
        codes = distinct(table.columns, column.name)[1].astype(np.int64) + 1
        yield codes if column.type in _LABELLED else np.minimum(codes, 1)


def split_holdout_groups(groups: Ints, data: DataConfig, seeds: Seeds, stage: str = "holdout") -> tuple[Ints, Ints]:
    """Choose whole groups to train on and whole groups to keep for evaluation.

    The holdout has as nearly the requested number of rows as whole groups allow, which may be none if every
    group is much larger; at least one group is left to train on. In a single group the last rows are held out.

    Args:
        groups: Group numbers of rows sorted by group ``[rows]``.
        data: How many rows to hold out; if the holdout is a file, none of the table.
        seeds: Randomness by stage.
        stage: The stage whose stream draws the groups.

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
    chosen = _groups_near_size(stops - starts, count, limit, seeds.generator(stage))
    held = np.repeat(np.isin(np.arange(len(starts)), chosen), stops - starts)
    return rows[~held], rows[held]


def _groups_near_size(sizes: Ints, target: int, limit: int, generator: np.random.Generator) -> Ints:
    """Groups, but not all, whose sizes add up to about the target and at most the limit."""
    best, missed = np.empty(0, dtype=np.int64), target
    for _ in range(_TRIALS if target else 0):
        order = generator.permutation(len(sizes))
        totals = np.cumsum(sizes[order])[:-1]
        misses = np.where(totals <= limit, np.abs(totals - target), missed)
        found = int(misses.argmin())
        if misses[found] < missed:
            best, missed = order[: found + 1], int(misses[found])
        if missed == 0:
            break
    return best


def _checked_count(rows: int, data: DataConfig) -> int:
    count = holdout_count(rows, data)
    if rows - count < MIN_TRAIN_ROWS:
        raise DataError(
            f"the table has {rows} row{'s' if rows != 1 else ''}, {count} of them held out: at least {MIN_TRAIN_ROWS} "
            f"are needed for training. Give more rows{', or lower data.holdout' if count else ''}."
        )
    return count


def holdout_count(rows: int, data: DataConfig) -> int:
    """Number of rows of the table to hold out."""
    if isinstance(data.holdout, str):
        return 0
    if not _is_share(data):
        return int(data.holdout)
    return min(int(rows * data.holdout), data.max_holdout)


def _is_share(data: DataConfig) -> bool:
    return not (isinstance(data.holdout, int) and data.holdout >= 1)
