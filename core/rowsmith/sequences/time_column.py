"""The time column of a table before anything is sorted: found, checked on every row, made where there is none."""

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
from rowsmith.sequences.times import DAY, ELAPSED_SECONDS, SeriesClock
from rowsmith.table.columns import combined_codes, distinct, from_codes, replace_column
from rowsmith.table.datetime_formats import TIMES
from rowsmith.table.schema import ColumnSchema, ColumnType, Role, TableSchema
from rowsmith.table.table import Table
from rowsmith.table.types.datetimes import find_format, format_fit, resolution_format, spell_datetimes

__all__ = ["PreparedSeries", "given_interval", "prepare_series"]

Ticks = npt.NDArray[np.int64]

_KNOB = "time_series.timestamp_column"
_FORMAT_KNOB = "time_series.timestamp_format"
_NUMBERS = (ColumnType.INTEGER, ColumnType.DECIMAL)


@frozen(kw_only=True, eq=False)
class PreparedSeries:
    """A table whose time column can be sorted by and learned from.

    Attributes:
        table: The table; its time column holds numbers, or date-times in a format that tables know.
        config: The configuration with the time column named; the given one is not changed.
        clock: Reads and writes the time column as the user has it.
        shared: Rows that have the time of an earlier row of their series.
    """

    table: Table
    config: RunConfig
    clock: SeriesClock
    _inner: SeriesClock = field(alias="inner")
    shared: int = 0

    def plan(self, table: Table, groups: npt.NDArray[np.int64]) -> SeriesPlan:
        """The plan of the rows that are learned from.

        Args:
            table: These rows, arranged.
            groups: The number of each row's group.
        """
        values, codes = distinct(table.columns, self.clock.column)
        return make_plan(self.clock, self._inner.read(values)[0][codes], groups, self._inner)

    def notes(self, plan: SeriesPlan) -> list[str]:
        """What the user should know of the plan, a line each."""
        return [*self._shared_note(), *self._interval_notes(plan)]

    def _shared_note(self) -> list[str]:
        if not self.shared:
            return []
        return [
            f"{self.shared:,} of {len(self.table):,} rows have the time of another row of their series; if a column "
            "tells series apart, name it as data.group_training_examples_by"
        ]

    def _interval_notes(self, plan: SeriesPlan) -> list[str]:
        given = given_interval(self.config)
        several = [span for span in plan.spans if span.length > 1]
        other = sum(span.interval != given for span in several)
        if given is not None and other and not self.clock.made:
            return [
                f"{other:,} of {len(several):,} series are not {given.seconds:g} seconds from record to record, as "
                "time_series.timestamp_interval_seconds says; those that are generated will be"
            ]
        uneven = sum(span.interval is None for span in several)
        if given is None and uneven and plan.regular:
            return [f"{uneven:,} of {len(several):,} series have no fixed interval; their steps are learned"]
        if given is None and uneven:
            return [f"{uneven:,} of {len(several):,} series have no fixed interval; the steps of all are learned"]
        return []


def given_interval(config: RunConfig) -> Interval | None:
    """The interval that the configuration states; None when it is to be found out."""
    seconds = config.time_series.timestamp_interval_seconds
    return None if seconds is None else Interval(ticks=max(1, round(seconds * TICKS)))


def prepare_series(table: Table, config: RunConfig) -> PreparedSeries:
    """Find out how the time column is written, check every row, and make it fit to sort by.

    Without a time column the rows of each group are numbered in the order of the table, in steps of the
    given interval, or of one second.

    Args:
        table: The table as it was read; it is not changed.
        config: Names the columns.

    Returns:
        The table with a time column that can be sorted by.

    Raises:
        ConfigError: There is no such column, or its format cannot be told.
        DataError: A time is missing or not written as the others; the message names group and row.
    """
    name = config.time_series.timestamp_column
    if name is None:
        return _numbered(table, config)
    if name not in table.schema.names:
        raise ConfigError([f"the table has no column {name!r}{did_you_mean(name, table.schema.names)} @ {_KNOB}"])
    _check_present(table, config, name)
    format_ = _format(table, config, name)
    unit = table.schema[name].storage.unit if format_ == ELAPSED_SECONDS else ""
    clock = SeriesClock(column=name, format=format_, unit=unit)
    values, codes = distinct(table.columns, name)
    times, fits = clock.read(values)
    if not fits.all():
        raise _misfit(table, config, clock, values, ~fits[codes])
    _check_interval(clock, table.schema[name], config)
    shared = pd.DataFrame({"group": _groups(table, config), "time": times[codes]}).duplicated().sum()
    return evolve(_fitted(table, config, clock, values, times[codes]), shared=int(shared))


def _check_interval(clock: SeriesClock, column: ColumnSchema, config: RunConfig) -> None:
    interval = given_interval(config)
    if interval is None or clock.daily:
        return
    times, _ = clock.read(clock.write([0, interval.ticks], column))
    if int(times[1] - times[0]) != interval.ticks:
        written = "in whole numbers" if clock.elapsed else f"as {clock.format!r}"
        seconds = config.time_series.timestamp_interval_seconds
        raise ConfigError(
            [
                f"column {clock.column!r} is written {written}, which cannot tell times {seconds:g} seconds apart; "
                "give an interval that it can @ time_series.timestamp_interval_seconds"
            ]
        )


def _fitted(table: Table, config: RunConfig, clock: SeriesClock, values: Sequence[str], times: Ticks) -> PreparedSeries:
    column = table.schema[clock.column]
    if clock.unit:
        return _in_seconds(table, config, clock, times)
    if clock.elapsed:
        inner = evolve(column, role=Role.VALUE)
        if column.type not in _NUMBERS:
            kind = ColumnType.DECIMAL if (times % TICKS).any() else ColumnType.INTEGER
            inner = evolve(inner, type=kind)
        return _prepared(table, config, clock, inner, clock)
    if not (clock.foreign or clock.daily):
        inner = evolve(column, type=ColumnType.DATETIME, role=Role.VALUE, datetime_format=clock.format)
        return _prepared(table, config, clock, inner, clock)
    if clock.daily:
        times = times + _midnights(times, _groups(table, config)) * DAY
    instants = times.astype("datetime64[us]")
    format_ = resolution_format(instants)
    found, codes = np.unique(times, return_inverse=True)
    array = from_codes(spell_datetimes(found.astype("datetime64[us]"), format_), codes)
    inner = ColumnSchema(name=clock.column, type=ColumnType.DATETIME, datetime_format=format_)
    columns = replace_column(table.columns, clock.column, {clock.column: array})
    inside = SeriesClock(column=clock.column, format=format_)
    return _prepared(Table(columns, table.schema), config, clock, inner, inside)


def _in_seconds(table: Table, config: RunConfig, clock: SeriesClock, times: Ticks) -> PreparedSeries:
    """Durations and times of day are learned as seconds, in which the model's clock counts."""
    kind = ColumnType.DECIMAL if (times % TICKS).any() else ColumnType.INTEGER
    inner = ColumnSchema(name=clock.column, type=kind, max_scale=6 if kind is ColumnType.DECIMAL else None)
    inside = SeriesClock(column=clock.column, format=ELAPSED_SECONDS)
    found, codes = np.unique(times, return_inverse=True)
    array = from_codes(inside.write(found.tolist(), inner), codes)
    columns = replace_column(table.columns, clock.column, {clock.column: array})
    return _prepared(Table(columns, table.schema), config, clock, inner, inside)


def _prepared(
    table: Table, config: RunConfig, clock: SeriesClock, column: ColumnSchema, inner: SeriesClock
) -> PreparedSeries:
    schema = TableSchema(columns=tuple(column if each.name == column.name else each for each in table.schema))
    return PreparedSeries(table=Table(table.columns, schema), config=config, clock=clock, inner=inner)


def _numbered(table: Table, config: RunConfig) -> PreparedSeries:
    name = ELAPSED_SECONDS
    while name in table.schema.names:
        name = f"_{name}"
    interval = given_interval(config) or Interval(ticks=TICKS)
    counts = pd.Series(_groups(table, config)).groupby(_groups(table, config)).cumcount().to_numpy()
    kind = ColumnType.DECIMAL if interval.ticks % TICKS else ColumnType.INTEGER
    column = ColumnSchema(name=name, type=kind, max_scale=6 if kind is ColumnType.DECIMAL else None)
    clock = SeriesClock(column=name, format=ELAPSED_SECONDS, made=True)
    texts = clock.write([count * interval.ticks for count in range(int(counts.max(initial=0)) + 1)], column)
    columns = table.columns.add_column(0, name, from_codes(texts, counts))
    named = evolve(config, time_series=evolve(config.time_series, timestamp_column=name))
    schema = TableSchema(columns=(column, *table.schema.columns))
    return PreparedSeries(table=Table(columns, schema), config=named, clock=clock, inner=clock)


def _groups(table: Table, config: RunConfig) -> npt.NDArray[np.int64]:
    """The number of each row's group, in the order of the table."""
    # Arranging the table names what is missing.
    return combined_codes(table.columns, [name for name in config.data.group_columns if name in table.schema.names])


def _midnights(times: Ticks, groups: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How often the clock of each row's group has begun anew before that row."""
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
            [f"column {name!r} holds no times that are known ({shown}); say how they are written @ {_FORMAT_KNOB}"]
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
            f"time column {name!r} has no value in {_where(table, config, missing)}; fill the times in, take the "
            "rows out, or order the rows of groups by data.order_training_examples_by instead, where rows without a "
            f"value are last{_more(missing)}"
        )


def _misfit(
    table: Table, config: RunConfig, clock: SeriesClock, values: Sequence[str], wrong: npt.NDArray[np.bool_]
) -> DataError:
    value = table.columns.column(clock.column)[int(np.argmax(wrong))].as_py()
    written = "a number of seconds" if clock.elapsed else f"a time written as {clock.format!r}"
    found = find_format(values, wide=True)
    hint = f"; did you mean {_FORMAT_KNOB}: {found!r}?" if found is not None and found != clock.format else ""
    where = _where(table, config, wrong)
    tail = hint or f"; correct it, or set {_FORMAT_KNOB} to how they are written"
    return DataError(f"time column {clock.column!r}, {where}: {value[:60]!r} is not {written}{tail}{_more(wrong)}")


def _where(table: Table, config: RunConfig, rows: npt.NDArray[np.bool_]) -> str:
    """The first of some rows, with its group."""
    row = int(np.argmax(rows))
    names = [name for name in config.data.group_columns if name in table.schema.names]
    group = ", ".join(f"{name} {table.columns.column(name)[row].as_py()!r}" for name in names)
    return f"row {row + 1}" + (f" (group {group})" if group else "")


def _more(rows: npt.NDArray[np.bool_]) -> str:
    count = int(rows.sum()) - 1
    return f" ({count:,} more row{'s' if count > 1 else ''} like it)" if count else ""
