"""The ``codes`` transform: codes such as ``017``, ``A-017`` or ``9:30`` are encoded by their numbers.

It applies to columns of text, and of labels if more than a third of their rows hold a rare one, provided that nearly
all of their values are a number between texts that enough rows share (see ``code_layouts``). ``<column>`` becomes that
number, whose range ``quantize`` then limits. If there are several such layouts, or other values that k rows
have, ``<column>`` holds the layout, and the number is in ``<column>.number``. Other values are replaced by those of
other rows, and so are numbers beyond the k-th lowest or k-th highest row of their layout.

Rows are drawn by (seed, row number, column): ``apply`` is a pure function of the table it is given.
Inversion: the number is written in its layout; if it is missing or out of range, one is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cattrs
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import evolve, field, frozen

from rowsmith.context import BuildContext
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import compact, from_codes
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.table.types.encoded import spelled_unique
from rowsmith.transforms import Transform, schema_from_state
from rowsmith_plugins.transforms.common.counting import Counted, count_shared, count_values, row_groups
from rowsmith_plugins.transforms.common.layout import grouping, unique_name
from rowsmith_plugins.transforms.options import CodesOptions
from rowsmith_plugins.transforms.texts.code_layouts import CodeLayout, find_layouts, parts_of
from rowsmith_plugins.transforms.texts.split_columns import FittedSplit

__all__ = ["CodesColumn", "CodesTransform", "FittedCodes", "build"]

Codes = npt.NDArray[np.int64]

_RARE = -2
_BEYOND = -1
"""The position of a number beyond the ends of its layout, set by the k-th lowest and highest row."""
_FEW_RARE = 1 / 3


@frozen(kw_only=True)
class CodesColumn:
    """The fitted encoding of one column.

    Attributes:
        name: The column.
        run: Which digits of a code are its number.
        layouts: Its layouts.
        number: The column of numbers beside that of layouts; None with a single layout.
        frequent: Values without a layout that are labels.
        k: The rows that a code must have to be repeated unchanged.
    """

    name: str
    run: str
    layouts: tuple[CodeLayout, ...]
    number: str | None
    frequent: tuple[str, ...]
    k: int

    def columns_after(self, column: ColumnSchema) -> tuple[ColumnSchema, ...]:
        """The column of numbers, after that of labels, if there is one."""
        if self.number is None:
            return (ColumnSchema(name=self.name, type=ColumnType.INTEGER, nullable=column.nullable),)
        labels = ColumnSchema(name=self.name, type=ColumnType.CATEGORICAL, nullable=column.nullable)
        return labels, ColumnSchema(name=self.number, type=ColumnType.INTEGER, nullable=True)

    def split(self, counted: Counted, seed: int) -> dict[str, pa.DictionaryArray]:
        """The column as labels and numbers."""
        kinds, positions = (np.array(each, dtype=np.int64) for each in self.read(counted.values))
        codes = counted.codes.astype(np.int64)
        rare = np.flatnonzero(np.append(kinds, -1)[codes] == _RARE)
        if rare.size:
            others = codes[np.append(kinds, -1)[codes] >= 0]
            if not others.size:
                kinds, positions = np.append(kinds, 0), np.append(positions, self.layouts[0].low)
                others = np.array([len(kinds) - 1])
            codes[rare] = others[(Draws(seed, rare).uniform(f"codes.{self.name}") * len(others)).astype(np.int64)]
        row_kinds, row_positions = np.append(kinds, -1)[codes], np.append(positions, 0)[codes]
        for kind, layout in enumerate(self.layouts):
            # Beyond the ends a row takes the number of another row, so that values do not accumulate at an end.
            beyond = np.flatnonzero((row_kinds == kind) & (row_positions == _BEYOND))
            inside = row_positions[(row_kinds == kind) & (row_positions != _BEYOND)]
            inside = inside if inside.size else np.array([layout.low])
            chosen = Draws(seed, beyond).uniform(f"codes.{self.name}.beyond") * len(inside)
            row_positions[beyond] = inside[chosen.astype(np.int64)]
        numbered = (row_kinds >= 0) & (row_kinds < len(self.layouts))
        found, at = np.unique(row_positions[numbered], return_inverse=True)
        number_codes = np.full(len(codes), -1, dtype=np.int64)
        number_codes[numbered] = at
        numbers = from_codes([str(position) for position in found.tolist()], number_codes)
        if self.number is None:
            return {self.name: numbers}
        return {self.name: from_codes(self._labels(), row_kinds), self.number: numbers}

    def join(self, columns: Mapping[str, Counted], nullable: bool, draws: Draws) -> pa.DictionaryArray:
        """Labels and numbers as one column."""
        numbers = columns[self.number or self.name]
        positions = np.array([*map(int, numbers.values), 0], dtype=np.int64)[numbers.codes]
        missing = numbers.codes < 0
        kinds = np.where(missing & nullable, -1, 0)
        if self.number is not None:
            labels = columns[self.name]
            known = {label: index for index, label in enumerate(self._labels())}
            none = -1 if nullable else 0
            kinds = np.array([*(known.get(label, 0) for label in labels.values), none], dtype=np.int64)[labels.codes]
        uniform = draws.uniform(f"codes.{self.name}.lost")
        for kind, layout in enumerate(self.layouts):
            # Layouts share a column of numbers, so that a number may lie beyond the ends of its own.
            lost = (kinds == kind) & (missing | (positions < layout.low) | (positions > layout.high))
            positions[lost] = layout.low + (uniform[lost] * (layout.high - layout.low + 1)).astype(np.int64)
        positions[(kinds < 0) | (kinds >= len(self.layouts))] = 0
        pairs, codes = np.unique(np.stack([kinds, positions]), axis=1, return_inverse=True)
        texts = [self._spell(kind, position) for kind, position in pairs.T.tolist()]
        return compact(spelled_unique(texts, np.where(kinds < 0, -1, codes.ravel()).astype(np.int32)))

    def changed(self, counted: Counted) -> float:
        """The share of rows with a code that few have, or that is not restored exactly."""
        unchanged = np.array(
            [
                kind != _RARE and position != _BEYOND and count >= self.k and self._spell(kind, position) == value
                for value, count, kind, position in zip(
                    counted.values, counted.counts.tolist(), *self.read(counted.values), strict=True
                )
            ],
            dtype=bool,
        )
        return float(counted.counts[~unchanged].sum() / max(1, len(counted.codes)))

    def describe(self) -> str:
        """Describe what it holds of the training data."""
        known = sum(len(layout.slots) for layout in self.layouts)
        numbers = f", {known} frequent numbers and means of others" if known else ""
        values = f", {len(self.frequent)} frequent values" if self.frequent else ""
        return f"{len(self.layouts)} layouts and the range of each{numbers}{values}"

    def read(self, values: list[str]) -> tuple[list[int], list[int]]:
        """The kind of each value (index of its layout or label, or rare) and its position in the layout."""
        known = {(layout.prefix, layout.suffix): kind for kind, layout in enumerate(self.layouts)}
        labels = {value: len(self.layouts) + index for index, value in enumerate(self.frequent)}
        kinds, positions = [], []
        for value in values:
            kind, position = labels.get(value, _RARE), 0
            parts = parts_of(value, self.run)
            layout = -1 if parts is None else known.get((parts[0], parts[2]), -1)
            if parts is not None and layout >= 0 and self.layouts[layout].writes(parts[1]):
                found = self.layouts[layout].position(int(parts[1]))
                kind, position = layout, _BEYOND if found is None else found
            kinds.append(kind)
            positions.append(position)
        return kinds, positions

    def _spell(self, kind: int, position: int) -> str:
        if kind < len(self.layouts):
            return self.layouts[kind].spell(position)
        return self.frequent[kind - len(self.layouts)]

    def _labels(self) -> list[str]:
        taken = set[str]()
        layouts = [unique_name(f"{layout.prefix}#{layout.suffix}", taken) for layout in self.layouts]
        return [*layouts, *(unique_name(f"={value}", taken) for value in self.frequent)]


@frozen
class FittedCodes(FittedSplit[CodesColumn]):
    """The fitted ``codes`` transform."""

    def shares_changed(self, columns: pa.Table, applied: pa.Table) -> Mapping[str, float]:
        """The share of rows whose code is replaced by another one, by column."""
        return {each.name: each.changed(count_values(columns, each.name)) for each in self.columns}


@frozen
class CodesTransform(Transform):
    """Finds columns of codes.

    Attributes:
        options: Which columns, and what is rare.
        seed: Seed of the draws for values without a layout, at least 0.
        groups: The columns that group the run's rows.
    """

    options: CodesOptions = field(factory=CodesOptions)
    seed: int = 0
    groups: tuple[str, ...] = ()

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedCodes:
        """Find the layouts of each column of codes."""
        taken, found = set(schema.names), []
        groups = row_groups(columns, schema, self.groups)
        for column in schema:
            if _may_hold_codes(column) and column.name not in self.options.exclude:
                fitted = self._fitted(column, count_shared(columns, column.name, groups), taken)
                found += [] if fitted is None else [fitted]
        return FittedCodes(schema, self.seed, tuple(found))

    def _fitted(self, column: ColumnSchema, counted: Counted, taken: set[str]) -> CodesColumn | None:
        """Fit a column; None if labels suffice, or if values are not codes."""
        k = self.options.k
        shared = counted.shared(k)
        rare = int(counted.counts[~shared].sum())
        if not rare or (column.type is ColumnType.CATEGORICAL and rare <= _FEW_RARE * counted.rows):
            return None
        found = find_layouts(counted, k)
        if found is None:
            return None
        run, layouts = found
        plain = CodesColumn(name=column.name, run=run, layouts=layouts, number=None, frequent=(), k=k)
        kinds, _ = plain.read(counted.values)
        others = [index for index, kind in enumerate(kinds) if kind == _RARE and shared[index]]
        frequent = tuple(counted.values[index] for index in sorted(others, key=lambda each: -counted.counts[each]))
        alone = len(layouts) == 1 and not frequent
        number = None if alone else unique_name(f"{column.name}.number", taken)
        return evolve(plain, number=number, frequent=frequent)

    def restore(self, state: Mapping[str, Any]) -> FittedCodes:
        """Restore the fitted transform from its state."""
        columns = cattrs.structure(state["columns"], tuple[CodesColumn, ...])
        return FittedCodes(schema_from_state(state["schema"]), int(state["seed"]), columns)


def build(context: BuildContext, options: CodesOptions | None) -> CodesTransform:
    """Build the transform from its options and the run's seed; columns that name groups are excluded."""
    options = options or CodesOptions()
    options = evolve(options, exclude=(*options.exclude, *grouping(context)))
    return CodesTransform(options, context.seeds.integer("transforms.codes"), context.config.data.group_columns)


def _may_hold_codes(column: ColumnSchema) -> bool:
    labels = column.type in (ColumnType.TEXT, ColumnType.CATEGORICAL) and column.storage.categories is None
    return labels and column.timing is None and column.marked is None
