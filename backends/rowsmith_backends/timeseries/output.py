"""From the records of finished series to rows of the user's table, with their times on the time axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from attrs import frozen

from rowsmith.generation.actions import Accepted, ColumnActions, DataActionsFn, run_actions
from rowsmith.sequences import SeriesPlan, with_identifier
from rowsmith.sequences.intervals import months_between, months_later
from rowsmith.table.columns import distinct, from_codes
from rowsmith.table.files.csv_writer import write_csv
from rowsmith.table.schema import ColumnSchema, ColumnType, ModelSchema, TableSchema
from rowsmith_backends.timeseries.group import SeriesGroup
from rowsmith_backends.timeseries.record_times import RecordTiming

__all__ = ["SeriesOutput", "SeriesRows"]

Ints = npt.NDArray[np.int64]

_FAR = np.iinfo(np.int64).max


@frozen(kw_only=True, eq=False)
class SeriesRows:
    """The rows of some series.

    Attributes:
        df: The rows in the user's dtypes, series after series, each in the order of time.
        columns: The same as a spelled table; None when the data actions gave none.
        rejected: Why each rejected series was, by its index among the series.
    """

    df: pd.DataFrame
    columns: pa.Table | None
    rejected: Mapping[int, str]


@frozen(kw_only=True, eq=False)
class SeriesOutput:
    """Makes rows of records.

    Attributes:
        model_schema: The columns of a record.
        table_schema: The user's columns.
        plan: Gives the time axis.
        group_column: The column that names the groups, where generated ones have names of training.
        identifier: The name of a column that numbers the series; None where the table identifies them.
        first: The number of the first series.
    """

    model_schema: ModelSchema
    table_schema: TableSchema
    plan: SeriesPlan
    group_column: str | None = None
    identifier: str | None = None
    first: int = 0

    def rows(self, groups: Sequence[SeriesGroup], actions: DataActionsFn | None, first_id: int = 0) -> SeriesRows:
        """The rows of whole series; a series that loses a row to the data actions is rejected whole.

        Args:
            groups: The series.
            actions: Applied to all rows at once.
            first_id: The hidden id of the first row.
        """
        lengths = np.array([len(group.records) for group in groups], dtype=np.int64)
        owners = np.repeat(np.arange(len(groups)), lengths)
        if isinstance(actions, ColumnActions):
            return self._by_columns(groups, owners, actions, first_id)
        frame = self._frame(groups)
        within = _within(owners)
        if actions is None or not len(frame):
            frame = self._timed(frame, groups, owners, within)
            return SeriesRows(df=self._identified(frame, groups, owners), columns=None, rejected={})
        outcome = run_actions(actions, frame, Accepted(lambda: ()), first_id, grouped=True)
        rejected = {int(owners[row]): error[0] for row, error in outcome.rejected.items()}
        order = np.array(outcome.retained, dtype=np.int64)
        order, valid = np.sort(order), outcome.valid.iloc[np.argsort(order)]  # whatever order they came back in
        within, owners = within[order], owners[order]
        whole = ~np.isin(owners, list(rejected))
        df = self._timed(valid[whole].reset_index(drop=True), groups, owners[whole], within[whole])
        return SeriesRows(df=self._identified(df, groups, owners[whole]), columns=None, rejected=rejected)

    def save(self, path: Path, groups: Sequence[SeriesGroup], actions: DataActionsFn | None) -> None:
        """Write what there is of some series as CSV, whole or not."""
        rows = self.rows([group for group in groups if group.records], _fresh_copy(actions))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                if rows.columns is None:
                    rows.df.to_csv(file, index=False)
                else:
                    write_csv(rows.columns, with_identifier(self.table_schema, self.identifier), file, ",")
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _by_columns(
        self, groups: Sequence[SeriesGroup], owners: Ints, actions: ColumnActions, first_id: int
    ) -> SeriesRows:
        within = _within(owners)

        def timed(inverted: pa.Table, schema: TableSchema) -> pa.Table:
            return self._with_times(inverted, schema, self._times(groups, owners, within, inverted))

        outcome = actions.on_series(self._table(groups), np.arange(len(owners)) + first_id, timed)
        rejected = {int(owners[row]): reason for row, reason in outcome.rejected.items()}
        within = np.delete(within, list(outcome.rejected))
        owners = np.delete(owners, list(outcome.rejected))
        times = self._times(groups, owners, within, outcome.valid)
        # Exact times within a learned step are drawn only now, so a last record may come to lie beyond the stop.
        stops = np.array([_FAR if group.counted else group.span.stop for group in groups], dtype=np.int64)
        whole = ~np.isin(owners, list(rejected)) & (times <= stops[owners])
        columns = outcome.valid
        if not self.plan.clock.made:
            columns = _replaced(columns, self.plan.clock.column, self._spelled(times.tolist()))
        if self.group_column is not None:
            columns = _replaced(columns, self.group_column, [groups[index].state.group_id for index in owners.tolist()])
        columns = columns.select(list(self.table_schema.names)).filter(pa.array(whole))
        df = self._identified(actions.to_frame(columns), groups, owners[whole])
        if self.identifier is not None:
            numbers = self._numbers(groups, owners[whole])
            found, codes = np.unique(numbers, return_inverse=True)
            columns = columns.add_column(0, self.identifier, from_codes([str(each) for each in found], codes))
        return SeriesRows(df=df, columns=columns, rejected=rejected)

    def _identified(self, frame: pd.DataFrame, groups: Sequence[SeriesGroup], owners: Ints) -> pd.DataFrame:
        """A frame with the number of each row's series, where the table does not identify them."""
        if self.identifier is None:
            return frame
        numbers = pd.Series(self._numbers(groups, owners), name=self.identifier, index=frame.index)
        return pd.concat([numbers, frame], axis=1)

    def _numbers(self, groups: Sequence[SeriesGroup], owners: Ints) -> Ints:
        """The number of each row's series, from 1."""
        return np.array([group.number - self.first + 1 for group in groups], dtype=np.int64)[owners]

    def _table(self, groups: Sequence[SeriesGroup]) -> pa.Table:
        arrays = {}
        for column in self.model_schema:
            known: dict[str, int] = {}
            cells = [each.spelled[column.name] for group in groups for each in group.records]
            codes = [-1 if cell is None else known.setdefault(cell, len(known)) for cell in cells]
            arrays[column.name] = from_codes(list(known), np.array(codes, dtype=np.int32))
        return pa.table(arrays)

    def _frame(self, groups: Sequence[SeriesGroup]) -> pd.DataFrame:
        records = [each.values for group in groups for each in group.records]
        return pd.DataFrame(records, columns=list(self.model_schema.names), dtype=object)

    def _timed(self, frame: pd.DataFrame, groups: Sequence[SeriesGroup], owners: Ints, within: Ints) -> pd.DataFrame:
        """A frame of any columns with the time of each row, unless data actions have left the column out."""
        if self.plan.clock.made or not len(frame):
            return frame
        return frame.assign(**{self.plan.clock.column: self._spelled(_written_times(groups, owners, within).tolist())})

    def _times(self, groups: Sequence[SeriesGroup], owners: Ints, within: Ints, inverted: pa.Table) -> Ints:
        """The time of each row: on the time axis, or for learned steps as the transforms drew them within a label."""
        times = _written_times(groups, owners, within)
        learned = np.array([group.span.interval is None for group in groups], dtype=np.bool_)[owners]
        name = self.plan.clock.column
        if not learned.any() or name not in inverted.column_names:
            return times
        values, codes = distinct(inverted, name)
        read, fits = self.plan.inner.read(values)
        if not fits.all() or (codes < 0).any():
            return times
        drawn = read[codes]
        firsts = np.flatnonzero(np.diff(owners, prepend=owners[:1] - 1))
        sizes = np.diff(np.append(firsts, len(owners)))
        starts = np.array([group.span.start for group in groups], dtype=np.int64)[owners]
        first = np.repeat(drawn[firsts], sizes)
        if not RecordTiming(self.model_schema).by_months:
            return np.where(learned, starts + drawn - first, times)
        months = [months_later(*pair) for pair in zip(starts.tolist(), _months_between(first, drawn), strict=True)]
        return np.where(learned, np.array(months, dtype=np.int64), times)

    def _with_times(self, inverted: pa.Table, schema: TableSchema, times: Ints) -> pa.Table:
        """A table with these times in the time column, as the transforms know it."""
        name = self.plan.clock.column
        if name not in schema.names:
            return inverted
        return _replaced(inverted, name, self.plan.inner.write(times.tolist(), schema[name]))

    def _spelled(self, times: Sequence[int]) -> list[str]:
        name = self.plan.clock.column
        column = self.table_schema[name] if name in self.table_schema.names else None
        return self.plan.clock.write(times, column or ColumnSchema(name=name, type=ColumnType.DECIMAL))


def _months_between(starts: Ints, stops: Ints) -> list[int]:
    return [months_between(*pair) for pair in zip(starts.tolist(), stops.tolist(), strict=True)]


def _within(owners: Ints) -> Ints:
    """The number of each row in its series, from 0."""
    firsts = np.flatnonzero(np.diff(owners, prepend=owners[:1] - 1))
    found: Ints = np.arange(len(owners)) - np.repeat(firsts, np.diff(np.append(firsts, len(owners))))
    return found


def _written_times(groups: Sequence[SeriesGroup], owners: Ints, within: Ints) -> Ints:
    pairs = zip(owners.tolist(), within.tolist(), strict=True)
    return np.array([groups[index].records[row].time for index, row in pairs], dtype=np.int64)


def _replaced(columns: pa.Table, name: str, texts: Sequence[str]) -> pa.Table:
    known: dict[str, int] = {}
    codes = np.array([known.setdefault(text, len(known)) for text in texts], dtype=np.int32)
    return columns.set_column(columns.schema.get_field_index(name), name, from_codes(list(known), codes))


def _fresh_copy(actions: DataActionsFn | None) -> DataActionsFn | None:
    """The same actions without what they remember, so that a look at what there is changes nothing."""
    make: Callable[[], Any] | None = getattr(actions, "fresh_copy", None)
    return make() if make is not None else None
