"""The ``narrow-first`` transform: columns of few values come before columns of many.

A model that writes a record from left to right then starts with the columns in which many rows agree, so that
shared prefixes are computed once during sampling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from attrs import field, frozen

from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import distinct
from rowsmith.table.schema import ColumnType, TableSchema
from rowsmith.transforms import FittedTransform, Transform, schema_from_state, schema_state

__all__ = ["FittedNarrowFirst", "NarrowFirstTransform", "build"]


@frozen
class FittedNarrowFirst(FittedTransform):
    """The fitted ``narrow-first`` transform.

    Attributes:
        schema_before: The table in its own order.
        order: All column names in the order of training.
    """

    schema_before: TableSchema
    order: Sequence[str]
    schema_after: TableSchema = field(init=False)

    @schema_after.default
    def _ordered(self) -> TableSchema:
        return TableSchema(columns=tuple(self.schema_before[name] for name in self.order))

    def apply(self, columns: pa.Table) -> pa.Table:
        """Sort the columns by the order of training."""
        return columns.select(list(self.order))

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Restore the table's order of columns."""
        return columns.select(list(self.schema_before.names))

    def state(self) -> dict[str, Any]:
        """The schema and the order."""
        return {"schema": schema_state(self.schema_before), "order": list(self.order)}

    def inventory(self) -> list[str]:
        """Nothing: the order of names holds no row."""
        return []


@frozen
class NarrowFirstTransform(Transform):
    """Orders columns by their number of values."""

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedNarrowFirst:
        """Order the columns by their number of distinct values, free text last; ties retain their order.

        Columns that encode the position of a record in its group remain first.
        """

        def width(name: str) -> tuple[bool, bool, int]:
            if schema[name].timing is not None:
                return False, False, 0
            values, codes = distinct(columns, name)
            return True, schema[name].type is ColumnType.TEXT, len(values) + bool((codes < 0).any())

        return FittedNarrowFirst(schema, tuple(sorted(schema.names, key=width)))

    def restore(self, state: Mapping[str, Any]) -> FittedNarrowFirst:
        """Restore the fitted transform from its state."""
        return FittedNarrowFirst(schema_from_state(state["schema"]), tuple(state["order"]))


def build(context: object, options: None) -> NarrowFirstTransform:
    """Build the transform; it needs neither context nor options."""
    return NarrowFirstTransform()
