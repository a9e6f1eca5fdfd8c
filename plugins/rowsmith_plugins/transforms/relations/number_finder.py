"""Finds columns of numbers and date-times that follow from others, in a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from attrs import evolve

from rowsmith.expressions import Comparison
from rowsmith.table.schema import TableSchema
from rowsmith_plugins.transforms.options import RelationsOptions
from rowsmith_plugins.transforms.relations.axes import Ints, axis_of, zone_of
from rowsmith_plugins.transforms.relations.candidates import Sample, find_candidates, sample_size
from rowsmith_plugins.transforms.relations.coded_numbers import CodedNumber
from rowsmith_plugins.transforms.relations.coding import Coding
from rowsmith_plugins.transforms.relations.evidence import FEWEST_ROWS, rare_rows
from rowsmith_plugins.transforms.relations.number_fit import NumberFit
from rowsmith_plugins.transforms.relations.number_plan import Choice, Plan

__all__ = ["find_coded_numbers", "number_as_stated"]

_MOST_TESTED = 10_000


def find_coded_numbers(
    columns: pa.Table,
    schema: TableSchema,
    codings: Sequence[Coding],
    options: RelationsOptions,
    k: int,
    groups: Ints | None = None,
) -> list[CodedNumber]:
    """Find the encodings of the columns of numbers and date-times.

    Args:
        columns: The spelled training table.
        schema: Its schema.
        codings: The encodings so far.
        options: The options.
        k: Least number of rows of a value or label.
        groups: The number of each row's group; None if rows are not grouped.
    """
    axes = {
        column.name: axis
        for column in schema
        if column.name not in options.exclude and (axis := axis_of(columns, column)) is not None
    }
    if columns.num_rows < FEWEST_ROWS or not axes:
        return []
    numbers = {name: axis.read(columns, schema) for name, axis in axes.items()}
    zones = {name: zone_of(schema[name]) for name in axes}
    rng = np.random.default_rng(0)
    some = np.sort(rng.permutation(columns.num_rows)[:_MOST_TESTED])
    tested = {name: each.take(some) for name, each in numbers.items()}
    few = rng.permutation(len(some))[: sample_size(len(axes))]
    rare = [rare_rows(each)[few] for each in tested.values()]
    sample = Sample([each.take(few) for each in tested.values()], list(zones.values()), rare, options.min_support)
    fixed = {each.name: each.needs() for each in codings}
    plan = Plan(tested, zones, fixed, options.min_support, k)
    choices = plan.choose(find_candidates(sample))
    taken = set(schema.names) | {new.name for each in codings for new in each.columns_after(schema[each.name])}
    fit = NumberFit(columns, schema, axes, numbers, k, groups, taken)
    codes = (fit.coding(name, choices.get(name, Choice())) for name in axes if name not in fixed)
    return [each for each in codes if each is not None]


def number_as_stated(
    comparison: Comparison,
    columns: pa.Table,
    schema: TableSchema,
    codings: Sequence[Coding],
    options: RelationsOptions,
    k: int,
    groups: Ints | None,
) -> CodedNumber | None:
    """Encode a column by a comparison that the user states, if a search among its columns alone finds it.

    Args:
        comparison: The comparison.
        columns: The spelled training table.
        schema: Its schema.
        codings: The encodings so far.
        options: The options.
        k: Least number of rows of a value or label.
        groups: The number of each row's group; None if rows are not grouped.
    """
    named = set(comparison.names())
    others = tuple(name for name in schema.names if name not in named)
    found = find_coded_numbers(columns, schema, codings, evolve(options, exclude=others), k, groups)
    return next((each for each in found if {each.name, *each.needs()} == named), None)
