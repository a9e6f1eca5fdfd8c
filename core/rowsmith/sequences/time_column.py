"""The time column of a table before sorting: found, checked in every row, added if there is none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from attrs import evolve, field, frozen

from rowsmith.config import RunConfig
from rowsmith.config.problems import did_you_mean
from rowsmith.errors import ConfigError, DataError
from rowsmith.sequences.intervals import TICKS, Interval
from rowsmith.sequences.series_plan import SeriesPlan, make_plan
from rowsmith.sequences.times import DAY, ELAPSED_SECONDS, TimeAxis
from rowsmith.table.columns import combined_codes, distinct, from_codes, replace_column
from rowsmith.table.datetime_formats import TIMES
from rowsmith.table.schema import ColumnSchema, ColumnType, Role, TableSchema
from rowsmith.table.table import Table
from rowsmith.table.types.datetimes import find_format, format_fit, resolution_format, spell_datetimes

__all__ = ["PreparedSeries", "given_interval", "prepare_series"]

Ticks = npt.NDArray[np.int64]

_SETTING = "time_series.timestamp_column"
_FORMAT_SETTING = "time_series.timestamp_format"
_NUMBERS = (ColumnType.INTEGER, ColumnType.DECIMAL)


@frozen(kw_only=True, eq=False)
class PreparedSeries:
    """A table whose time column is ready to sort by and to train on.

    Attributes:
        table: The table; its time column holds numbers, or date-times in a format that schemas support.
        config: The configuration with the time column named; the original is not changed.
        axis: Reads and writes the time column as the user has it.
        shared: Rows that have the time of an earlier row of their series.
    """

    table: Table
    config: RunConfig
    axis: TimeAxis
    _inner: TimeAxis = field(alias="inner")
    shared: int = 0

    def plan(self, table: Table, groups: npt.NDArray[np.int64]) -> SeriesPlan:
        """The plan of the training rows.

        Args:
            table: The training rows, sorted.
            groups: The number of each row's group.
        """
        values, codes = distinct(table.columns, self.axis.column)
        return make_plan(self.axis, self._inner.read(values)[0][codes], groups, self._inner)

    def notes(self, plan: SeriesPlan) -> list[str]:
        """What the user should know of the plan, a line each."""
        return [*self._shared_note(), *self._interval_notes(plan)]

    def _shared_note(self) -> list[str]:
        if not self.shared:
            return []
        return [
            f"{self.shared:,} of {len(self.table):,} rows have the time of another row of their series; if a column "
            "identifies the series, name it as data.group_training_examples_by"
        ]

    def _interval_notes(self, plan: SeriesPlan) -> list[str]:
        given = given_interval(self.config)
        several = [span for span in plan.spans if span.length > 1]
        other = sum(span.interval != given for span in several)
        if given is not None and other and not self.axis.made:
            return [
                f"{other:,} of {len(several):,} series are not {given.seconds:g} seconds from record to record, as "
                "time_series.timestamp_interval_seconds says; the generated series will be"
            ]
        uneven = sum(span.interval is None for span in several)
        if given is None and uneven and plan.regular:
            return [f"{uneven:,} of {len(several):,} series have no fixed interval; their steps are learned"]
        if given is None and uneven:
            return [f"{uneven:,} of {len(several):,} series have no fixed interval; the steps of all are learned"]
        return []


def given_interval(config: RunConfig) -> Interval | None:
    """The interval that the configuration states; None if it is to be detected."""
    seconds = config.time_series.timestamp_interval_seconds
    return None if seconds is None else Interval(ticks=max(1, round(seconds * TICKS)))


def prepare_series(table: Table, config: RunConfig) -> PreparedSeries:
    """Detect the format of the time column, check every row, and make it sortable.

    Without a time column the rows of each group are numbered in the order of the table, in steps of the
    given interval, or of one second.

    Args:
        table: The table as read; it is not changed.
        config: Names the columns.

    Returns:
        The table with a time column ready to sort by.

    Raises:
        ConfigError: There is no such column, or its format is unknown.
        DataError: A time is missing or not in the same format as the others; the message names group and row.
    """
    name = config.time_series.timestamp_column
    if name is None:
        return _with_row_times(table, config)
    if name not in table.schema.names:
        raise ConfigError([f"the table has no column {name!r}{did_you_mean(name, table.schema.names)} @ {_SETTING}"])
    _check_present(table, config, name)
    format_ = _format(table, config, name)
    unit = table.schema[name].storage.unit if format_ == ELAPSED_SECONDS else ""
    axis = TimeAxis(column=name, format=format_, unit=unit)
    values, codes = distinct(table.columns, name)
    times, fits = axis.read(values)
    if not fits.all():
        raise _format_error(table, config, axis, values, ~fits[codes])
    _check_interval(axis, table.schema[name], config)
    shared = pd.DataFrame({"group": _groups(table, config), "time": times[codes]}).duplicated().sum()
    return evolve(_sortable(table, config, axis, values, times[codes]), shared=int(shared))


def _check_interval(axis: TimeAxis, column: ColumnSchema, config: RunConfig) -> None:
    interval = given_interval(config)
    if interval is None or axis.daily:
        return
    times, _ = axis.read(axis.write([0, interval.ticks], column))
    if int(times[1] - times[0]) != interval.ticks:
        written = "in whole numbers" if axis.elapsed else f"as {axis.format!r}"
        seconds = config.time_series.timestamp_interval_seconds
        raise ConfigError(
            [
                f"column {axis.column!r} is written {written}, which cannot distinguish times {seconds:g} seconds "
                "apart; give a longer interval @ time_series.timestamp_interval_seconds"
            ]
        )


def _sortable(table: Table, config: RunConfig, axis: TimeAxis, values: Sequence[str], times: Ticks) -> PreparedSeries:
    column = table.schema[axis.column]
    if axis.unit:
        return _in_seconds(table, config, axis, times)
    if axis.elapsed:
        inner = evolve(column, role=Role.VALUE)
        if column.type not in _NUMBERS:
            kind = ColumnType.DECIMAL if (times % TICKS).any() else ColumnType.INTEGER
            inner = evolve(inner, type=kind)
        return _prepared(table, config, axis, inner, axis)
    if not (axis.foreign or axis.daily):
        inner = evolve(column, type=ColumnType.DATETIME, role=Role.VALUE, datetime_format=axis.format)
        return _prepared(table, config, axis, inner, axis)
    if axis.daily:
        times = times + _midnights_passed(times, _groups(table, config)) * DAY
    instants = times.astype("datetime64[us]")
    format_ = resolution_format(instants)
    found, codes = np.unique(times, return_inverse=True)
    array = from_codes(spell_datetimes(found.astype("datetime64[us]"), format_), codes)
    inner = ColumnSchema(name=axis.column, type=ColumnType.DATETIME, datetime_format=format_)
    columns = replace_column(table.columns, axis.column, {axis.column: array})
    inside = TimeAxis(column=axis.column, format=format_)
    return _prepared(Table(columns, table.schema), config, axis, inner, inside)


def _in_seconds(table: Table, config: RunConfig, axis: TimeAxis, times: Ticks) -> PreparedSeries:
    """Durations and times of day are learned in seconds."""
    kind = ColumnType.DECIMAL if (times % TICKS).any() else ColumnType.INTEGER
    inner = ColumnSchema(name=axis.column, type=kind, max_scale=6 if kind is ColumnType.DECIMAL else None)
    inside = TimeAxis(column=axis.column, format=ELAPSED_SECONDS)
    found, codes = np.unique(times, return_inverse=True)
    array = from_codes(inside.write(found.tolist(), inner), codes)
    columns = replace_column(table.columns, axis.column, {axis.column: array})
    return _prepared(Table(columns, table.schema), config, axis, inner, inside)


def _prepared(table: Table, config: RunConfig, axis: TimeAxis, column: ColumnSchema, inner: TimeAxis) -> PreparedSeries:
    schema = TableSchema(columns=tuple(column if each.name == column.name else each for each in table.schema))
    return PreparedSeries(table=Table(table.columns, schema), config=config, axis=axis, inner=inner)


def _with_row_times(table: Table, config: RunConfig) -> PreparedSeries:
    name = ELAPSED_SECONDS
    while name in table.schema.names:
        name = f"_{name}"
    interval = given_interval(config) or Interval(ticks=TICKS)
    counts = pd.Series(_groups(table, config)).groupby(_groups(table, config)).cumcount().to_numpy()
    kind = ColumnType.DECIMAL if interval.ticks % TICKS else ColumnType.INTEGER
    column = ColumnSchema(name=name, type=kind, max_scale=6 if kind is ColumnType.DECIMAL else None)
    axis = TimeAxis(column=name, format=ELAPSED_SECONDS, made=True)
    texts = axis.write([count * interval.ticks for count in range(int(counts.max(initial=0)) + 1)], column)
    columns = table.columns.add_column(0, name, from_codes(texts, counts))
    named = evolve(config, time_series=evolve(config.time_series, timestamp_column=name))
    schema = TableSchema(columns=(column, *table.schema.columns))
    return PreparedSeries(table=Table(columns, schema), config=named, axis=axis, inner=axis)


def _groups(table: Table, config: RunConfig) -> npt.NDArray[np.int64]:
    """The number of each row's group, in the order of the table."""
    # Missing group columns are reported when the table is sorted.
    return combined_codes(table.columns, [name for name in config.data.group_columns if name in table.schema.names])


def _midnights_passed(times: Ticks, groups: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many midnights have passed in each row's group before that row."""
    order = np.argsort(groups, kind="stable")
    back = np.diff(times[order], prepend=times[order[:1]]) < 0
    back &= np.diff(groups[order], prepend=groups[order[:1]]) == 0
    passed = np.cumsum(back)
    starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order[:1]] - 1))
    passed = passed - np.repeat(passed[starts], np.diff(np.append(starts, len(order))))
    midnights = np.empty(len(order), dtype=np.int64)
    midnights[order] = passed
    return midnights


def _format(table: Table, config: RunConfig, name: str) -> str:
    given = config.time_series.timestamp_format
    if given is not None:
        return given
    column = table.schema[name]
    if column.type in _NUMBERS:
        return ELAPSED_SECONDS
    if column.type is ColumnType.DATETIME and column.datetime_format is not None:
        return column.datetime_format
    values, _ = distinct(table.columns, name)
    found = find_format(values, wide=True) or _time_of_day(values)
    if found is None:
        shown = ", ".join(repr(value[:40]) for value in values[:3])
        raise ConfigError(
            [f"column {name!r} has no recognisable dates or times ({shown}); set their format @ {_FORMAT_SETTING}"]
        )
    return found


def _time_of_day(values: Sequence[str]) -> str | None:
    array = pa.array(values, type=pa.string())
    return next((format_ for format_ in TIMES if format_fit(array, format_).all()), None)


def _check_present(table: Table, config: RunConfig, name: str) -> None:
    _, codes = distinct(table.columns, name)
    missing = codes < 0
    if missing.any():
        raise DataError(
            f"time column {name!r} has no value in {_where(table, config, missing)}; fill in the times, remove the "
            "rows out, or order the rows of groups by data.order_training_examples_by instead, where rows without a "
            f"value are last{_and_more(missing)}"
        )


def _format_error(
    table: Table, config: RunConfig, axis: TimeAxis, values: Sequence[str], wrong: npt.NDArray[np.bool_]
) -> DataError:
    value = table.columns.column(axis.column)[int(np.argmax(wrong))].as_py()
    written = "a number of seconds" if axis.elapsed else f"a time in the format {axis.format!r}"
    found = find_format(values, wide=True)
    hint = f"; did you mean {_FORMAT_SETTING}: {found!r}?" if found is not None and found != axis.format else ""
    where = _where(table, config, wrong)
    tail = hint or f"; correct it, or set {_FORMAT_SETTING} to the format of the column"
    return DataError(f"time column {axis.column!r}, {where}: {value[:60]!r} is not {written}{tail}{_and_more(wrong)}")


def _where(table: Table, config: RunConfig, rows: npt.NDArray[np.bool_]) -> str:
    """The first of some rows, with its group."""
    row = int(np.argmax(rows))
    names = [name for name in config.data.group_columns if name in table.schema.names]
    group = ", ".join(f"{name} {table.columns.column(name)[row].as_py()!r}" for name in names)
    return f"row {row + 1}" + (f" (group {group})" if group else "")


def _and_more(rows: npt.NDArray[np.bool_]) -> str:
    count = int(rows.sum()) - 1
    return f" ({count:,} more row{'s' if count > 1 else ''} like it)" if count else ""
