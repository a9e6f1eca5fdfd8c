"""Names that the user gives to the generated groups."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from attrs import define

from rowsmith.errors import ConfigError
from rowsmith.table.columns import distinct, from_codes, replace_column
from rowsmith.table.frames.decoding import takes
from rowsmith.table.schema import ColumnType, TableSchema

__all__ = ["GivenNames", "given_names"]


@define
class GivenNames:
    """Assigns the given names, one to each group, across batches; groups beyond the last name keep theirs.

    Attributes:
        column: The column that names the groups.
        names: The names, in the order of the groups.
        used: Number of names used so far.
    """

    column: str
    names: tuple[str, ...]
    used: int = 0

    def put(self, columns: pa.Table) -> pa.Table:
        """Name the groups of a batch.

        Args:
            columns: A spelled table of the user's columns, the rows of each group next to each other.
        """
        values, codes = distinct(columns, self.column)
        numbers = np.cumsum(np.diff(codes, prepend=codes[:1]) != 0)
        left = self.names[self.used :]
        self.used += int(numbers[-1]) + 1 if len(numbers) else 0
        named = numbers < len(left)
        known = {name: index for index, name in enumerate(dict.fromkeys((*left, *values)))}
        own = np.array([known[value] for value in values], dtype=np.int64)
        named_column = from_codes(list(known), np.where(named, numbers, own[codes]))
        return replace_column(columns, self.column, {self.column: named_column})


def given_names(names: tuple[str, ...], columns: tuple[str, ...], schema: TableSchema) -> GivenNames | None:
    """The names in the configuration; None if there are none.

    Args:
        names: ``generation.group_keys``.
        columns: The group columns; exactly one if there are names.
        schema: The user's table.

    Raises:
        ConfigError: The column cannot hold a name.
    """
    if not names:
        return None
    (column,) = columns
    if schema[column].type is ColumnType.INTEGER:
        wrong = [name for name in names if not name.removeprefix("-").isdecimal()]
        if wrong:
            raise ConfigError(
                [f"column {column!r} holds whole numbers, and {wrong[0]!r} is not one @ generation.group_keys"]
            )
    unfit = [name for name in names if not takes(schema[column], name)]
    if unfit:
        stored = schema[column].storage.dtype or schema[column].type.value
        problem = f"column {column!r} is stored as {stored} and cannot hold {unfit[0]!r} @ generation.group_keys"
        raise ConfigError([problem])
    return GivenNames(column, names)
