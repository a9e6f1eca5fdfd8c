"""Evaluation of statements on spelled tables, row by row and all rows at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowsmith.errors import ParameterError
from rowsmith.expressions.statements import (
    Binary,
    Column,
    Comparison,
    Expression,
    Negative,
    Number,
    Rounded,
    names_in,
)
from rowsmith.table.columns import codes_of, compact, single_array
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.table.types.datetimes import parse_datetimes
from rowsmith.table.types.spelling import parse_numbers

__all__ = ["check_types", "held_by", "numbers_of_rows"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_TOLERANCE = 1e-9
"""Numbers count as equal if they differ by less than this share of the greater one (or of 1)."""
_NUMERIC = (ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.DATETIME)
_MICROSECONDS_PER_DAY = 86_400e6


def check_types(comparison: Comparison, schema: TableSchema) -> None:
    """Refuse arithmetic with columns that hold no numbers.

    Columns of labels can only be compared with one another by ``=``.

    Raises:
        ParameterError: Names the column, which must be in the schema.
    """
    labels = [name for name in comparison.names() if schema[name].type not in _NUMERIC]
    if labels and not _compares_labels(comparison, schema):
        kind = schema[labels[0]].type.value
        raise ParameterError(f"column {labels[0]!r} is {kind}: only numbers and date-times can be computed with")


def held_by(comparison: Comparison, columns: pa.Table, schema: TableSchema) -> tuple[Mask, Mask]:
    """Which rows a comparison holds in.

    Date-times count as days since 1970, so that ``due = ordered + 14`` is a distance of 14 days.

    Args:
        comparison: The comparison; ``check_types`` accepts it.
        columns: A spelled table with its columns.
        schema: The table's schema.

    Returns:
        The rows in which it holds, and those in which it can be evaluated: no value is null, and nothing is divided by
        0. The first are among the second.
    """
    if _compares_labels(comparison, schema):
        arrays = [single_array(columns.column(name)) for name in names_in(comparison.left) + names_in(comparison.right)]
        known = np.logical_and.reduce([codes_of(array) >= 0 for array in arrays])
        return known & _same_texts(*arrays), known
    numbers = {name: numbers_of_rows(columns, schema[name]) for name in comparison.names()}
    with np.errstate(all="ignore"):
        left, right = (_evaluate(each, numbers, columns.num_rows) for each in (comparison.left, comparison.right))
        known = np.isfinite(left) & np.isfinite(right)
        equal = np.abs(left - right) <= _TOLERANCE * np.maximum(1, np.maximum(np.abs(left), np.abs(right)))
        holds = {
            "=": equal,
            "<=": equal | (left < right),
            "<": ~equal & (left < right),
            ">=": equal | (left > right),
            ">": ~equal & (left > right),
        }[comparison.comparator]
    return known & holds, known


def numbers_of_rows(columns: pa.Table, column: ColumnSchema) -> Floats:
    """The numbers of a column, or its date-times as days since 1970; NaN for null.

    Args:
        columns: A spelled table.
        column: The column.
    """
    array = compact(single_array(columns.column(column.name)))
    if column.type is not ColumnType.DATETIME:
        numbers = parse_numbers(array.dictionary)
    else:
        moments = parse_datetimes(array.dictionary, column.datetime_format or "").astype("datetime64[us]")
        numbers = moments.astype(np.int64) / _MICROSECONDS_PER_DAY
    return np.append(numbers, np.nan)[codes_of(array)]


def _compares_labels(comparison: Comparison, schema: TableSchema) -> bool:
    sides = comparison.left, comparison.right
    named = all(isinstance(side, Column) for side in sides)
    return named and comparison.comparator == "=" and any(schema[n].type not in _NUMERIC for n in comparison.names())


def _same_texts(first: pa.DictionaryArray, second: pa.DictionaryArray) -> Mask:
    both = pa.concat_arrays([first.dictionary, second.dictionary]).dictionary_encode()
    codes = codes_of(both)
    left = np.append(codes[: len(first.dictionary)], -1)[codes_of(first)]
    right = np.append(codes[len(first.dictionary) :], -1)[codes_of(second)]
    same: Mask = left == right
    return same


def _evaluate(expression: Expression, numbers: Mapping[str, Floats], rows: int) -> Floats:
    match expression:
        case Number():
            return np.full(rows, expression.value)
        case Column(name):
            return numbers[name]
        case Negative(operand):
            return -_evaluate(operand, numbers, rows)
        case Rounded(function, operand, digits):
            value = _evaluate(operand, numbers, rows)
            if function == "round":
                return np.round(value, digits)
            # The nearest number of digits first, so that 0.3 / 0.1, which is less than 3 as doubles, is 3.
            scaled = value * 10.0**digits
            near = np.rint(scaled)
            whole = np.where(np.abs(scaled - near) <= _TOLERANCE * np.maximum(1, np.abs(near)), near, np.floor(scaled))
            return whole / 10.0**digits
        case Binary(operator, left, right):
            first, second = _evaluate(left, numbers, rows), _evaluate(right, numbers, rows)
            match operator:
                case "+":
                    return first + second
                case "-":
                    return first - second
                case "*":
                    return first * second
            return np.where(second == 0, np.nan, first / second)
    raise TypeError(f"not an expression: {expression!r}")
