"""From conditions on the user's columns to the values of the model's records that can meet them.

A column may be encoded by several columns of the model, through any transforms. So the values are found by trial: each
value of a column of the model is put into random records, which are inverted. A value is excluded only if none of them
can meet the condition; what a value leaves open (a bin of numbers) is decided when the finished rows are checked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.conditions.condition import Condition, axis_of
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import distinct, from_codes
from rowsmith.table.schema import ColumnSchema, ModelColumn, ModelSchema, TableSchema
from rowsmith.transforms import FittedTransforms
from rowsmith.transforms.changed_values import trace_columns

__all__ = ["Narrowed", "narrow"]

Labels = tuple[str | None, ...]

_TRIALS = 64
"""Random records in which each value is tried."""


@frozen(kw_only=True)
class Narrowed:
    """What conditions leave of the model's columns.

    Attributes:
        columns: The values that can meet the conditions, by column of the model; only columns that are restricted.
        impossible: The conditions that no value can meet.
        unguided: The conditions that restrict no column of the model: rows are only checked.
    """

    columns: dict[str, Labels]
    impossible: tuple[Condition, ...]
    unguided: tuple[Condition, ...]


def narrow(transforms: FittedTransforms, model_schema: ModelSchema, conditions: Sequence[Condition]) -> Narrowed:
    """The values of the model's columns that can meet some conditions.

    Args:
        transforms: The transforms of the model.
        model_schema: Its columns.
        conditions: The conditions.
    """
    columns, impossible, unguided = dict[str, Labels](), list[Condition](), list[Condition]()
    origins = _origins(transforms)
    for condition in conditions:
        guided, possible = False, True
        for column in model_schema:
            if origins.get(column.name) != condition.column or column.values is None:
                continue
            labels = _labels(column)
            fits = _can_meet(transforms, model_schema, condition, column).tolist()
            left = tuple(label for label, can in zip(labels, fits, strict=True) if can)
            guided, possible = guided or len(left) < len(labels), possible and bool(left)
            if len(left) < len(labels):
                columns[column.name] = left
        impossible += [] if possible else [condition]
        unguided += [] if guided or not possible else [condition]
    return Narrowed(columns=columns, impossible=tuple(impossible), unguided=tuple(unguided))


def _origins(transforms: FittedTransforms) -> dict[str, str]:
    """The user's column that each column of the model comes from."""
    origins = {name: name for name in transforms.schema_before.names}
    for _, step in transforms.steps:
        origins = trace_columns(origins, step.schema_after)
    return origins


def _labels(column: ModelColumn) -> Labels:
    assert column.values is not None
    return (*column.values, None) if column.nullable else column.values


def _can_meet(
    transforms: FittedTransforms, model_schema: ModelSchema, condition: Condition, column: ModelColumn
) -> npt.NDArray[np.bool_]:
    """Which labels of a column of the model can meet a condition, ``[labels]`` bool."""
    labels = _labels(column)
    rows = np.arange(len(labels) * _TRIALS)
    random = np.random.default_rng(0)
    records = {
        each.name: _column(each, rows // _TRIALS if each.name == column.name else None, len(rows), random)
        for each in model_schema
    }
    restored = transforms.invert(pa.table(records), Draws(0, rows), {})
    reached = _reach(restored, condition, transforms.schema_before).reshape(len(labels), _TRIALS)
    return np.asarray(reached.any(axis=1))


def _column(
    column: ModelColumn, codes: npt.NDArray[np.int64] | None, rows: int, random: np.random.Generator
) -> pa.DictionaryArray:
    """Labels of a column by their codes, or random ones."""
    if column.values is None:
        return from_codes(["0" if column.alphabet is None else column.alphabet[:1]], np.zeros(rows, dtype=np.int64))
    known = len(column.values)
    drawn = random.integers(0, known, rows) if codes is None else codes
    return from_codes(list(column.values), np.where(drawn < known, drawn, -1))


def _reach(restored: pa.Table, condition: Condition, schema: TableSchema) -> npt.NDArray[np.bool_]:
    """Which rows meet a condition; of numbers and dates, whether the range of the trials of the same label does."""
    column: ColumnSchema = schema[condition.column]
    met = condition.met(restored, schema)
    values, codes = distinct(restored, condition.column)
    axis = axis_of(values, column)
    if axis is None or not condition.ranges or not len(axis):
        return met
    points = np.append(axis, np.nan)[codes].reshape(-1, _TRIALS)
    known = ~np.isnan(points)
    low, high = (
        np.where(known.any(axis=1), end(np.where(known, points, fill), axis=1), np.nan)
        for end, fill in ((np.min, np.inf), (np.max, -np.inf))
    )
    within = np.zeros(len(points), dtype=np.bool_)
    for first, last in condition.ranges:
        within |= (low <= last) & (high >= first)
    return met | np.repeat(within, _TRIALS)
