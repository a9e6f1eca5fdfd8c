"""The ``quantize`` transform: a numeric column with many distinct values becomes labels.

``<column>`` becomes one of about 32 bins of equal rows (``b07``), or the label of a value that is
frequent in itself (``=0``); ``<column>.1`` becomes the position inside the bin (``p12``), ``-`` for
a frequent value. Null stays null in both. Bins and positions are fewer where a position would have
fewer than k rows behind it. There is no second column with one position a bin, nor where positions
go with no other column: they would be noise to the model, so they are drawn on the way back.

Back: a number is drawn inside the position, following the shape of the training values there, and
written as the column writes its numbers; it always falls into the same position again. A missing
or impossible position is drawn among those of the bin; an unknown bin among all, by their rows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cattrs
import numpy as np
import pyarrow as pa
from attrs import asdict, evolve, field, frozen

from rowsmith.context import BuildContext
from rowsmith.draws import Draws
from rowsmith.table.columns import take_rows
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.transforms import FittedTransform, Transform, schema_from_state, schema_state
from rowsmith_plugins.transforms.counting import count_values, is_wide
from rowsmith_plugins.transforms.dependence import Groups, depends, groups_of
from rowsmith_plugins.transforms.layout import arrange, expanded, grouping
from rowsmith_plugins.transforms.options import QuantizeOptions
from rowsmith_plugins.transforms.quantized_column import QuantizedColumn, fit_column

__all__ = ["FittedQuantize", "QuantizeTransform", "build"]

_ENOUGH_ROWS = 250_000
"""So many rows tell whether positions go with another column."""
_NUMERIC = (ColumnType.INTEGER, ColumnType.DECIMAL)
_MOST_COMPARED = 100
"""Columns that one is compared with: comparing all with all takes minutes at a thousand columns."""


@frozen
class FittedQuantize(FittedTransform):
    """Knows the labels of each quantized column.

    Attributes:
        schema_before: The table with numbers.
        quantized: What is known of each quantized column.
        schema_after: The table with labels instead.
    """

    schema_before: TableSchema
    quantized: tuple[QuantizedColumn, ...]
    schema_after: TableSchema = field(init=False)

    @schema_after.default
    def _with_labels(self) -> TableSchema:
        return expanded(self.schema_before, {each.column.name: each.columns_after() for each in self.quantized})

    def apply(self, columns: pa.Table) -> pa.Table:
        """Turn numbers into labels."""
        arrays: dict[str, pa.DictionaryArray] = {}
        for each in self.quantized:
            arrays |= each.label(count_values(columns, each.column.name))
        return arrange(columns, self.schema_after, arrays)

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Draw numbers inside their labels."""
        arrays = {}
        for each in self.quantized:
            counted = [count_values(columns, column.name) for column in each.columns_after()]
            arrays[each.column.name] = each.number(counted, draws)
        return arrange(columns, self.schema_before, arrays)

    def state(self) -> dict[str, Any]:
        """The schema and the cuts."""
        columns = [
            {
                "name": each.column.name,
                "second": each.second,
                "line": asdict(each.line),
                "cells": asdict(each.cells),
            }
            for each in self.quantized
        ]
        return {"schema": schema_state(self.schema_before), "columns": columns}

    def inventory(self) -> list[str]:
        """A line for each quantized column."""
        return [f"column {each.column.name!r}: {each.describe()}" for each in self.quantized]


@frozen
class QuantizeTransform(Transform):
    """Finds numeric columns with many values and cuts them.

    Attributes:
        options: Which columns, and how finely.
    """

    options: QuantizeOptions = field(factory=QuantizeOptions)

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedQuantize:
        """Cut each numeric column that has too many values for a label each."""
        taken, quantized = set(schema.names), []
        # Every column is grouped once, however many columns it is compared with.
        sample = _sample(columns)
        groups = functools.cache(functools.partial(groups_of, sample, schema))
        for column in schema:
            if column.type in _NUMERIC and column.name not in self.options.exclude:
                counted = count_values(columns, column.name)
                if is_wide(counted.counts, self.options.max_values):
                    fitted = fit_column(column, counted, self.options, taken)
                    quantized += [] if fitted is None else [self._spared(fitted, sample, schema.names, groups)]
        return FittedQuantize(schema, tuple(quantized))

    def _spared(
        self, fitted: QuantizedColumn, sample: pa.Table, names: Sequence[str], groups: Callable[[str], Groups]
    ) -> QuantizedColumn:
        """Leave positions to chance where they go with no other column that is looked at."""
        if fitted.second is None or self.options.keep_positions:
            return fitted
        counted = count_values(sample, fitted.column.name)
        bins, positions = (
            np.append(found, -1)[counted.codes] for found in fitted.cells.find(fitted.line.places(counted.values))
        )
        rows = positions >= 0
        places = (positions[rows] + 0.5) / fitted.cells.sizes()[bins[rows]]
        near = _nearest(names, fitted.column.name)
        others = (groups(name)[rows] for name in near)
        return fitted if depends(places, bins[rows], others) else fitted.without_positions()

    def restore(self, state: Mapping[str, Any]) -> FittedQuantize:
        """Make the fitted transform from its state."""
        schema = schema_from_state(state["schema"])
        return FittedQuantize(schema, tuple(_restored(schema[each["name"]], each) for each in state["columns"]))


def build(context: BuildContext, options: QuantizeOptions | None) -> QuantizeTransform:
    """Build the transform from its options; the column that names the run's groups stays."""
    options = options or QuantizeOptions()
    return QuantizeTransform(evolve(options, exclude=(*options.exclude, *grouping(context))))


def _sample(columns: pa.Table) -> pa.Table:
    """Every so many rows of a long table."""
    step = columns.num_rows // _ENOUGH_ROWS
    return columns if step < 2 else take_rows(columns, np.arange(0, columns.num_rows, step))


def _nearest(names: Sequence[str], name: str) -> list[str]:
    """The columns to compare one with: all others, or in a wide table those beside it."""
    at = names.index(name)
    return [names[i] for i in sorted(range(len(names)), key=lambda i: abs(i - at))[1 : _MOST_COMPARED + 1]]


def _restored(column: ColumnSchema, state: Mapping[str, Any]) -> QuantizedColumn:
    return cattrs.structure({**state, "column": cattrs.unstructure(column)}, QuantizedColumn)
