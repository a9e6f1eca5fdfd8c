"""A plugin in one file: a transform that trims white space around labels."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from attrs import frozen

from rowsmith import Component, hookimpl
from rowsmith.context import BuildContext
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import distinct, from_codes, replace_column
from rowsmith.table.schema import ColumnType, TableSchema
from rowsmith.transforms import FittedTransform, Transform, schema_from_state, schema_state


@hookimpl
def rowsmith_transforms() -> Iterator[Component]:
    """What is done to the table before training, and undone after generation."""
    yield Component(name="trim", factory="trim_transform:build", summary="Trims white space around labels")


@frozen
class FittedTrim(FittedTransform):
    """Trims the label columns of one table; there is nothing to undo.

    Attributes:
        schema_before: The table.
    """

    schema_before: TableSchema

    @property
    def schema_after(self) -> TableSchema:
        """The same table: only values change."""
        return self.schema_before

    def apply(self, columns: pa.Table) -> pa.Table:
        """Trim."""
        for column in self.schema_before:
            if column.type is ColumnType.CATEGORICAL:
                columns = replace_column(columns, column.name, {column.name: _trimmed(columns, column.name)})
        return columns

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Give back what was generated."""
        return columns

    def state(self) -> dict[str, Any]:
        """The schema, as JSON values."""
        return {"schema": schema_state(self.schema_before)}

    def inventory(self) -> list[str]:
        """Nothing of the training data is held."""
        return []


class Trim(Transform):
    """Needs to learn nothing but the schema."""

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedTrim:
        """Learn from the training table."""
        return FittedTrim(schema)

    def restore(self, state: Mapping[str, Any]) -> FittedTrim:
        """Make the fitted transform from its state."""
        return FittedTrim(schema_from_state(state["schema"]))


def _trimmed(columns: pa.Table, name: str) -> pa.DictionaryArray:
    values, codes = distinct(columns, name)
    # Two labels may become one; a dictionary holds each value once.
    kept = list(dict.fromkeys(value.strip() for value in values))
    places = np.array([kept.index(value.strip()) for value in values] + [-1], dtype=np.int32)
    return from_codes(kept, places[codes])


def build(context: BuildContext, options: None) -> Trim:
    """Build the transform."""
    return Trim()
