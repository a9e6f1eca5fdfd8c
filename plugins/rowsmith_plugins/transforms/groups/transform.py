"""The ``groups`` transform: the rows of a group are encoded as consecutive records.

Its input is a table of grouped, sorted rows. A record has, in this order:

* ``<order>~step``: the distance from the record before it; null in the first record of a group, and only there.
  Without an order column it is ``~step``, and every later record has ``next``;
* ``<order>``: the landmark nearest to its position (see ``order_positions``);
* ``<order>~month``, ``~weekday``, ``~hour``, ``~minute``: the calendar parts that vary, recur and may be
  informative;
* columns that are constant in each training group: in the first record; null in later ones;
* all other columns unchanged. The column that names the groups is left out.

Inversion: a null step begins a group. Its landmark and calendar parts determine where it begins; every
later record is a step after the one before it, regardless of its landmark, so the order is always right. Columns of the
first record alone are repeated, and each group gets a new name: numbers continue, others follow the pattern of the
training names. If several columns name the groups, the one with the most values gets new names, and the others are in
the first record. Columns that only identify groups, as ``keys`` finds those that identify rows, are dropped and
regenerated, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import cattrs
import numpy as np
import pyarrow as pa
from attrs import evolve, field, frozen

from rowsmith.context import BuildContext
from rowsmith.errors import DataError, ParameterError
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import distinct, from_codes
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema, Timing, TimingRole
from rowsmith.transforms import FittedTransform, Scope, Transform, schema_from_state, schema_state
from rowsmith_plugins.transforms.common.layout import in_schema_order, unique_name
from rowsmith_plugins.transforms.groups.bounds import Bounds, bounds_of_columns, bounds_of_firsts
from rowsmith_plugins.transforms.groups.constants import GroupConstant, constant_names, fit_constant
from rowsmith_plugins.transforms.groups.names import GroupKey, fit_name, fit_others, key_from_state
from rowsmith_plugins.transforms.groups.order import GroupOrder, fit_order
from rowsmith_plugins.transforms.keys.transform import key_notes
from rowsmith_plugins.transforms.options import GroupsOptions, KeysOptions

__all__ = ["FittedGroups", "GroupsTransform", "build"]

_NEXT = "next"


@frozen
class FittedGroups(FittedTransform):
    """The fitted ``groups`` transform.

    Attributes:
        schema_before: The table with grouped rows.
        groups: The columns whose equal values make rows a group; none if all rows are one group.
        step: The name of the column of steps.
        order: Encoding of the order column; None without one.
        keys: The columns that get new values for each group.
        constants: The columns that only the first record of a group has.
        schema_after: The table of records.
    """

    scope: ClassVar[Scope] = Scope.GROUP
    schema_before: TableSchema
    groups: tuple[str, ...]
    step: str
    order: GroupOrder | None
    keys: tuple[GroupKey, ...]
    constants: tuple[GroupConstant, ...]
    schema_after: TableSchema = field(init=False)

    @schema_after.default
    def _records(self) -> TableSchema:
        once = [each.name for each in self.constants]
        gone = {*once, *(key.name for key in self.keys), *([] if self.order is None else [self.order.name])}
        timing = Timing(role=TimingRole.STEP, amounts=self._amounts())
        step = ColumnSchema(name=self.step, type=ColumnType.CATEGORICAL, nullable=True, timing=timing)
        return TableSchema(
            columns=(
                step,
                *(() if self.order is None else self.order.columns_after()),
                *(evolve(self.schema_before[name], nullable=True) for name in once),
                *(column for column in self.schema_before if column.name not in gone),
            )
        )

    @property
    def regenerated_columns(self) -> frozenset[str]:
        """Names of groups, other keys of groups, and an order column that is encoded by its steps alone."""
        return frozenset(self.schema_before.names) - frozenset(self.schema_after.names)

    def apply(self, columns: pa.Table) -> pa.Table:
        """Turn the rows of each group into records.

        Raises:
            DataError: Rows of a group are not consecutive or not in order, or a group or order value is missing.
        """
        bounds = bounds_of_columns(columns, self.groups)
        arrays = {each.name: each.first_record_only(columns, bounds) for each in self.constants}
        if self.order is None:
            arrays[self.step] = from_codes([_NEXT], np.where(bounds.first, -1, 0))
        else:
            arrays |= self.order.encode(columns, bounds, self.step)
        return in_schema_order(columns, self.schema_after, arrays)

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Turn records into the rows of groups."""
        bounds = bounds_of_firsts(distinct(columns, self.step)[1] < 0)
        arrays = {each.name: each.repeated(columns, bounds, draws) for each in self.constants}
        arrays |= {key.name: key.make(bounds, draws, carry.setdefault(key.name, {})) for key in self.keys}
        if self.order is not None:
            arrays[self.order.name] = self.order.decode(columns, bounds, self.step, draws)
        return in_schema_order(columns, self.schema_before, arrays)

    def state(self) -> dict[str, Any]:
        """The schema and all fitted parts."""
        return {
            "schema": schema_state(self.schema_before),
            "groups": list(self.groups),
            "step": self.step,
            "order": cattrs.unstructure(self.order),
            "keys": [key.state() for key in self.keys],
            "constants": cattrs.unstructure(self.constants),
        }

    def inventory(self) -> list[str]:
        """A line for the order column, and one for each key and each constant column."""
        order = [] if self.order is None else [f"column {self.order.name!r}: {self.order.describe()}"]
        keys = [f"column {key.name!r}: {key.maker.describe()}" for key in self.keys]
        constants = [
            f"column {each.name!r}: {len(each.spares)} values of several groups and how often each occurs"
            for each in self.constants
        ]
        return [*order, *keys, *constants]

    def keeping_clear(self, columns: pa.Table) -> FittedGroups:
        """Avoid all names of groups in a table."""
        clear = (evolve(key, maker=key.maker.avoiding(distinct(columns, key.name)[0])) for key in self.keys)
        return evolve(self, keys=tuple(clear))

    def notes(self) -> list[str]:
        """Notes on key columns besides those that name the groups."""
        return key_notes("groups", [key.name for key in self.keys if key.name not in self.groups])

    def _amounts(self) -> tuple[tuple[str, float], ...]:
        return ((_NEXT, 1.0),) if self.order is None else self.order.step_amounts()


@frozen
class GroupsTransform(Transform):
    """Fits the encoding of grouped rows.

    Attributes:
        groups: The columns whose equal values make rows a group; none if all rows are one group.
        order: The column by which the rows of a group are ordered; None without one.
        options: What is rare, and which columns are excluded.
        seed: Salt of the filter of training names, at least 0.
        grouped: Whether the run groups rows; otherwise the transform can only be restored.
    """

    scope: ClassVar[Scope] = Scope.GROUP
    groups: tuple[str, ...] = ()
    order: str | None = None
    options: GroupsOptions = field(factory=GroupsOptions)
    seed: int = 0
    grouped: bool = field(default=True, kw_only=True)

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedGroups:
        """Fit to a table of grouped, ordered rows.

        Raises:
            ParameterError: The run does not group rows.
            DataError: Rows are not grouped and ordered, or a group or order column is missing or unsuitable.
        """
        if not self.grouped:
            raise ParameterError(
                "transform 'groups' needs groups: set `data.group_training_examples_by`, or leave the transform out"
            )
        for name in (*self.groups, *([] if self.order is None else [self.order])):
            if name not in schema.names:
                raise DataError(f"transform 'groups': the table has no column {name!r} to group or order its rows by")
        bounds, taken = bounds_of_columns(columns, self.groups), set(schema.names)
        step = unique_name("~step" if self.order is None else f"{self.order}~step", taken)
        order = None if self.order is None else fit_order(columns, schema[self.order], bounds, taken, self.options.k)
        constants = [*self._constant_names(columns, schema, bounds)]
        keys = tuple(self._keys(columns, schema, bounds, constants))
        gone = {key.name for key in keys}
        fitted = (fit_constant(columns, schema[name], bounds, self.options.k) for name in constants if name not in gone)
        return FittedGroups(schema, self.groups, step, order, keys, tuple(fitted))

    def restore(self, state: Mapping[str, Any]) -> FittedGroups:
        """Restore the fitted transform from its state."""
        return FittedGroups(
            schema_from_state(state["schema"]),
            tuple(state["groups"]),
            state["step"],
            cattrs.structure(state["order"], GroupOrder | None),  # type: ignore[arg-type]
            tuple(key_from_state(each) for each in state["keys"]),
            cattrs.structure(state["constants"], tuple[GroupConstant, ...]),
        )

    def _keys(self, columns: pa.Table, schema: TableSchema, bounds: Bounds, constants: list[str]) -> Iterator[GroupKey]:
        """The column that names the groups, and others that only identify groups."""
        yield from fit_name(columns, schema, self.groups, self.options.k, self.seed)
        others = [name for name in constants if name not in self.groups]
        options = KeysOptions(k=self.options.k, exclude=self.options.exclude)
        chosen = TableSchema(columns=tuple(schema[name] for name in others))
        yield from fit_others(columns.select(others), chosen, bounds, options, self.seed)

    def _constant_names(self, columns: pa.Table, schema: TableSchema, bounds: Bounds) -> Iterator[str]:
        """Columns that are constant within groups, including those that name them, in the table's order."""
        found = set(constant_names(columns, [name for name in schema.names if name != self.order], bounds))
        return (name for name in schema.names if name in found or name in self.groups)


def build(context: BuildContext, options: GroupsOptions | None) -> GroupsTransform:
    """Build the transform from its options and the run's grouping."""
    config, chosen = context.config, options or GroupsOptions()
    seed = context.seeds.integer("transforms.groups")
    return GroupsTransform(config.data.group_columns, config.order_column, chosen, seed, grouped=config.grouped)
