"""Conditions as a user writes them: a value, several, a range or null for each column."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import evolve

from rowsmith.conditions.condition import Condition, Constraint, axis_of
from rowsmith.config import GenerationConfig
from rowsmith.config.conversion import did_you_mean
from rowsmith.errors import ConfigError, DataError, ParameterError
from rowsmith.expressions import Comparison, parse_statement
from rowsmith.expressions.evaluation import check_types
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema

__all__ = ["read_conditions", "read_constraints", "row_tests"]

_BOUNDS = frozenset({"min", "max"})
_AT = "generation.given"


def read_conditions(given: Mapping[str, Any], schema: TableSchema) -> tuple[Condition, ...]:
    """Read ``generation.given``.

    Args:
        given: For each column a value; several in a list, of which any may come; a range as ``{min: …, max: …}``, one
            of them enough; or null.
        schema: The table.

    Raises:
        ConfigError: A column is unknown or a value cannot be one of it; with every problem.
    """
    problems, found = list[str](), list[Condition]()
    for name, wanted in given.items():
        if name not in schema.names:
            problems.append(f"there is no column {name!r}{did_you_mean(name, schema.names)} @ {_AT}")
            continue
        try:
            found.append(_condition(schema[name], wanted))
        except (DataError, ValueError, TypeError) as error:
            problems.append(f"column {name!r}: {error} @ {_AT}.{name}")
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def read_constraints(statements: Sequence[str], schema: TableSchema) -> tuple[Constraint, ...]:
    """Read ``generation.constraints``.

    Args:
        statements: Comparisons, such as ``ordered <= shipped``.
        schema: The table.

    Raises:
        ConfigError: A statement is no comparison, or names a column that is unknown or holds no numbers; with every
            problem.
    """
    problems, found = list[str](), list[Constraint]()
    for text in statements:
        try:
            found.append(Constraint(_comparison(text, schema)))
        except ParameterError as error:
            problems.append(f"{text!r}: {error} @ generation.constraints")
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def row_tests(generation: GenerationConfig, schema: TableSchema) -> tuple[Condition | Constraint, ...]:
    """The conditions and constraints of a configuration.

    Raises:
        ConfigError: As :func:`read_conditions` and :func:`read_constraints`.
    """
    return (*read_conditions(generation.given, schema), *read_constraints(generation.constraints, schema))


def _comparison(text: str, schema: TableSchema) -> Comparison:
    statement = parse_statement(text)
    if not isinstance(statement, Comparison):
        raise ParameterError("a constraint compares two expressions, such as ordered <= shipped")
    for name in statement.names():
        if name not in schema.names:
            raise ParameterError(f"there is no column {name!r}{did_you_mean(name, schema.names)}")
    check_types(statement, schema)
    return statement


def _condition(column: ColumnSchema, wanted: Any) -> Condition:
    condition = Condition(column=column.name)
    for each in wanted if isinstance(wanted, list | tuple) else (wanted,):
        condition = _with(condition, column, each)
    if not condition.values and not condition.ranges and not condition.null:
        raise ValueError("no value is given; give at least one")
    return condition


def _with(condition: Condition, column: ColumnSchema, wanted: Any) -> Condition:
    """The condition that also allows one more value or range."""
    if wanted is None:
        if not column.nullable:
            raise ValueError("the table has no null there, so no row can have one")
        return evolve(condition, null=True)
    if isinstance(wanted, Mapping):
        return evolve(condition, ranges=(*condition.ranges, _range(column, wanted)))
    text = _spelled(column, wanted)
    point = _axis([text], column)
    if point is None:
        return evolve(condition, values=condition.values | {text})
    return evolve(condition, ranges=(*condition.ranges, (point[0], point[0])))


def _range(column: ColumnSchema, bounds: Mapping[str, Any]) -> tuple[float, float]:
    if not bounds or not set(bounds) <= _BOUNDS:
        raise ValueError(f"a range has min and max, or one of them, and not {sorted(map(str, bounds))}")
    ends = {"min": -np.inf, "max": np.inf}
    for end, wanted in bounds.items():
        point = _axis([_spelled(column, wanted)], column)
        if point is None:
            raise ValueError(f"it holds {column.type.value} values, which have no range; list the values")
        ends[end] = point[0]
    if ends["min"] > ends["max"]:
        raise ValueError(f"the range from {bounds['min']} to {bounds['max']} is empty")
    return ends["min"], ends["max"]


def _axis(values: list[str], column: ColumnSchema) -> list[float] | None:
    if column.type in (ColumnType.INTEGER, ColumnType.DECIMAL):
        for value in values:
            if not _is_number(value):
                raise ValueError(f"{value!r} is not a number")
    axis = axis_of(values, column)
    return None if axis is None else axis.tolist()


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _spelled(column: ColumnSchema, value: Any) -> str:
    """A value in the spelling of the column."""
    if column.type is ColumnType.BOOLEAN and column.spellings is not None:
        return _truth(column.spellings, value)
    if isinstance(value, str):
        return value
    if isinstance(value, Iterable):
        raise ValueError(f"{value!r} is no value; give a text, a number, a list, a range or null")
    return str(value)


def _truth(spellings: tuple[str, str], value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return spellings[int(value)]
    known = {text.lower(): text for text in spellings} | {"false": spellings[0], "true": spellings[1]}
    if str(value).lower() not in known:
        raise ValueError(f"{value!r} is neither {spellings[0]!r} nor {spellings[1]!r}")
    return known[str(value).lower()]
