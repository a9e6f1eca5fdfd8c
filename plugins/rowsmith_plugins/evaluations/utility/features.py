"""Columns, and relations between them, as features for a classifier."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.evaluation import ColumnKind, EvaluatedColumn, EvaluationTables, Part

__all__ = ["Feature", "column_features", "matrix", "readable", "relation_features"]

_HUGE = 1e100

Array = npt.NDArray[np.float64]


@frozen(eq=False, kw_only=True)
class Feature:
    """One feature of every row.

    Attributes:
        columns: The columns that it is of.
        values: Its value in each row, NaN for null, by part.
    """

    columns: tuple[str, ...]
    values: dict[Part, Array]


def column_features(tables: EvaluationTables, leave_out: Sequence[str] = ()) -> list[Feature]:
    """Each column as one number: labels by how common they are among the real rows, free text by its length.

    Args:
        tables: The tables.
        leave_out: Columns that are no features; keys never are.
    """
    return [
        Feature(columns=(column.name,), values=_values(column, tables))
        for column in tables.columns
        if column.kind is not ColumnKind.KEY and column.name not in leave_out
    ]


def _values(column: EvaluatedColumn, tables: EvaluationTables) -> dict[Part, Array]:
    if column.kind in (ColumnKind.NUMBER, ColumnKind.MOMENT):
        return {part: column.numbers(part) for part in tables.sizes}
    if column.kind is ColumnKind.TEXT:
        numbers = np.array([*map(len, column.labels), np.nan], dtype=np.float64)
    else:
        numbers = np.full(len(column.labels) + 1, np.nan)
        numbers[np.argsort(-column.counts(Part.REAL), kind="stable")] = np.arange(len(column.labels))
    return {part: numbers[column.codes[part]] for part in tables.sizes}


def relation_features(tables: EvaluationTables, most: int) -> list[Feature]:
    """Differences, equalities and ratios of numbers, and their last digits: what trees cannot see in columns alone.

    Args:
        tables: The tables.
        most: The most features; pairs of columns are drawn where there would be more.
    """
    numeric = [column.name for column in tables.of_kind(ColumnKind.NUMBER)]
    numbers = {
        column.name: {part: column.numbers(part) for part in tables.sizes}
        for column in tables.of_kind(ColumnKind.NUMBER, ColumnKind.MOMENT)
    }
    found = []
    for name in numeric[: most // 6]:
        for step in (10, 100):
            values = {part: _remainder(each, step) for part, each in numbers[name].items()}
            found.append(Feature(columns=(name,), values=values))
    kinds = {column.name: column.kind for column in tables.columns}
    pairs = [pair for pair in itertools.combinations(numbers, 2) if kinds[pair[0]] is kinds[pair[1]]]
    room = max(0, most - len(found)) // 3
    if len(pairs) > room:
        picked = tables.generator("relations").choice(len(pairs), room, replace=False)
        pairs = [pairs[index] for index in np.sort(picked)]
    for one, two in pairs:
        both = {part: (numbers[one][part], numbers[two][part]) for part in tables.sizes}
        found += [
            Feature(columns=(one, two), values={part: _difference(a, b) for part, (a, b) in both.items()}),
            Feature(columns=(one, two), values={part: (a == b).astype(np.float64) for part, (a, b) in both.items()}),
            Feature(columns=(one, two), values={part: _ratio(a, b) for part, (a, b) in both.items()}),
        ]
    return found


def _remainder(numbers: Array, step: int) -> Array:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.mod(numbers, step))


def _difference(first: Array, second: Array) -> Array:
    with np.errstate(over="ignore"):
        difference = first - second
    return np.where(np.isfinite(difference), difference, np.nan)


def _ratio(first: Array, second: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio = first / second
    return np.where(np.isfinite(ratio), ratio, np.nan)


def matrix(features: Sequence[Feature], part: Part) -> Array:
    """The features of one part's rows, float64 ``[rows, features]``."""
    return np.column_stack([_moderate(feature, part) for feature in features])


def _moderate(feature: Feature, part: Part) -> Array:
    """Trees ask for the order of numbers alone, and add them up: huge ones are made smaller."""
    largest = max(float(np.nanmax(np.abs(each), initial=0.0)) for each in feature.values.values())
    return feature.values[part] / largest if largest > _HUGE else feature.values[part]


def readable(rows: Array) -> Array:
    """Rows in which no column is without any number, which boosted trees refuse to learn from."""
    empty = np.isnan(rows).all(axis=0)
    return np.where(empty, 0.0, rows) if empty.any() else rows
