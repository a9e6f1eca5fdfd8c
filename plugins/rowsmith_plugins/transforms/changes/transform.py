"""The ``changes`` transform: a value that goes on from the record before is told as its change.

It takes the records that ``groups`` makes. A numeric column of many values, whose changes vary much less than its
values, becomes two columns that stand side by side:

* ``<column>~change``: how far the value is from the last one of its group; null in a group's first record, and where
  there is no value;
* ``<column>``: the landmark nearest to the value (see ``level_labels``).

Back: a group begins near its first record's landmark; every later value is the last one and a change, whatever
landmark its record names. So values follow each other as smoothly as they did, on the column's grid and in its range.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import cattrs
import numpy as np
import pyarrow as pa
from attrs import field, frozen

from rowsmith.context import BuildContext
from rowsmith.errors import ParameterError
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import distinct
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema, TimingRole
from rowsmith.transforms import FittedTransform, Scope, Transform, schema_from_state, schema_state
from rowsmith_plugins.transforms.changes.column import ChangedColumn, Track, fit_changed, fit_track
from rowsmith_plugins.transforms.common.counting import count_shared
from rowsmith_plugins.transforms.common.layout import expanded, in_schema_order, unique_name
from rowsmith_plugins.transforms.groups.bounds import Bounds, bounds_of_firsts
from rowsmith_plugins.transforms.options import ChangesOptions

__all__ = ["ChangesTransform", "FittedChanges", "build"]

_NUMERIC = (ColumnType.INTEGER, ColumnType.DECIMAL)
_FEWEST_CHANGES = 50
_MANY_VALUES = 32
"""A column of fewer values has a token for each, and needs no changes to be exact."""
_SMOOTH = 0.25
"""The variance of changes, as a share of the variance of values, below which a column is told by its changes."""


@frozen
class FittedChanges(FittedTransform):
    """Knows which columns are told by their changes, and their labels.

    Attributes:
        schema_before: The table of records.
        step: The column that is null in the first record of each group.
        changed: What is known of each column.
        schema_after: The table with changes and levels instead.
    """

    scope: ClassVar[Scope] = Scope.GROUP
    schema_before: TableSchema
    step: str
    changed: tuple[ChangedColumn, ...]
    schema_after: TableSchema = field(init=False)

    @schema_after.default
    def _with_changes(self) -> TableSchema:
        return expanded(self.schema_before, {each.column.name: each.columns_after() for each in self.changed})

    def apply(self, columns: pa.Table) -> pa.Table:
        """Turn values into changes and levels."""
        bounds = _bounds(columns, self.step)
        arrays: dict[str, pa.DictionaryArray] = {}
        for each in self.changed:
            arrays |= each.tell(columns, bounds)
        return in_schema_order(columns, self.schema_after, arrays)

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Let values go on by their changes."""
        bounds = _bounds(columns, self.step)
        arrays = {each.column.name: each.read(columns, bounds, draws) for each in self.changed}
        return in_schema_order(columns, self.schema_before, arrays)

    def state(self) -> dict[str, Any]:
        """The schema and the labels."""
        columns = [{**cattrs.unstructure(each), "column": each.column.name} for each in self.changed]
        return {"schema": schema_state(self.schema_before), "step": self.step, "columns": columns}

    def inventory(self) -> list[str]:
        """A line for each column."""
        return [f"column {each.column.name!r}: {each.describe()}" for each in self.changed]


@frozen
class ChangesTransform(Transform):
    """Finds the columns that go on from record to record.

    Attributes:
        options: Which columns are told by their changes, whatever they hold, and which never; and what is rare.
    """

    scope: ClassVar[Scope] = Scope.GROUP
    options: ChangesOptions = field(factory=ChangesOptions)

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedChanges:
        """Learn from the records that ``groups`` makes.

        Raises:
            ParameterError: The table has no steps, or a column that is asked for cannot be told by its changes.
        """
        step = _step(schema)
        self._check(schema)
        bounds, taken = _bounds(columns, step), set(schema.names)
        changed = [
            fit_changed(column, track, unique_name(f"{column.name}~change", taken), bounds, self.options.k)
            for column, track in self._chosen(columns, schema, bounds)
        ]
        return FittedChanges(schema, step, tuple(changed))

    def restore(self, state: Mapping[str, Any]) -> FittedChanges:
        """Make the fitted transform from its state."""
        schema = schema_from_state(state["schema"])
        columns = [{**each, "column": cattrs.unstructure(schema[each["column"]])} for each in state["columns"]]
        return FittedChanges(schema, state["step"], cattrs.structure(columns, tuple[ChangedColumn, ...]))

    def _check(self, schema: TableSchema) -> None:
        for name in self.options.columns:
            if name not in schema.names or not _is_value(schema[name]):
                raise ParameterError(
                    f"transform 'changes': the records have no numeric column {name!r} to tell by its changes; check "
                    "its name and type, and that no transform before leaves it out, or take it out of `columns`"
                )

    def _chosen(self, columns: pa.Table, schema: TableSchema, bounds: Bounds) -> Iterator[tuple[ColumnSchema, Track]]:
        for column in schema:
            asked = column.name in self.options.columns
            if not _is_value(column) or (column.name in self.options.exclude and not asked):
                continue
            counted = count_shared(columns, column.name, bounds.groups)
            begun = bool((counted.codes[bounds.starts] >= 0).all())
            track = fit_track(counted, column, bounds, self.options.k) if counted.values and begun else None
            if asked and (track is None or not track.goes_on.any()):
                raise ParameterError(
                    f"transform 'changes': column {column.name!r} cannot be told by its changes: that needs a value in "
                    "the first row of every group, another after it, and none that is too large; take it out of "
                    "`columns`"
                )
            if track is not None and (asked or (len(counted.values) > _MANY_VALUES and _is_smooth(track))):
                yield column, track


def build(context: BuildContext, options: ChangesOptions | None) -> ChangesTransform:
    """Build the transform from its options.

    Raises:
        ParameterError: The run's rows stand alone.
    """
    if not context.config.grouped:
        raise ParameterError(
            "transform 'changes' needs rows that follow each other: set `time_series.is_timeseries` or "
            "`data.group_training_examples_by`, or leave the transform out"
        )
    return ChangesTransform(options or ChangesOptions())


def _is_value(column: ColumnSchema) -> bool:
    return column.type in _NUMERIC and column.timing is None


def _step(schema: TableSchema) -> str:
    for column in schema:
        if column.timing is not None and column.timing.role is TimingRole.STEP:
            return column.name
    raise ParameterError("transform 'changes' needs the records that 'groups' makes; name it after 'groups'")


def _bounds(columns: pa.Table, step: str) -> Bounds:
    return bounds_of_firsts(distinct(columns, step)[1] < 0)


def _is_smooth(whole: Track) -> bool:
    """Whether values are much nearer to the last one than to any, and nearer than to others of their group."""
    track = whole.clipped()
    changes, places = track.changes().astype(np.float64), track.places.astype(np.float64)
    if len(changes) < _FEWEST_CHANGES or changes.var() > _SMOOTH * places.var():
        return False
    groups = np.cumsum(~track.goes_on) - 1
    means = np.bincount(groups, weights=places) / np.bincount(groups)
    within = float(((places - means[groups]) ** 2).sum()) / len(changes)
    return bool((changes**2).mean() < within)
