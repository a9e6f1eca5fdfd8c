"""New names for groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from attrs import frozen

from rowsmith.draws import Draws
from rowsmith.errors import ParameterError
from rowsmith.table.columns import from_codes
from rowsmith.table.schema import ColumnType, TableSchema
from rowsmith_plugins.transforms.counting import count_values
from rowsmith_plugins.transforms.group_bounds import Bounds
from rowsmith_plugins.transforms.key_makers import KeyMaker, fit_maker, maker_from_state

__all__ = ["GroupKey", "fit_keys", "key_from_state"]

_KEYED = (ColumnType.INTEGER, ColumnType.TEXT, ColumnType.CATEGORICAL)


@frozen
class GroupKey:
    """A column that gets a new value for each group.

    Attributes:
        name: The column.
        maker: Makes the values.
    """

    name: str
    maker: KeyMaker

    def make(self, bounds: Bounds, draws: Draws, carry: dict[str, Any]) -> pa.DictionaryArray:
        """A new value for each group, by the draws of its first record, in every row of it."""
        return from_codes(self.maker.make(draws.take(bounds.starts), carry, self.name), bounds.groups)

    def state(self) -> dict[str, Any]:
        """The key as JSON values."""
        return {"name": self.name, "maker": self.maker.state()}


def key_from_state(state: Mapping[str, Any]) -> GroupKey:
    """The key that ``state()`` described."""
    return GroupKey(state["name"], maker_from_state(state["maker"]))


def fit_keys(
    columns: pa.Table,
    schema: TableSchema,
    bounds: Bounds,
    named: tuple[Sequence[str], Sequence[str]],
    k: int,
    seed: int,
) -> tuple[GroupKey, ...]:
    """Learn how groups are named.

    Args:
        columns: A spelled table.
        schema: Its schema.
        bounds: Its groups.
        named: The columns that name the groups, of which one gets new values; and all that are told once.
        k: What fewer names have is not repeated.
        seed: What the hashes of names are salted with.

    Raises:
        ParameterError: No column that names the groups can get new values.
    """
    groups, _ = named
    if not groups:
        return ()
    counted = {name: count_values(columns, name) for name in groups if schema[name].type in _KEYED}
    if not counted:
        first = schema[groups[0]]
        raise ParameterError(
            f"column {first.name!r} cannot name groups: it holds {first.type.value} values, and new names can only be "
            "made for integers and text; give the column the type text under `data.types`"
        )
    name = max(counted, key=lambda each: len(counted[each].values))
    return (GroupKey(name, fit_maker(schema[name], counted[name].values, k, seed)),)
