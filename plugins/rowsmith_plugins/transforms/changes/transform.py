"""The ``changes`` transform: a smooth series of values is encoded as changes.

Its input is the records of ``groups``. A numeric column of many values, whose changes vary much less than its
values, becomes two adjacent columns:

* ``<column>~change``: the difference from the last value of its group; null in a group's first record, and where
  there is no value;
* ``<column>``: the landmark nearest to the value (see ``level_labels``).

Inversion: a group begins near its first record's landmark; every later value is the last one plus a change,
regardless of the landmark of its record. So values are as smooth as in training, on the column's grid and in its range.
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
"""A column of fewer values has a token for each and is exact without changes."""
_SMOOTH = 0.25
"""The variance of changes, as a share of the variance of values, below which a column is encoded by its changes."""


@frozen
class FittedChanges(FittedTransform):
    """The fitted ``changes`` transform.

    Attributes:
        schema_before: The table of records.
        step: The column that is null in the first record of each group.
        changed: The fitted columns.
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
            arrays |= each.encode(columns, bounds)
        return in_schema_order(columns, self.schema_after, arrays)

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Accumulate changes to values."""
        bounds = _bounds(columns, self.step)
        arrays = {each.column.name: each.decode(columns, bounds, draws) for each in self.changed}
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
    """Finds columns whose values change little from record to record.

    Attributes:
        options: Columns that are always or never encoded by changes; and what is rare.
    """

    scope: ClassVar[Scope] = Scope.GROUP
    options: ChangesOptions = field(factory=ChangesOptions)

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedChanges:
        """Fit to the records of ``groups``.

        Raises:
            ParameterError: The table has no steps, or a requested column cannot be encoded by its changes.
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
        """Restore the fitted transform from its state."""
        schema = schema_from_state(state["schema"])
        columns = [{**each, "column": cattrs.unstructure(schema[each["column"]])} for each in state["columns"]]
        return FittedChanges(schema, state["step"], cattrs.structure(columns, tuple[ChangedColumn, ...]))

    def _check(self, schema: TableSchema) -> None:
        for name in self.options.columns:
            if name not in schema.names or not _is_value(schema[name]):
                raise ParameterError(
                    f"transform 'changes': the records have no numeric column {name!r} to encode by its changes; check "
                    "its name and type, and that no earlier transform removes it, or remove it from `columns`"
                )

    def _chosen(self, columns: pa.Table, schema: TableSchema, bounds: Bounds) -> Iterator[tuple[ColumnSchema, Track]]:
        for column in schema:
            requested = column.name in self.options.columns
            if not _is_value(column) or (column.name in self.options.exclude and not requested):
                continue
            counted = count_shared(columns, column.name, bounds.groups)
            begun = bool((counted.codes[bounds.starts] >= 0).all())
            track = fit_track(counted, column, bounds, self.options.k) if counted.values and begun else None
            if requested and (track is None or not track.has_previous.any()):
                raise ParameterError(
                    f"transform 'changes': column {column.name!r} cannot be encoded by its changes: that needs a value "
                    "in the first row of every group, another after it, and none that is too large; remove it from "
                    "`columns`"
                )
            if track is not None and (requested or (len(counted.values) > _MANY_VALUES and _is_smooth(track))):
                yield column, track


def build(context: BuildContext, options: ChangesOptions | None) -> ChangesTransform:
    """Build the transform from its options.

    Raises:
        ParameterError: The run does not group rows.
    """
    if not context.config.grouped:
        raise ParameterError(
            "transform 'changes' needs ordered rows: set `time_series.is_timeseries` or "
            "`data.group_training_examples_by`, or leave the transform out"
        )
    return ChangesTransform(options or ChangesOptions())


def _is_value(column: ColumnSchema) -> bool:
    return column.type in _NUMERIC and column.timing is None


def _step(schema: TableSchema) -> str:
    for column in schema:
        if column.timing is not None and column.timing.role is TimingRole.STEP:
            return column.name
    raise ParameterError("transform 'changes' needs the records of 'groups'; list it after 'groups'")


def _bounds(columns: pa.Table, step: str) -> Bounds:
    return bounds_of_firsts(distinct(columns, step)[1] < 0)


def _is_smooth(whole: Track) -> bool:
    """Whether changes vary much less than all values, and than values within groups."""
    track = whole.clipped()
    changes, ordinals = track.changes().astype(np.float64), track.ordinals.astype(np.float64)
    if len(changes) < _FEWEST_CHANGES or changes.var() > _SMOOTH * ordinals.var():
        return False
    groups = np.cumsum(~track.has_previous) - 1
    means = np.bincount(groups, weights=ordinals) / np.bincount(groups)
    within = float(((ordinals - means[groups]) ** 2).sum()) / len(changes)
    return bool((changes**2).mean() < within)
