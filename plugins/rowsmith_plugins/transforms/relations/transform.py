"""The ``relations`` transform: columns that follow from others of their row are encoded by how they follow.

A relation that holds in every row needs no column of its own: the column is left out and computed on inversion.
A relation that holds in a share of the rows becomes a label, such as the one of "equals due_amount"; the column itself
is then only learned in the other rows. So relations hold in generated rows by construction.

Inversion: the columns that are not encoded come first, then each encoded one after those that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cattrs
import numpy as np
import pyarrow as pa
from attrs import asdict, evolve, field, frozen

from rowsmith.context import BuildContext
from rowsmith.expressions import Statement, parse_statement
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import single_array
from rowsmith.table.schema import TableSchema
from rowsmith.transforms import FittedTransform, RetainedRelation, Transform, schema_from_state, schema_state
from rowsmith.transforms.changed_values import compared
from rowsmith_plugins.transforms.common.counting import row_groups
from rowsmith_plugins.transforms.common.layout import expanded, grouping, in_schema_order
from rowsmith_plugins.transforms.common.protection import k_of_run
from rowsmith_plugins.transforms.options import RelationsOptions
from rowsmith_plugins.transforms.relations.coding import Coding, decoding_order
from rowsmith_plugins.transforms.relations.kinds import FINDERS, KINDS
from rowsmith_plugins.transforms.relations.stated import is_refused, stated_codings

__all__ = ["FittedRelations", "RelationsTransform", "build"]

_MOST_NAMED = 10


@frozen
class FittedRelations(FittedTransform):
    """The fitted ``relations`` transform.

    Attributes:
        schema_before: The table with all columns.
        codings: The encoded columns, each after those it needs.
        schema_after: The table with the encodings instead.
    """

    schema_before: TableSchema
    codings: tuple[Coding, ...]
    schema_after: TableSchema = field(init=False)

    @schema_after.default
    def _encoded(self) -> TableSchema:
        before = self.schema_before
        return expanded(before, {each.name: each.columns_after(before[each.name]) for each in self.codings})

    @property
    def dependencies(self) -> Mapping[str, frozenset[str]]:
        """The columns from which encodings are computed, besides the encoded one."""
        before = self.schema_before
        return {after.name: each.needs() for each in self.codings for after in each.columns_after(before[each.name])}

    def apply(self, columns: pa.Table) -> pa.Table:
        """Encode the columns."""
        arrays: dict[str, pa.DictionaryArray] = {}
        needed = frozenset[str]().union(*(each.needs() for each in self.codings))
        draws = Draws(0, np.arange(columns.num_rows))
        known = columns
        for each in self.codings:
            encoded = each.encode(known, self.schema_before)
            arrays |= encoded
            if each.name in needed:
                # Others are encoded by what inversion restores, also where that is another value.
                restored = {name: single_array(known.column(name)) for name in each.needs()}
                decoded = each.decode(_with(known, encoded), restored, self.schema_before, draws)
                known = _with(known, {each.name: decoded})
        return in_schema_order(columns, self.schema_after, arrays)

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Decode the columns, each after those it needs."""
        encoded = {each.name for each in self.codings}
        restored = {
            name: single_array(columns.column(name)) for name in self.schema_before.names if name not in encoded
        }
        for each in self.codings:
            restored[each.name] = each.decode(columns, restored, self.schema_before, draws)
        return in_schema_order(columns, self.schema_before, restored)

    def shares_changed(self, columns: pa.Table, applied: pa.Table) -> Mapping[str, float]:
        """Shares of rows in which a relation does not hold, so that a value is replaced."""
        if not self.codings:
            return {}
        return compared(columns, self.invert(applied, Draws(0, np.arange(columns.num_rows)), {}))

    def relations(self, columns: pa.Table) -> Sequence[RetainedRelation]:
        """The relations, each with its support and the share of the rows of a table in which it holds."""
        return [
            RetainedRelation(each.describe(), each.support, each.holds(columns, self.schema_before))
            for each in self.codings
        ]

    def notes(self) -> Sequence[str]:
        """The relations found, with the share of rows in which each holds."""
        if not self.codings:
            return ()
        found = sorted(self.codings, key=lambda each: -each.support)
        named = "; ".join(f"{each.describe()} ({each.support:.1%} of rows)" for each in found[:_MOST_NAMED])
        more = f"; and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        return [f"relations between columns that are retained: {named}{more}"]

    def state(self) -> dict[str, Any]:
        """The schema and the encodings."""
        kinds = {kind: name for name, kind in KINDS.items()}
        codings = [{"kind": kinds[type(each)], "coding": asdict(each)} for each in self.codings]
        return {"schema": schema_state(self.schema_before), "codings": codings}

    def inventory(self) -> list[str]:
        """A line for each relation."""
        return [f"column {each.name!r}: {each.describe()}" for each in self.codings]


@frozen
class RelationsTransform(Transform):
    """Finds columns that follow from others.

    Attributes:
        options: Which columns are compared, and what counts as a relation.
        k: Least number of rows of a value, or of rows beside a relation, that may be learned.
        groups: The columns that group the rows; what is learned is then shared by enough groups, too.
        statements: Relations that the user states or refuses.
        mined: Whether relations are searched for; those that the user states are used in any case.
    """

    options: RelationsOptions = field(factory=RelationsOptions)
    k: int = 1
    groups: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = ()
    mined: bool = True

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedRelations:
        """Find the relations, kind by kind."""
        groups = row_groups(columns, schema, self.groups)
        codings = stated_codings(self.statements, columns, schema, self.options, self.k, groups)
        for find in FINDERS if self.mined else ():
            found = find(columns, schema, codings, self.options, self.k, groups)
            codings += [each for each in found if not is_refused(each, self.statements)]
        return FittedRelations(schema, tuple(decoding_order(codings)))

    def restore(self, state: Mapping[str, Any]) -> FittedRelations:
        """Restore the fitted transform from its state."""
        codings = (cattrs.structure(each["coding"], KINDS[each["kind"]]) for each in state["codings"])
        return FittedRelations(schema_from_state(state["schema"]), tuple(codings))


def _with(columns: pa.Table, arrays: Mapping[str, pa.DictionaryArray]) -> pa.Table:
    """A table with some columns replaced or added."""
    for name, array in arrays.items():
        index = columns.schema.get_field_index(name)
        columns = columns.append_column(name, array) if index < 0 else columns.set_column(index, name, array)
    return columns


def build(context: BuildContext, options: RelationsOptions | None) -> RelationsTransform:
    """Build the transform from its options; columns that group and order rows are excluded."""
    options = options or RelationsOptions()
    options = evolve(options, exclude=(*options.exclude, *grouping(context)))
    config = context.config
    given = config.relations if isinstance(config.relations, tuple) else ()
    return RelationsTransform(
        options=options,
        k=k_of_run(context),
        groups=config.data.group_columns,
        statements=tuple(parse_statement(each) for each in given),
    )
