"""The ``protect-rare`` transform: values of few rows never reach the model.

A value is rare if fewer than ``k`` training rows have it, or too few groups of a grouped table (see
``rowsmith.transforms.holders``). Rare values are replaced by column type:

* categories and booleans: a rare one is replaced by a drawn one that is not rare, by their
  frequencies; or it becomes a label (option ``replacement: constant``);
* numbers that ``quantize`` turns into labels: left to its bins;
* other numbers with few distinct values: a rare one becomes the nearest that is not rare;
* other numbers with many: values beyond the k-th lowest or k-th highest row become that row's value;
* date-times: likewise if k rows have that row's value; otherwise they and that value become a date-time between it and
  the next one;
* free text is not changed, unless it is short, a tenth of its rows hold frequent values, and too few hold others
  to learn how these are spelled: then they are like rare categories that become the label (see below).

Values not seen in training are rare. If at least 2 k rows hold rare categories, and these are more than a tenth of
the rows or there is at most one other category, they become the label, and inversion replaces the label by invented
categories: as many, as frequent and with the same look (see ``invented``). If all are rare, fewer categories
become the label. Numbers that are not left to ``quantize`` then become their mean, and so do date-times of fewer than
2 k rows. Booleans, and categories whose column cannot hold the label, become the commonest one, which at least k rows
have to choose from. If fewer than k rows have any value, numbers, date-times, booleans and such categories become
null.

A column that is constant after that is left out of the model and restored on inversion. Of a fixed set of
categories (``category`` dtypes) only those that are not rare are learned; the columns of the option
``exclude`` retain all, for example a public list of codes.

Categories are drawn by (seed, row's index in the table, column): ``apply`` is a pure function of
its table, and does not change a protected table again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import evolve, field, frozen

from rowsmith.context import BuildContext
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import distinct, from_codes
from rowsmith.table.frames.decoding import takes
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.table.types.spelling import parse_numbers
from rowsmith.transforms import FittedTransform, Transform, schema_from_state, schema_state
from rowsmith.transforms.changed_values import compared
from rowsmith.transforms.holders import FEWEST_GROUPS
from rowsmith_plugins.transforms.common.counting import (
    Counted,
    count_shared,
    count_values,
    is_wide,
    record_groups,
    row_groups,
)
from rowsmith_plugins.transforms.common.layout import expanded, grouping, in_schema_order, unique_name
from rowsmith_plugins.transforms.common.protection import quantize_of_run
from rowsmith_plugins.transforms.options import ProtectRareOptions, QuantizeOptions
from rowsmith_plugins.transforms.quantize.column import is_cut
from rowsmith_plugins.transforms.rare.coarse_means import coarse_mean, coarse_mean_datetime
from rowsmith_plugins.transforms.rare.datetime_range import datetime_range
from rowsmith_plugins.transforms.rare.frequent_categories import narrowed
from rowsmith_plugins.transforms.rare.invented import invent_more, invent_rare
from rowsmith_plugins.transforms.rare.label_texts import are_labels
from rowsmith_plugins.transforms.rare.rules import (
    AllNull,
    DatetimeRange,
    FrequentCategories,
    FrequentNumbers,
    Guard,
    InventedCategories,
    NumberRange,
    guard_from_state,
)

__all__ = ["FittedProtectRare", "ProtectRareTransform", "build"]

_MOST_NAMED = 10


@frozen
class FittedProtectRare(FittedTransform):
    """The fitted ``protect-rare`` transform.

    Attributes:
        schema_before: The table.
        seed: Seed of the draws for rare categories.
        guards: Guard by column name.
        alike: Columns that are constant after guarding, and their value; None for null.
        messages: Notes for the user, one line each.
        schema_after: The table without those columns.
    """

    schema_before: TableSchema
    seed: int
    guards: Mapping[str, Guard]
    alike: Mapping[str, str | None] = field(factory=dict)
    messages: tuple[str, ...] = ()
    schema_after: TableSchema = field(init=False)

    @schema_after.default
    def _without_alike(self) -> TableSchema:
        invented = (self.schema_before[name] for name in self.invented_columns)
        # Of texts only labels are left.
        labels = {
            column.name: (ColumnSchema(name=column.name, type=ColumnType.CATEGORICAL, nullable=column.nullable),)
            for column in invented
            if column.type is ColumnType.TEXT
        }
        return expanded(self.schema_before, {**labels, **dict.fromkeys(self.alike, ())})

    @property
    def invented_columns(self) -> frozenset[str]:
        """The columns whose rare categories become invented ones."""
        return frozenset(name for name, guard in self.guards.items() if isinstance(guard, InventedCategories))

    def apply(self, columns: pa.Table) -> pa.Table:
        """Replace rare values and clip extremes."""
        guarded = {
            name: guard.apply(count_values(columns, name), self.seed, name)
            for name, guard in self.guards.items()
            if name not in self.alike
        }
        return in_schema_order(columns, self.schema_after, guarded)

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Replace the label by invented categories, and restore constant columns."""
        rows = len(draws)
        arrays = {
            name: from_codes([] if value is None else [value], np.full(rows, -1 if value is None else 0))
            for name, value in self.alike.items()
        }
        arrays |= {
            name: guard.invert(count_values(columns, name), draws, name)
            for name, guard in self.guards.items()
            if isinstance(guard, InventedCategories)
        }
        return in_schema_order(columns, self.schema_before, arrays)

    def shares_changed(self, columns: pa.Table, applied: pa.Table) -> Mapping[str, float]:
        """The share of rows with another value, by column."""
        return compared(columns, self.invert(applied, Draws(0, np.arange(columns.num_rows)), {}))

    def keeping_clear(self, columns: pa.Table) -> FittedProtectRare:
        """Invent no category that any row of the table has; those of a fixed set are invented with the set."""
        clear = {
            name: guard.avoiding(set(distinct(columns, name)[0]))
            for name, guard in self.guards.items()
            if isinstance(guard, InventedCategories) and self.schema_before[name].storage.categories is None
        }
        return evolve(self, guards={**self.guards, **clear})

    def notes(self) -> Sequence[str]:
        """Notes on groups that do not count, on columns that become null or constant, and on invented labels."""
        return self.messages

    def state(self) -> dict[str, Any]:
        """The schema, the seed and the guards."""
        guards = {name: guard.state() for name, guard in self.guards.items()}
        return {
            "schema": schema_state(self.schema_before),
            "seed": self.seed,
            "guards": guards,
            "alike": dict(self.alike),
        }

    def inventory(self) -> list[str]:
        """A line for each guarded column."""
        return [f"column {name!r}: {guard.describe()}" for name, guard in self.guards.items()]


@frozen
class ProtectRareTransform(Transform):
    """Finds the frequent values of each column, and how to replace the others.

    Attributes:
        options: What is rare, and its replacement.
        seed: Seed of the draws for rare categories, at least 0.
        quantize: Options of ``quantize`` if it follows in the run; else None.
        grouping: The columns that group and order the run's rows.
        groups: The columns that group them.
    """

    narrowed_because: ClassVar[str] = (
        "because few rows have the others; if they are not secret, add the column to the `exclude` option of transform "
        "'protect-rare'"
    )
    options: ProtectRareOptions = field(factory=ProtectRareOptions)
    seed: int = 0
    quantize: QuantizeOptions | None = None
    grouping: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def narrowed(self, columns: pa.Table, schema: TableSchema) -> TableSchema:
        """The schema without the rare categories of fixed sets."""
        groups = row_groups(columns, schema, self.groups)
        options = evolve(self.options, exclude=tuple(self._excluded(columns, schema)))
        return narrowed(columns, schema, groups, options, self.seed)

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedProtectRare:
        """Fit a guard for each column."""
        guards: dict[str, Guard] = {}
        alike: dict[str, str | None] = {}
        rare: dict[str, float] = {}
        excluded, groups = self._excluded(columns, schema), row_groups(columns, schema, self.groups)
        for column in schema:
            if column.timing is not None or column.name in excluded:
                continue
            counted = count_shared(columns, column.name, groups)
            guard = self._guard(column, counted) if counted.values else None
            if guard is not None:
                guards[column.name] = guard
            if isinstance(guard, InventedCategories):
                retained = counted.counts[np.isin(counted.values, guard.kept)].sum()
                rare[column.name] = 1 - float(retained) / max(1, counted.rows)
            if guard is not None and not isinstance(guard, InventedCategories):
                left = count_values(pa.table({"x": guard.apply(counted, self.seed, column.name)}), "x")
                same = not left.rows or (len(left.values) == 1 and left.rows == len(left.codes))
                if same and left.values != counted.values:
                    alike[column.name] = left.values[0] if left.values else None
        messages = (
            *_group_notes(groups),
            *_constant_notes(alike, self.options.k),
            *_invented_notes(rare, self.options.k),
        )
        return FittedProtectRare(schema, self.seed, guards, alike, messages)

    def restore(self, state: Mapping[str, Any]) -> FittedProtectRare:
        """Restore the fitted transform from its state."""
        guards = {name: guard_from_state(guard) for name, guard in state["guards"].items()}
        return FittedProtectRare(
            schema_from_state(state["schema"]), int(state["seed"]), guards, dict(state.get("alike", {}))
        )

    def _excluded(self, columns: pa.Table, schema: TableSchema) -> set[str]:
        """The columns that are not changed: excluded ones and, before ``groups``, group and order columns."""
        names = set() if record_groups(columns, schema) is not None else set(self.grouping)
        return {*self.options.exclude, *names}

    def _guard(self, column: ColumnSchema, counted: Counted) -> Guard | None:
        options = self.options
        if column.type in (ColumnType.CATEGORICAL, ColumnType.BOOLEAN):
            return _invented(column, counted, options, self.seed) or _categories(column, counted, options)
        if column.type is ColumnType.TEXT:
            return _invented(column, counted, options, self.seed) if are_labels(counted, options.k) else None
        blank = AllNull() if counted.rows < options.k and column.nullable else None
        few = counted.rows < 2 * options.k and not counted.shared(options.k).any()
        if column.type in (ColumnType.INTEGER, ColumnType.DECIMAL):
            if few:
                return blank or FrequentNumbers((coarse_mean(column, counted, options.k),))
            if self.quantize is not None and is_cut(column, counted, self.quantize):
                return None
            return _numbers(column, counted, options)
        if column.type is ColumnType.DATETIME and column.datetime_format is not None:
            if few and blank is not None:
                return blank
            if few:
                mean = coarse_mean_datetime(column.datetime_format, counted, options.k)
                return DatetimeRange(mean, mean, column.datetime_format)
            chances = Draws(self.seed, np.arange(2)).uniform(f"protect-rare.{column.name}.ends").tolist()
            low, high = datetime_range(column.datetime_format, counted, options.k, (chances[0], chances[1]))
            return DatetimeRange(low, high, column.datetime_format)
        return None


def build(context: BuildContext, options: ProtectRareOptions | None) -> ProtectRareTransform:
    """Build the transform from its options and the run's seed; group columns are excluded."""
    return ProtectRareTransform(
        options=options or ProtectRareOptions(),
        seed=context.seeds.integer("transforms.protect-rare"),
        quantize=quantize_of_run(context),
        grouping=grouping(context),
        groups=context.config.data.group_columns,
    )


def _group_notes(groups: npt.NDArray[np.int64] | None) -> Iterator[str]:
    """A note if there are groups that do not count."""
    if groups is not None and 1 < len(np.unique(groups)) < FEWEST_GROUPS:
        yield (
            f"the table has fewer than {FEWEST_GROUPS} groups, which are treated as things, not people: a value "
            "is learned even if only one group has it"
        )


def _constant_notes(alike: Mapping[str, str | None], k: int) -> Iterator[str]:
    """Notes on columns that become null or constant."""
    blank = [name for name, value in alike.items() if value is None]
    same = [name for name, value in alike.items() if value is not None]
    for names, why in (
        (blank, f"generated as null, because fewer than {k} rows have a value"),
        (same, f"generated as one constant value, because no other value has {k} rows"),
    ):
        if names:
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            yield f"{why}: {', '.join(names[:_MOST_NAMED])}{more}"


def _invented_notes(rare: Mapping[str, float], k: int) -> Iterator[str]:
    """A note on columns whose rare labels are replaced by invented ones."""
    if rare:
        named = [f"{name} ({share:.1%} of its values)" for name, share in [*rare.items()][:_MOST_NAMED]]
        more = f" and {len(rare) - _MOST_NAMED} more" if len(rare) > _MOST_NAMED else ""
        yield (
            f"labels with fewer than {k} rows are replaced by invented labels with the same look: "
            f"{', '.join(named)}{more}"
        )


def _categories(column: ColumnSchema, counted: Counted, options: ProtectRareOptions) -> Guard:
    order = sorted(range(len(counted.values)), key=lambda index: (-counted.counts[index], counted.values[index]))
    shared = counted.shared(options.k)
    frequent = [index for index in order if shared[index]]
    names = tuple(counted.values[index] for index in frequent)
    if _takes_label(column, options.label) and (options.replacement == "constant" or not frequent):
        return FrequentCategories((*names, *({options.label} - set(names))), (options.label,), (1,))
    if not frequent and column.nullable and (counted.rows < options.k or column.storage.categories is not None):
        return AllNull()
    frequent = frequent or order[:1]
    names = tuple(counted.values[index] for index in frequent)
    return FrequentCategories(names, names, tuple(int(counted.counts[index]) for index in frequent))


def _invented(column: ColumnSchema, counted: Counted, options: ProtectRareOptions, seed: int) -> Guard | None:
    """The guard that invents categories for rare ones; None if too few rows have rare ones."""
    fixed = column.storage.categories is not None
    if options.replacement != "resample" or not (fixed or _takes_label(column, options.label)):
        return None
    retained = tuple(counted.values[index] for index in np.flatnonzero(counted.shared(options.k)).tolist())
    names, weights = invent_rare(column, counted, options.k, seed)
    spare = () if fixed or not names else invent_more(column, counted, options.k, seed, names)
    label = unique_name(options.label, {*retained, *names, *spare})
    return InventedCategories(retained, label, names, weights, spare) if names else None


def _takes_label(column: ColumnSchema, label: str) -> bool:
    """Whether the user's column can hold the label."""
    return column.type is not ColumnType.BOOLEAN and takes(column, label)


def _numbers(column: ColumnSchema, counted: Counted, options: ProtectRareOptions) -> Guard:
    numbers = parse_numbers(counted.values)
    order = np.argsort(numbers, kind="stable")
    low, high = counted.ends(order, options.k)
    shared = counted.shared(options.k)
    if is_wide(_clipped_counts(numbers, counted, low, high), options.max_values):
        return NumberRange(counted.values[low], counted.values[high])
    frequent = tuple(counted.values[index] for index in order if shared[index])
    return FrequentNumbers(frequent or (coarse_mean(column, counted, options.k),))


def _clipped_counts(numbers: np.ndarray, counted: Counted, low: int, high: int) -> np.ndarray:
    """Counts of values after clipping; a clipped column may have few values."""
    clipped = numbers.clip(numbers[low], numbers[high])
    _, codes = np.unique(clipped, return_inverse=True)
    return np.bincount(codes, weights=counted.counts).astype(np.int64)
