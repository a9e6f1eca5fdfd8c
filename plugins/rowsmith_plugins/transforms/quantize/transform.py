"""The ``quantize`` transform: a numeric column becomes labels.

``<column>`` becomes the label of a frequent value (``=0``), or one of about 32 bins of
equal rows (``b07``) for all others; ``<column>.1`` becomes the position inside the bin (``p12``), ``-``
for a frequent value. Null stays null in both. There are fewer bins and positions if a position would have
fewer than k rows. There is no second column if bins have one position each, nor if positions are independent of the
other columns: they would be noise to the model, so they are drawn on inversion.

A column is left as it is if all its values are frequent and not very many. Numbers beyond the
k-th lowest and the k-th highest row never reach the model: they count as the numbers of those rows.

Inversion: a number is drawn inside the position, following the distribution of training values there, and
written in the spelling of the column; ``apply`` gives the same position again. A missing
or impossible position is drawn from those of the bin, and an unknown bin from all, by their rows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cattrs
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import asdict, evolve, field, frozen

from rowsmith.context import BuildContext
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import take_rows
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.transforms import FittedTransform, Transform, schema_from_state, schema_state
from rowsmith.transforms.holders import FEWEST_GROUPS
from rowsmith_plugins.transforms.common.counting import Counted, count_shared, record_groups
from rowsmith_plugins.transforms.common.layout import expanded, in_schema_order
from rowsmith_plugins.transforms.common.protection import quantize_options
from rowsmith_plugins.transforms.options import QuantizeOptions
from rowsmith_plugins.transforms.quantize.column import QuantizedColumn, fit_column, is_cut
from rowsmith_plugins.transforms.quantize.context_cuts import context_cuts
from rowsmith_plugins.transforms.quantize.dependence import Groups, depends, groups_of
from rowsmith_plugins.transforms.quantize.label_ranges import fit_ranges

__all__ = ["FittedQuantize", "QuantizeTransform", "build"]

_ENOUGH_ROWS = 250_000
"""Rows sampled to test whether positions depend on another column."""
_MOST_COMPARED = 100
"""Most columns that one is compared with: comparing all with all takes minutes for a thousand columns."""
_MOST_CONTEXTS, _MOST_PAIRS = 20, 4_000
"""Most columns of labels that may cut one column, and most pairs of columns in total."""
_CUTTING_ROUNDS = 5


@frozen
class FittedQuantize(FittedTransform):
    """The fitted ``quantize`` transform.

    Attributes:
        schema_before: The table with numbers.
        quantized: The fitted columns.
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
            arrays |= each.label(columns)
        return in_schema_order(columns, self.schema_after, arrays)

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Draw numbers inside their labels."""
        arrays = {each.column.name: each.number(columns, draws) for each in self.quantized}
        return in_schema_order(columns, self.schema_before, arrays)

    def shares_changed(self, columns: pa.Table, applied: pa.Table) -> Mapping[str, float]:
        """The share of rows whose number is clipped, or moved to a frequent one, by column."""
        return {each.column.name: each.changed(columns) for each in self.quantized}

    def state(self) -> dict[str, Any]:
        """The schema and the cuts."""
        columns = [
            {
                "name": each.column.name,
                "second": each.second,
                "line": asdict(each.line),
                "cells": asdict(each.cells),
                "ranges": None if each.ranges is None else asdict(each.ranges),
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
        options: Which columns are cut, and how finely.
    """

    options: QuantizeOptions = field(factory=QuantizeOptions)

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedQuantize:
        """Cut each numeric column that has rare values, or too many values for one label each."""
        taken, quantized = set(schema.names), []
        # Every column is grouped once, for all columns that it is compared with.
        sample = _sample(columns)
        groups = functools.cache(functools.partial(groups_of, sample, schema))
        records = record_groups(columns, schema)
        holders = _sampled_groups(records)
        for column in schema:
            counted = count_shared(columns, column.name, records)
            if is_cut(column, counted, self.options):
                fitted = self._cut_by_context(column, counted, sample, schema, groups, taken, holders)
                quantized.append(self._without_independent_positions(fitted, sample, schema.names, groups))
                taken.update(each.name for each in quantized[-1].columns_after())
        return FittedQuantize(schema, tuple(quantized))

    def _cut_by_context(
        self,
        column: ColumnSchema,
        counted: Counted,
        sample: pa.Table,
        schema: TableSchema,
        groups: Callable[[str], Groups],
        taken: set[str],
        holders: npt.NDArray[np.int64] | None,
    ) -> QuantizedColumn:
        """Cut a column, and then bins that mix rows of different labels."""
        labels = _contexts(schema, column.name)
        fitted, cuts = fit_column(column, counted, self.options, taken), list[int]()
        ranges = fit_ranges(*fitted.rows_of(sample), sample, labels, self.options.value_k, holders)
        fitted = evolve(fitted, ranges=ranges)
        ordinals, known = fitted.rows_of(sample)
        for _ in range(_CUTTING_ROUNDS if labels else 0):
            bins = fitted.cells.find(ordinals)[0]
            rows = known & (bins < fitted.cells.bins)
            others = (groups(name)[rows] for name in labels)
            found = set(context_cuts(ordinals[rows], bins[rows], others, self.options.value_k)) - set(cuts)
            if not found:
                break
            cuts = sorted({*cuts, *found})
            fitted = evolve(fit_column(column, counted, self.options, taken, cuts), ranges=ranges)
        return fitted

    def _without_independent_positions(
        self, fitted: QuantizedColumn, sample: pa.Table, names: Sequence[str], groups: Callable[[str], Groups]
    ) -> QuantizedColumn:
        """Drop positions that are independent of the compared columns."""
        if fitted.second is None or self.options.keep_positions:
            return fitted
        ordinals, known = fitted.rows_of(sample)
        bins, positions = fitted.cells.find(ordinals)
        rows = known & (positions >= 0)
        inner = (positions[rows] + 0.5) / fitted.cells.sizes()[bins[rows]]
        near = _nearest(names, fitted.column.name)
        others = (groups(name)[rows] for name in near)
        return fitted if depends(inner, bins[rows], others) else fitted.without_positions()

    def restore(self, state: Mapping[str, Any]) -> FittedQuantize:
        """Restore the fitted transform from its state."""
        schema = schema_from_state(state["schema"])
        return FittedQuantize(schema, tuple(_restored(schema[each["name"]], each) for each in state["columns"]))


def build(context: BuildContext, options: QuantizeOptions | None) -> QuantizeTransform:
    """Build the transform from its options; group columns are excluded."""
    return QuantizeTransform(quantize_options(context, options or QuantizeOptions()))


def _sample(columns: pa.Table) -> pa.Table:
    """A regular sample of a long table."""
    step = _sample_step(columns.num_rows)
    return columns if step < 2 else take_rows(columns, np.arange(0, columns.num_rows, step))


def _sampled_groups(groups: npt.NDArray[np.int64] | None) -> npt.NDArray[np.int64] | None:
    """The groups of the rows in the sample; None if only rows count."""
    if groups is None or int(groups.max(initial=-1)) + 1 < FEWEST_GROUPS:
        return None
    return groups[:: _sample_step(len(groups))]


def _sample_step(rows: int) -> int:
    return max(1, rows // _ENOUGH_ROWS)


def _nearest(names: Sequence[str], name: str) -> list[str]:
    """The columns to compare one with: all others, or in a wide table the adjacent ones."""
    at = names.index(name)
    return [names[i] for i in sorted(range(len(names)), key=lambda i: abs(i - at))[1 : _MOST_COMPARED + 1]]


def _contexts(schema: TableSchema, name: str) -> list[str]:
    """The columns of labels that may determine the position of a number in its bin."""
    near = _nearest(schema.names, name)
    kinds = (ColumnType.CATEGORICAL, ColumnType.BOOLEAN)
    labels = [each for each in near if schema[each].type in kinds and schema[each].timing is None]
    return labels[: max(1, min(_MOST_CONTEXTS, _MOST_PAIRS // len(schema)))]


def _restored(column: ColumnSchema, state: Mapping[str, Any]) -> QuantizedColumn:
    return cattrs.structure({**state, "column": cattrs.unstructure(column)}, QuantizedColumn)
