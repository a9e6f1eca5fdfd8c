"""How many values a transform changes for good: counted, traced to the user's columns, and put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rowsmith.errors import PluginContractError
from rowsmith.table.columns import codes_of, renumbered, single_array
from rowsmith.table.schema import TableSchema

__all__ = ["added", "check_shares", "columns_traced", "compared", "describe_changes"]

_NOTICEABLE = 0.005
_MOST_NAMED = 10
_SUFFIXES = (".", "~")
"""What stands between the name of a column and what a transform makes of it."""


def compared(before: pa.Table, after: pa.Table) -> dict[str, float]:
    """The share of rows with another value after, for each column that has such rows.

    Args:
        before: A spelled table.
        after: A spelled table of as many rows.
    """
    found = {}
    for name in before.column_names:
        if name in after.column_names and before.num_rows:
            changed = _rows_changed(single_array(before.column(name)), single_array(after.column(name)))
            if changed:
                found[name] = changed / before.num_rows
    return found


def check_shares(name: str, shares: object, schema: TableSchema) -> dict[str, float]:
    """What ``shares_changed`` of a transform gave, without the columns that are as they were.

    Args:
        name: The transform.
        shares: What it gave.
        schema: The table it was given.

    Raises:
        PluginContractError: It is no share of rows for columns of that table.
    """
    if not isinstance(shares, Mapping):
        given = type(shares).__name__
        raise PluginContractError(f"shares_changed of transform {name!r} gave a {given}; it must give a mapping")
    for column, share in shares.items():
        if column not in schema.names:
            raise PluginContractError(
                f"shares_changed of transform {name!r} names {column!r}; it must name columns of the table it was given"
            )
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise PluginContractError(
                f"shares_changed of transform {name!r} gave {share!r} for column {column!r}; "
                "it must be a share from 0 to 1"
            )
    return {column: float(share) for column, share in shares.items() if share}


def columns_traced(origins: Mapping[str, str], after: TableSchema) -> dict[str, str]:
    """Which of the user's columns each column comes from once a transform is applied.

    A column that is new belongs to the one whose name it begins with, as ``price.1`` to ``price``.

    Args:
        origins: The same for the columns before the transform.
        after: The columns after it.

    Returns:
        Column to the user's column, for those that come from one.
    """
    return {name: found for name in after.names if (found := _origin(name, origins)) is not None}


def added(steps: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The shares of several steps together, at most 1: no two of them are taken to change the same row."""
    total: dict[str, float] = {}
    for shares in steps:
        for column, share in shares.items():
            total[column] = min(1.0, total.get(column, 0.0) + share)
    return total


def describe_changes(name: str, shares: Mapping[str, float]) -> str | None:
    """A line that tells what a transform changed, most first; None where it is hardly anything.

    Args:
        name: The transform.
        shares: The share of rows by column.
    """
    noticed = sorted(((share, column) for column, share in shares.items() if share > _NOTICEABLE), reverse=True)
    if not noticed:
        return None
    listed = ", ".join(f"{column} ({share:.1%})" for share, column in noticed[:_MOST_NAMED])
    more = f" and {len(noticed) - _MOST_NAMED} more" if len(noticed) > _MOST_NAMED else ""
    return f"transform {name!r} changes values for good, by column and share of rows: {listed}{more}"


def _rows_changed(before: pa.DictionaryArray, after: pa.DictionaryArray) -> int:
    if before is after:
        return 0
    codes, others = codes_of(before), codes_of(after)
    # A value that the other table lacks is like no code there, null included.
    places = pc.index_in(before.dictionary, value_set=after.dictionary).fill_null(-2)
    found = renumbered(codes, np.asarray(places, dtype=np.int32))
    return int(np.count_nonzero(found != others))


def _origin(name: str, origins: Mapping[str, str]) -> str | None:
    if name in origins:
        return origins[name]
    parents = [each for each in origins if name.startswith(tuple(each + suffix for suffix in _SUFFIXES))]
    return origins[max(parents, key=len)] if parents else None
