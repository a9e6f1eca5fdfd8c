"""New names for groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from attrs import frozen

from rowsmith.errors import ParameterError
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import from_codes, take_rows
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith_plugins.transforms.common.counting import count_values
from rowsmith_plugins.transforms.groups.bounds import Bounds
from rowsmith_plugins.transforms.keys.makers import KeyMaker, fit_maker, maker_from_state
from rowsmith_plugins.transforms.keys.transform import KeysTransform
from rowsmith_plugins.transforms.options import KeysOptions

__all__ = ["GroupKey", "fit_name", "fit_others", "key_from_state"]

_KEYED = (ColumnType.INTEGER, ColumnType.TEXT, ColumnType.CATEGORICAL)


@frozen
class GroupKey:
    """A column that gets a new value for each group.

    Attributes:
        name: The column.
        nulls: The share of groups without a value.
        maker: Makes the values.
    """

    name: str
    nulls: float
    maker: KeyMaker

    def make(self, bounds: Bounds, draws: Draws, carry: dict[str, Any]) -> pa.DictionaryArray:
        """A new value for each group in all its rows, drawn with its first record."""
        by_group = draws.take(bounds.starts)
        missing = by_group.uniform(f"groups.{self.name}.null") < self.nulls
        values = self.maker.make(by_group.take(~missing), carry, self.name)
        return from_codes(values, np.where(missing, -1, np.cumsum(~missing) - 1)[bounds.groups])

    def state(self) -> dict[str, Any]:
        """The key as JSON values."""
        return {"name": self.name, "nulls": self.nulls, "maker": self.maker.state()}


def key_from_state(state: Mapping[str, Any]) -> GroupKey:
    """Restore a key from its ``state()``."""
    return GroupKey(state["name"], float(state["nulls"]), maker_from_state(state["maker"]))


def fit_name(columns: pa.Table, schema: TableSchema, groups: Sequence[str], k: int, seed: int) -> Iterator[GroupKey]:
    """Fit the names of groups: the group column with the most values is regenerated.

    Args:
        columns: A spelled table.
        schema: Its schema.
        groups: The columns that name the groups, if any.
        k: Minimum names that share a pattern.
        seed: Salt of the filter of names.

    Raises:
        ParameterError: No column that names the groups can get new values.
    """
    counted = {name: count_values(columns, name) for name in groups if _takes_names(schema[name])}
    if groups and not counted:
        raise ParameterError(_no_names(schema[groups[0]]))
    for name in sorted(counted, key=lambda each: -len(counted[each].values))[:1]:
        yield GroupKey(name, 0.0, fit_maker(schema[name], counted[name].values, k, seed))


def fit_others(
    columns: pa.Table, schema: TableSchema, bounds: Bounds, options: KeysOptions, seed: int
) -> Iterator[GroupKey]:
    """Find columns that only identify groups, as ``keys`` finds columns that only identify rows.

    Args:
        columns: A spelled table of columns that are the same in all rows of each group.
        schema: Its schema.
        bounds: The groups.
        options: Which columns are keys.
        seed: Salt of the filter of keys.
    """
    if schema.columns:
        found = KeysTransform(options, seed).fit(take_rows(columns, bounds.starts), schema)
        yield from (GroupKey(key.name, key.nulls, key.maker) for key in found.keys)


def _takes_names(column: ColumnSchema) -> bool:
    return column.type in _KEYED and column.storage.categories is None


def _no_names(column: ColumnSchema) -> str:
    if column.storage.categories is not None:
        return (
            f"column {column.name!r} cannot name groups: it holds a fixed set of categories, and new names would "
            "not be among them; convert it to text in the DataFrame"
        )
    return (
        f"column {column.name!r} cannot name groups: it holds {column.type.value} values, and new names can only be "
        "made for integers and text; give the column the type text under `data.types`"
    )
