"""The ``protect-rare`` transform: values that only few rows have never reach the model.

A value is rare when fewer than ``k`` training rows have it, or too few groups where rows belong to groups (see
``rowsmith.transforms.holders``). What happens, by the column's type:

* categories and booleans: a rare one is drawn anew among those that are not rare, as often as each
  occurs; or it becomes a label (option ``replacement: constant``);
* numbers that ``quantize`` turns into labels are left to it: its bins hold rare ones;
* other numbers with few distinct values: a rare one becomes the nearest that is not rare;
* other numbers with many: values beyond the k-th lowest or k-th highest row become that row's value;
* date-times: so, too, where k rows have that row's value; otherwise they and that value become one between it and the
  next;
* free text is left alone.

Values not seen in training are rare. Where at least 2 k rows hold rare categories, and these are more than a tenth of
the rows or there is no more than one other category, they become the label, and the label invented categories on the
way back: as many, as frequent and of the same look (see ``invented``). Where all are rare, fewer
categories become the label, and numbers that are not left to ``quantize`` their mean, as do date-times of fewer than
2 k rows. Booleans, and categories that no label can stand among, become the commonest one, which at least k rows have
to choose from. Where fewer than k rows have a value at all, numbers, date-times, booleans and such categories are left
blank.

A column that is the same in every row after that is left out of the model and given back so. Of a fixed set of
categories (``category`` dtypes) only those that are not rare are known of the table; the columns of the option
``exclude`` keep all, as a public list of codes may be.

Categories are drawn by (seed, row's place in the table, column): ``apply`` is a pure function of
the table it is given, and leaves a protected table as it is.
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
from rowsmith.table.columns import from_codes
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
from rowsmith_plugins.transforms.rare.invented import invent_rare
from rowsmith_plugins.transforms.rare.kept_categories import narrowed
from rowsmith_plugins.transforms.rare.middles import middle_moment, middle_number
from rowsmith_plugins.transforms.rare.moment_ends import end_moments
from rowsmith_plugins.transforms.rare.rules import (
    Blank,
    Categories,
    Guard,
    Invented,
    Moments,
    Numbers,
    Range,
    guard_from_state,
)

__all__ = ["FittedProtectRare", "ProtectRareTransform", "build"]

_MOST_NAMED = 10


@frozen
class FittedProtectRare(FittedTransform):
    """Knows which values stay.

    Attributes:
        schema_before: The table.
        seed: What the draws for rare categories depend on.
        guards: Column name to what guards it.
        alike: The columns that are the same in every row once they are guarded, and that value; None for null.
        told: What the user should know, a line each.
        schema_after: The table without those columns.
    """

    schema_before: TableSchema
    seed: int
    guards: Mapping[str, Guard]
    alike: Mapping[str, str | None] = field(factory=dict)
    told: tuple[str, ...] = ()
    schema_after: TableSchema = field(init=False)

    @schema_after.default
    def _without_alike(self) -> TableSchema:
        return expanded(self.schema_before, dict.fromkeys(self.alike, ()))

    @property
    def invented_columns(self) -> frozenset[str]:
        """The columns whose rare categories become invented ones."""
        return frozenset(name for name, guard in self.guards.items() if isinstance(guard, Invented))

    def apply(self, columns: pa.Table) -> pa.Table:
        """Replace rare values and clip extremes."""
        guarded = {
            name: guard.apply(count_values(columns, name), self.seed, name)
            for name, guard in self.guards.items()
            if name not in self.alike
        }
        return in_schema_order(columns, self.schema_after, guarded)

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Put invented categories for the label, and columns that are the same in every row; the rest is as it is."""
        rows = len(draws)
        arrays = {
            name: from_codes([] if value is None else [value], np.full(rows, -1 if value is None else 0))
            for name, value in self.alike.items()
        }
        arrays |= {
            name: guard.invert(count_values(columns, name), draws, name)
            for name, guard in self.guards.items()
            if isinstance(guard, Invented)
        }
        return in_schema_order(columns, self.schema_before, arrays)

    def shares_changed(self, columns: pa.Table, applied: pa.Table) -> Mapping[str, float]:
        """The share of rows with another value, by column."""
        return compared(columns, self.invert(applied, Draws(0, np.arange(columns.num_rows)), {}))

    def notes(self) -> Sequence[str]:
        """Which columns are left blank or the same in every row, and what becomes of a fixed set of categories."""
        return self.told

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
    """Finds the values that enough rows have.

    Attributes:
        options: What is rare and what becomes of it.
        seed: What the draws for rare categories depend on, at least 0.
        quantize: With what options ``quantize`` comes after it; None when it does not.
        grouping: The columns that group and order the run's rows.
        groups: Those that group them.
    """

    narrowed_because: ClassVar[str] = (
        "since only few rows have the others; list it in the `exclude` option of transform 'protect-rare' where they "
        "are no secret"
    )
    options: ProtectRareOptions = field(factory=ProtectRareOptions)
    seed: int = 0
    quantize: QuantizeOptions | None = None
    grouping: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def narrowed(self, columns: pa.Table, schema: TableSchema) -> TableSchema:
        """The table without the categories of fixed sets that only few rows have."""
        groups = row_groups(columns, schema, self.groups)
        options = evolve(self.options, exclude=tuple(self._excluded(columns, schema)))
        return narrowed(columns, schema, groups, options, self.seed)

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedProtectRare:
        """Decide for each column which values stay."""
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
            if isinstance(guard, Invented):
                kept = counted.counts[np.isin(counted.values, guard.kept)].sum()
                rare[column.name] = 1 - float(kept) / max(1, counted.rows)
            if guard is not None and not isinstance(guard, Invented):
                left = count_values(pa.table({"x": guard.apply(counted, self.seed, column.name)}), "x")
                same = not left.rows or (len(left.values) == 1 and left.rows == len(left.codes))
                if same and left.values != counted.values:
                    alike[column.name] = left.values[0] if left.values else None
        told = (*_few(groups), *_told(alike, self.options.k), *_told_invented(rare, self.options.k))
        return FittedProtectRare(schema, self.seed, guards, alike, told)

    def restore(self, state: Mapping[str, Any]) -> FittedProtectRare:
        """Make the fitted transform from its state."""
        guards = {name: guard_from_state(guard) for name, guard in state["guards"].items()}
        return FittedProtectRare(
            schema_from_state(state["schema"]), int(state["seed"]), guards, dict(state.get("alike", {}))
        )

    def _excluded(self, columns: pa.Table, schema: TableSchema) -> set[str]:
        """The columns that stay: those of the option, and those that group and order the rows as long as they do."""
        names = set() if record_groups(columns, schema) is not None else set(self.grouping)
        return {*self.options.exclude, *names}

    def _guard(self, column: ColumnSchema, counted: Counted) -> Guard | None:
        options = self.options
        if column.type in (ColumnType.CATEGORICAL, ColumnType.BOOLEAN):
            return _invented(column, counted, options, self.seed) or _categories(column, counted, options)
        blank = Blank() if counted.rows < options.k and column.nullable else None
        few = counted.rows < 2 * options.k and not counted.shared(options.k).any()
        if column.type in (ColumnType.INTEGER, ColumnType.DECIMAL):
            if few:
                return blank or Numbers((middle_number(column, counted, options.k),))
            if self.quantize is not None and is_cut(column, counted, self.quantize):
                return None
            return _numbers(column, counted, options)
        if column.type is ColumnType.DATETIME and column.datetime_format is not None:
            if few and blank is not None:
                return blank
            if few:
                middle = middle_moment(column.datetime_format, counted, options.k)
                return Moments(middle, middle, column.datetime_format)
            chances = Draws(self.seed, np.arange(2)).uniform(f"protect-rare.{column.name}.ends").tolist()
            low, high = end_moments(column.datetime_format, counted, options.k, (chances[0], chances[1]))
            return Moments(low, high, column.datetime_format)
        return None


def build(context: BuildContext, options: ProtectRareOptions | None) -> ProtectRareTransform:
    """Build the transform from its options and the run's seed; the run's groups keep their names."""
    return ProtectRareTransform(
        options=options or ProtectRareOptions(),
        seed=context.seeds.integer("transforms.protect-rare"),
        quantize=quantize_of_run(context),
        grouping=grouping(context),
        groups=context.config.data.group_columns,
    )


def _few(groups: npt.NDArray[np.int64] | None) -> Iterator[str]:
    """That groups do not count, where there are some."""
    if groups is not None and 1 < len(np.unique(groups)) < FEWEST_GROUPS:
        yield (
            f"the table has fewer than {FEWEST_GROUPS} groups, which are taken for things, not for people: a value "
            "that many rows of a single one have is learned"
        )


def _told(alike: Mapping[str, str | None], k: int) -> Iterator[str]:
    """What becomes of columns with hardly a value that may be told."""
    blank = [name for name, value in alike.items() if value is None]
    same = [name for name, value in alike.items() if value is not None]
    for names, why in (
        (blank, f"left blank, since fewer than {k} rows have a value"),
        (same, f"given back as one value, since none of the others is one that {k} rows have"),
    ):
        if names:
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            yield f"{why}: {', '.join(names[:_MOST_NAMED])}{more}"


def _told_invented(rare: Mapping[str, float], k: int) -> Iterator[str]:
    """That labels are invented, and of how many values."""
    if rare:
        named = [f"{name} ({share:.1%} of its values)" for name, share in [*rare.items()][:_MOST_NAMED]]
        more = f" and {len(rare) - _MOST_NAMED} more" if len(rare) > _MOST_NAMED else ""
        yield (
            f"labels that fewer than {k} rows have are given back as invented ones of the same look: "
            f"{', '.join(named)}{more}"
        )


def _categories(column: ColumnSchema, counted: Counted, options: ProtectRareOptions) -> Guard:
    order = sorted(range(len(counted.values)), key=lambda place: (-counted.counts[place], counted.values[place]))
    shared = counted.shared(options.k)
    kept = [place for place in order if shared[place]]
    names = tuple(counted.values[place] for place in kept)
    if _takes_label(column, options.label) and (options.replacement == "constant" or not kept):
        return Categories((*names, *({options.label} - set(names))), (options.label,), (1,))
    if not kept and column.nullable and (counted.rows < options.k or column.storage.categories is not None):
        return Blank()
    kept = kept or order[:1]
    names = tuple(counted.values[place] for place in kept)
    return Categories(names, names, tuple(int(counted.counts[place]) for place in kept))


def _invented(column: ColumnSchema, counted: Counted, options: ProtectRareOptions, seed: int) -> Guard | None:
    """What invents categories for rare ones; None where enough rows have others, or too few have any."""
    fixed = column.storage.categories is not None
    if options.replacement != "resample" or not (fixed or _takes_label(column, options.label)):
        return None
    kept = tuple(counted.values[place] for place in np.flatnonzero(counted.shared(options.k)).tolist())
    names, weights = invent_rare(column, counted, options.k, seed)
    label = unique_name(options.label, {*kept, *names})
    return Invented(kept, label, names, weights) if names else None


def _takes_label(column: ColumnSchema, label: str) -> bool:
    """Whether the user's column can hold the label at all."""
    return column.type is not ColumnType.BOOLEAN and takes(column, label)


def _numbers(column: ColumnSchema, counted: Counted, options: ProtectRareOptions) -> Guard:
    numbers = parse_numbers(counted.values)
    order = np.argsort(numbers, kind="stable")
    low, high = counted.ends(order, options.k)
    shared = counted.shared(options.k)
    if is_wide(_clipped_counts(numbers, counted, low, high), options.max_values):
        return Range(counted.values[low], counted.values[high])
    kept = tuple(counted.values[place] for place in order if shared[place])
    return Numbers(kept or (middle_number(column, counted, options.k),))


def _clipped_counts(numbers: np.ndarray, counted: Counted, low: int, high: int) -> np.ndarray:
    """The counts that are left when extremes are clipped; a clipped column may have few values."""
    clipped = numbers.clip(numbers[low], numbers[high])
    _, places = np.unique(clipped, return_inverse=True)
    return np.bincount(places, weights=counted.counts).astype(np.int64)
