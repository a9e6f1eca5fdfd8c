"""The ``protect-rare`` transform: values that only few rows have never reach the model.

A value is rare when fewer than ``k`` training rows have it. What happens, by the column's type:

* categories and booleans: a rare one is drawn anew among those that are not rare, as often as each
  occurs; or it becomes a label (option ``replacement: constant``);
* numbers that ``quantize`` turns into labels are left to it: its bins hold rare ones;
* other numbers with few distinct values: a rare one becomes the nearest that is not rare;
* other numbers with many, and date-times: values beyond the k-th lowest or k-th highest row become that
  row's value;
* free text is left alone.

Values not seen in training are rare. Where all are rare, or more than three quarters of the rows hold a rare one,
categories become the label, and the label invented categories on the way back: as many, as frequent and of the same
look (see ``invented``), but where there are fewer than 2k rows. Where all are rare, numbers that are not left to
``quantize`` become the median; booleans, and categories of a fixed set, the commonest one.

Categories are drawn by (seed, row's place in the table, column): ``apply`` is a pure function of
the table it is given, and leaves a protected table as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from attrs import evolve, field, frozen

from rowsmith.context import BuildContext
from rowsmith.draws import Draws
from rowsmith.table.datetimes import parse_datetimes
from rowsmith.table.decoding import takes
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.table.spelling import parse_numbers
from rowsmith.transforms import FittedTransform, Transform, schema_from_state, schema_state
from rowsmith_plugins.transforms.counting import Counted, count_values, is_wide
from rowsmith_plugins.transforms.guards import (
    Categories,
    Guard,
    Invented,
    Moments,
    Numbers,
    Range,
    guard_from_state,
    kth_extremes,
)
from rowsmith_plugins.transforms.invented import invent
from rowsmith_plugins.transforms.layout import grouping, unique_name
from rowsmith_plugins.transforms.options import ProtectRareOptions, QuantizeOptions
from rowsmith_plugins.transforms.protection import quantize_of_run
from rowsmith_plugins.transforms.quantized_column import is_cut

__all__ = ["FittedProtectRare", "ProtectRareTransform", "build"]

_MOSTLY_RARE = 0.75


@frozen
class FittedProtectRare(FittedTransform):
    """Knows which values stay.

    Attributes:
        schema_before: The table.
        seed: What the draws for rare categories depend on.
        guards: Column name to what guards it.
    """

    schema_before: TableSchema
    seed: int
    guards: Mapping[str, Guard]

    @property
    def schema_after(self) -> TableSchema:  # type: ignore[override]
        """The same table: only values change."""
        return self.schema_before

    def apply(self, columns: pa.Table) -> pa.Table:
        """Replace rare values and clip extremes."""
        for name, guard in self.guards.items():
            guarded = guard.apply(count_values(columns, name), self.seed, name)
            columns = columns.set_column(columns.schema.get_field_index(name), name, guarded)
        return columns

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Put invented categories for the label; the rest is as it is."""
        for name, guard in self.guards.items():
            if isinstance(guard, Invented):
                invented = guard.invert(count_values(columns, name), draws, name)
                columns = columns.set_column(columns.schema.get_field_index(name), name, invented)
        return columns

    def state(self) -> dict[str, Any]:
        """The schema, the seed and the guards."""
        guards = {name: guard.state() for name, guard in self.guards.items()}
        return {"schema": schema_state(self.schema_before), "seed": self.seed, "guards": guards}

    def inventory(self) -> list[str]:
        """A line for each guarded column."""
        return [f"column {name!r}: {guard.describe()}" for name, guard in self.guards.items()]


@frozen
class ProtectRareTransform(Transform):
    """Finds the values that enough rows have.

    Attributes:
        options: What is rare and what becomes of it.
        seed: What the draws for rare categories depend on, at least 0.
        quantize: With what options ``quantize`` comes after it; None when it does not.
    """

    options: ProtectRareOptions = field(factory=ProtectRareOptions)
    seed: int = 0
    quantize: QuantizeOptions | None = None

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedProtectRare:
        """Decide for each column which values stay."""
        guards = {}
        for column in schema:
            if column.timing is None and column.name not in self.options.exclude:
                counted = count_values(columns, column.name)
                if not counted.values or (self.quantize is not None and is_cut(column, counted, self.quantize)):
                    continue
                guard = _guard(column, counted, self.options, self.seed)
                if guard is not None:
                    guards[column.name] = guard
        return FittedProtectRare(schema, self.seed, guards)

    def restore(self, state: Mapping[str, Any]) -> FittedProtectRare:
        """Make the fitted transform from its state."""
        guards = {name: guard_from_state(guard) for name, guard in state["guards"].items()}
        return FittedProtectRare(schema_from_state(state["schema"]), int(state["seed"]), guards)


def build(context: BuildContext, options: ProtectRareOptions | None) -> ProtectRareTransform:
    """Build the transform from its options and the run's seed; the run's groups keep their names."""
    options = options or ProtectRareOptions()
    options = evolve(options, exclude=(*options.exclude, *grouping(context)))
    seed = context.seeds.integer("transforms.protect-rare")
    return ProtectRareTransform(options, seed, quantize_of_run(context))


def _guard(column: ColumnSchema, counted: Counted, options: ProtectRareOptions, seed: int) -> Guard | None:
    if column.type in (ColumnType.CATEGORICAL, ColumnType.BOOLEAN):
        return _invented(column, counted, options, seed) or _categories(column, counted, options)
    if column.type in (ColumnType.INTEGER, ColumnType.DECIMAL):
        return _numbers(counted, options)
    if column.type is ColumnType.DATETIME and column.datetime_format is not None:
        moments = parse_datetimes(counted.values, column.datetime_format)
        low, high = kth_extremes(np.argsort(moments, kind="stable"), counted.counts, options.k)
        return Moments(counted.values[low], counted.values[high], column.datetime_format)
    return None


def _categories(column: ColumnSchema, counted: Counted, options: ProtectRareOptions) -> Guard:
    order = sorted(range(len(counted.values)), key=lambda place: (-counted.counts[place], counted.values[place]))
    kept = [place for place in order if counted.counts[place] >= options.k]
    names = tuple(counted.values[place] for place in kept)
    if _takes_label(column, options.label) and (options.replacement == "constant" or not kept):
        return Categories((*names, *({options.label} - set(names))), (options.label,), (1,))
    kept = kept or order[:1]
    names = tuple(counted.values[place] for place in kept)
    return Categories(names, names, tuple(int(counted.counts[place]) for place in kept))


def _invented(column: ColumnSchema, counted: Counted, options: ProtectRareOptions, seed: int) -> Guard | None:
    """What invents categories for rare ones; None where enough rows have others, or too few have any."""
    rare = np.flatnonzero(counted.counts < options.k)
    rows = int(counted.counts[rare].sum())
    few = rows < 2 * options.k or rows <= _MOSTLY_RARE * counted.rows
    if few or options.replacement != "resample" or not _takes_label(column, options.label):
        return None
    values = [counted.values[place] for place in rare.tolist()]
    names, weights = invent(values, counted.counts[rare].tolist(), options.k, seed)
    kept = [counted.values[place] for place in np.flatnonzero(counted.counts >= options.k).tolist()]
    names = tuple(name for name in names if name not in kept)
    return Invented(tuple(kept), unique_name(options.label, set(kept)), names, weights[: len(names)]) if names else None


def _takes_label(column: ColumnSchema, label: str) -> bool:
    """Whether the user's column can hold the label at all."""
    return column.type is not ColumnType.BOOLEAN and takes(column, label)


def _numbers(counted: Counted, options: ProtectRareOptions) -> Guard:
    numbers = parse_numbers(counted.values)
    order = np.argsort(numbers, kind="stable")
    low, high = kth_extremes(order, counted.counts, options.k)
    if is_wide(_clipped_counts(numbers, counted, low, high), options.max_values):
        return Range(counted.values[low], counted.values[high])
    common = [int(place) for place in order if counted.counts[place] >= options.k]
    median = kth_extremes(order, counted.counts, counted.rows)[0]
    return Numbers(tuple(counted.values[place] for place in common or [median]))


def _clipped_counts(numbers: np.ndarray, counted: Counted, low: int, high: int) -> np.ndarray:
    """The counts that are left when extremes are clipped; a clipped column may have few values."""
    clipped = numbers.clip(numbers[low], numbers[high])
    _, places = np.unique(clipped, return_inverse=True)
    return np.bincount(places, weights=counted.counts).astype(np.int64)
