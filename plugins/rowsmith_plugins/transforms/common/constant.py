"""The ``constant`` transform: columns with the same value in every row are not modelled.

A column that holds one value in every row, or null in every row, is dropped and restored on inversion. A constant
beside nulls is modelled: which rows are null may depend on the other columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from attrs import field, frozen

from rowsmith.context import BuildContext
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import from_codes
from rowsmith.table.schema import TableSchema
from rowsmith.transforms import FittedTransform, Transform, schema_from_state, schema_state
from rowsmith_plugins.transforms.common.counting import Counted, count_values
from rowsmith_plugins.transforms.common.layout import expanded, grouping, in_schema_order
from rowsmith_plugins.transforms.options import ConstantOptions

__all__ = ["ConstantTransform", "FittedConstant", "build"]


@frozen
class FittedConstant(FittedTransform):
    """The fitted ``constant`` transform.

    Attributes:
        schema_before: The table with the constant columns.
        values: Column name to its spelled value; None for null.
    """

    schema_before: TableSchema
    values: Mapping[str, str | None]
    schema_after: TableSchema = field(init=False)

    @schema_after.default
    def _without_constants(self) -> TableSchema:
        return expanded(self.schema_before, dict.fromkeys(self.values, ()))

    def apply(self, columns: pa.Table) -> pa.Table:
        """Drop the constant columns, also if they hold other values."""
        return columns.drop_columns(list(self.values))

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Restore the constant columns."""
        rows = len(draws)
        arrays = {
            name: from_codes([], np.full(rows, -1)) if value is None else from_codes([value], np.zeros(rows))
            for name, value in self.values.items()
        }
        return in_schema_order(columns, self.schema_before, arrays)

    def state(self) -> dict[str, Any]:
        """The schema and the values."""
        return {"schema": schema_state(self.schema_before), "values": dict(self.values)}

    def inventory(self) -> list[str]:
        """A line for each constant column."""
        return [f"column {name!r}: its one value {value!r}" for name, value in self.values.items()]


@frozen
class ConstantTransform(Transform):
    """Finds constant columns.

    Attributes:
        exclude: Columns that are modelled even if constant.
    """

    exclude: tuple[str, ...] = ()

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedConstant:
        """Find the columns that hold one value, or none, in all rows."""
        values = {}
        for name in (column.name for column in schema if column.timing is None):
            if name not in self.exclude and columns.num_rows:
                counted = count_values(columns, name)
                if _is_constant(counted):
                    values[name] = counted.values[0] if counted.values else None
        return FittedConstant(schema, values)

    def restore(self, state: Mapping[str, Any]) -> FittedConstant:
        """Restore the fitted transform from its state."""
        return FittedConstant(schema_from_state(state["schema"]), dict(state["values"]))


def build(context: BuildContext, options: ConstantOptions | None) -> ConstantTransform:
    """Build the transform from its options; columns that group and order rows are excluded."""
    return ConstantTransform((*(options or ConstantOptions()).exclude, *grouping(context)))


def _is_constant(counted: Counted) -> bool:
    return not counted.values or (len(counted.values) == 1 and counted.rows == len(counted.codes))
