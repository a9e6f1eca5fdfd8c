"""A condition on one column of the user's table, and a constraint between columns."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.expressions.evaluation import held_by
from rowsmith.expressions.statements import Comparison
from rowsmith.table.columns import distinct
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.table.types.datetimes import parse_datetimes
from rowsmith.table.types.spelling import parse_numbers

__all__ = ["Condition", "Constraint", "axis_of", "rows_meeting"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_NUMERIC = (ColumnType.INTEGER, ColumnType.DECIMAL)


@frozen(kw_only=True)
class Condition:
    """The values that a column may have.

    Attributes:
        column: The column.
        values: Spelled values, of columns that are neither numbers nor dates.
        ranges: Lowest and highest number of each range, both included; of dates, in microseconds since 1970.
        null: Whether null is allowed.
    """

    column: str
    values: frozenset[str] = frozenset()
    ranges: tuple[tuple[float, float], ...] = ()
    null: bool = False

    def __str__(self) -> str:
        return f"the condition on column {self.column!r}"

    def met(self, columns: pa.Table, schema: TableSchema) -> Mask:
        """Which rows meet the condition, ``[rows]`` bool.

        Args:
            columns: A spelled table.
            schema: Its schema.
        """
        values, codes = distinct(columns, self.column)
        fits = np.append(self.fits(values, schema[self.column]), self.null)
        return np.asarray(fits[codes], dtype=np.bool_)

    def fits(self, values: list[str], column: ColumnSchema) -> Mask:
        """Which of some values are allowed, ``[values]`` bool."""
        axis = axis_of(values, column)
        if axis is None:
            return np.array([value in self.values for value in values], dtype=np.bool_)
        allowed = np.zeros(len(values), dtype=np.bool_)
        for low, high in self.ranges:
            allowed |= (axis >= low) & (axis <= high)
        return allowed


@frozen
class Constraint:
    """A comparison that must hold in every row in which it can be evaluated.

    Attributes:
        comparison: The comparison, such as ``ordered <= shipped``.
    """

    comparison: Comparison

    def __str__(self) -> str:
        return f"the constraint {str(self.comparison)!r}"

    def met(self, columns: pa.Table, schema: TableSchema) -> Mask:
        """Which rows meet the constraint, or have a null that leaves it open, ``[rows]`` bool.

        Args:
            columns: A spelled table.
            schema: Its schema.
        """
        holds, known = held_by(self.comparison, columns, schema)
        met: Mask = holds | ~known
        return met


def rows_meeting(columns: pa.Table, schema: TableSchema, conditions: Iterable[Condition | Constraint]) -> Mask:
    """Which rows meet all of some conditions and constraints, ``[rows]`` bool.

    Args:
        columns: A spelled table.
        schema: Its schema.
        conditions: Conditions and constraints on its columns.
    """
    met = np.ones(columns.num_rows, dtype=np.bool_)
    for condition in conditions:
        met &= condition.met(columns, schema)
    return met


def axis_of(values: list[str], column: ColumnSchema) -> Floats | None:
    """Values on a line: numbers as they are, date-times in microseconds since 1970; None for other columns."""
    if column.type in _NUMERIC:
        return parse_numbers(values)
    if column.type is ColumnType.DATETIME and column.datetime_format is not None:
        instants = parse_datetimes(values, column.datetime_format)
        return np.asarray(instants.astype("datetime64[us]").astype(np.int64), dtype=np.float64)
    return None
