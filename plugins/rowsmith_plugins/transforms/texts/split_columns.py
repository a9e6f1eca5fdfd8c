"""Shared base of transforms that split each column into labels and other values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa
from attrs import AttrsInstance, asdict, field, frozen

from rowsmith.randomness.draws import Draws
from rowsmith.table.schema import ColumnSchema, TableSchema
from rowsmith.transforms import FittedTransform, schema_state
from rowsmith_plugins.transforms.common.counting import Counted, count_values
from rowsmith_plugins.transforms.common.layout import expanded, in_schema_order

__all__ = ["FittedSplit", "SplitColumn"]


class SplitColumn(AttrsInstance, Protocol):
    """The fitted encoding of one column."""

    @property
    def name(self) -> str:
        """The column."""

    def columns_after(self, column: ColumnSchema) -> tuple[ColumnSchema, ...]:
        """The columns that it becomes."""

    def split(self, counted: Counted, seed: int) -> dict[str, pa.DictionaryArray]:
        """These columns, by name; rare values are replaced by those of other rows, by (seed, row number)."""

    def join(self, columns: Mapping[str, Counted], nullable: bool, draws: Draws) -> pa.DictionaryArray:
        """Join these columns into the original one."""

    def describe(self) -> str:
        """Describe what it holds of the training data."""


C = TypeVar("C", bound=SplitColumn)


@frozen
class FittedSplit(FittedTransform, Generic[C]):
    """A fitted transform that splits columns.

    Attributes:
        schema_before: The table with whole columns.
        seed: Seed of draws.
        columns: The fitted columns.
        schema_after: The table with split ones.
    """

    schema_before: TableSchema
    seed: int
    columns: tuple[C, ...]
    schema_after: TableSchema = field(init=False)

    @schema_after.default
    def _split(self) -> TableSchema:
        before = self.schema_before
        return expanded(before, {each.name: each.columns_after(before[each.name]) for each in self.columns})

    def apply(self, columns: pa.Table) -> pa.Table:
        """Split the columns."""
        arrays: dict[str, pa.DictionaryArray] = {}
        for each in self.columns:
            arrays |= each.split(count_values(columns, each.name), self.seed)
        return in_schema_order(columns, self.schema_after, arrays)

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Join the split columns."""
        arrays = {}
        for each in self.columns:
            before = self.schema_before[each.name]
            counted = {after.name: count_values(columns, after.name) for after in each.columns_after(before)}
            arrays[each.name] = each.join(counted, before.nullable, draws)
        return in_schema_order(columns, self.schema_before, arrays)

    def state(self) -> dict[str, Any]:
        """The schema, the seed and the fitted columns."""
        columns = [asdict(each) for each in self.columns]
        return {"schema": schema_state(self.schema_before), "seed": self.seed, "columns": columns}

    def inventory(self) -> list[str]:
        """A line for each column."""
        return [f"column {each.name!r}: {each.describe()}" for each in self.columns]
