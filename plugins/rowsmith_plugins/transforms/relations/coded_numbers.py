"""A column of numbers or date-times, encoded by the formula that gives it, or by its distance from another column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from attrs import evolve, frozen

from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import codes_of, distinct, from_codes, single_array, spelled
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith_plugins.transforms.relations.axes import DECODED_LIMIT, Axis, Ints, Mask, Numbers
from rowsmith_plugins.transforms.relations.formulas import Formula
from rowsmith_plugins.transforms.relations.last_digits import OTHER, Ending, label_endings, move_to_endings

__all__ = ["FREE", "CodedNumber", "Gap"]

FREE = "free"
"""The label of rows in which no formula holds."""

_NULL, _INVALID = -1, -2


@frozen
class Gap:
    """The distance of a column from another one.

    Attributes:
        of: The other column.
        unit: Units of the column that one of the distance counts: 1, or microseconds for date-times.
        least: The least distance; None if it has no bound.
        most: The greatest.
    """

    of: str
    unit: int = 1
    least: int | None = None
    most: int | None = None


@frozen
class CodedNumber:
    """The encoding of a column by formulas; rows in which none holds are free.

    Free rows have the column itself, or its gap: the distance from another column.

    Attributes:
        axis: The column.
        axes: The columns that it needs.
        rules: The formulas; the first that holds is the label of a row.
        shares: The share of rows of which each formula is the label.
        free: Whether rows may be free.
        gap: The distance that free rows have instead of the value; None if they have the value.
        above: Columns that free values are not below; they are raised to the greatest of them.
        below: Columns that free values are not above; they are lowered to the least of them, in any case.
        endings: Last digits that have a label in free rows.
        low: The least value whose last digits may be changed, in units.
        high: The greatest.
        typical: A typical value, in units, for rows in which nothing can be computed.
        rule_column: The column of labels; empty if all rows have the same.
        free_column: The column of free values or distances; empty if no row is free.
        digits_column: The column of the last digits; empty if there are no endings.
    """

    axis: Axis
    axes: tuple[Axis, ...]
    rules: tuple[Formula, ...]
    shares: tuple[float, ...]
    free: bool
    typical: int
    gap: Gap | None = None
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    endings: tuple[Ending, ...] = ()
    low: int = 0
    high: int = 0
    rule_column: str = ""
    free_column: str = ""
    digits_column: str = ""

    @property
    def name(self) -> str:
        """The column."""
        return self.axis.name

    @property
    def support(self) -> float:
        """Share of rows in which a formula holds; 1 for a distance, which any row has."""
        return min(1.0, sum(self.shares)) if self.rules else 1.0

    @property
    def _bounded(self) -> bool:
        return bool(self.gap or self.above or self.below)

    def needs(self) -> frozenset[str]:
        """The columns of the formulas, of the gap and of the bounds."""
        return frozenset(axis.name for axis in self.axes)

    def columns_after(self, column: ColumnSchema) -> tuple[ColumnSchema, ...]:
        """The labels, the free values or distances, and the last digits, as far as the column has them."""
        found = []
        if self.rule_column:
            found.append(ColumnSchema(name=self.rule_column, type=ColumnType.CATEGORICAL, nullable=column.nullable))
        if self.free_column:
            found.append(self._free_schema(column))
        if self.digits_column:
            found.append(ColumnSchema(name=self.digits_column, type=ColumnType.CATEGORICAL, nullable=True))
        return tuple(found)

    def encode(self, columns: pa.Table, schema: TableSchema) -> dict[str, pa.DictionaryArray]:
        """The columns of ``columns_after``."""
        column = schema[self.name]
        if not self.rule_column and not self.free_column:
            return {}
        own, numbers = self.axis.read(columns, schema), self._operands(columns, schema)
        which = self._labels(own, numbers)
        if self._bounded:
            own = self._settled(own, numbers, which == len(self.rules))
            which = self._labels(own, numbers)
        arrays: dict[str, pa.DictionaryArray] = {}
        if self.rule_column:
            arrays[self.rule_column] = _labelled(self._names(), which)
        if self.free_column:
            arrays |= self._free_arrays(columns, column, own, numbers, which == len(self.rules))
        return arrays

    def decode(
        self, columns: pa.Table, restored: Mapping[str, pa.DictionaryArray], schema: TableSchema, draws: Draws
    ) -> pa.DictionaryArray:
        """Compute the column; labels that cannot be followed are replaced by the first formula that can."""
        column, rows = schema[self.name], columns.num_rows
        numbers = {axis.name: axis.read_array(restored[axis.name], schema[axis.name]) for axis in self.axes}
        which = self._read_labels(columns, column, rows)
        computed = [rule.evaluate(numbers, self.axis, rows) for rule in self.rules]
        units, done = np.full(rows, self.typical, dtype=np.int64), np.zeros(rows, dtype=np.bool_)
        for index, (found, able) in enumerate(computed):
            chosen = (which == index) & able
            units[chosen], done[chosen] = found[chosen], True
        texts: pa.DictionaryArray | None = None
        free = which == len(self.rules)
        if self.free_column:
            restored_free, able, texts = self._decode_free(columns, column, numbers, draws)
            chosen = free & able
            units[chosen], done[chosen] = restored_free[chosen], True
        missing = which == _NULL
        if not self.rule_column and column.nullable:
            missing = ~done
        for found, able in computed:
            chosen = ~done & ~missing & able
            units[chosen], done[chosen] = found[chosen], True
        if texts is None:
            return self.axis.array(units, ~missing, column)
        as_written = free & (codes_of(texts) >= 0)
        return _chosen(texts, self.axis.array(units, ~missing & ~as_written, column), as_written)

    def describe(self) -> str:
        """The formulas in their order, or the distance."""
        named = [rule.describe(self.axis) for rule in self.rules]
        text = [f"{self.name} = {' or '.join(named)}"] if named else []
        if self.gap is not None:
            order = ">=" if self.gap.least is not None else "<=" if self.gap.most is not None else "near"
            text.append(f"{self.name} {order} {self.gap.of}")
        for order, others in ((">=", self.above), ("<=", self.below)):
            text += [f"{self.name} {order} {other}" for other in others]
        text = [f"{text[0]}, else {' and '.join(text[1:])}"] if named and text[1:] else [" and ".join(text)]
        if self.endings:
            text.append(f"{self.name} ends in {', '.join(each.label for each in self.endings)}")
        return "; ".join(each for each in text if each)

    def holds(self, columns: pa.Table, schema: TableSchema) -> float:
        """Share of rows in which a formula holds, or the distance is within its bounds."""
        own, numbers = self.axis.read(columns, schema), self._operands(columns, schema)
        held = self._first_rule(own, numbers) >= 0
        if not self.rules:
            held = own.known & (self._settled(own, numbers, own.known).units == own.units)
        if self.endings and not self.rules and not self._bounded:
            held = label_endings(own.units, own.known, self.endings) < len(self.endings)
        return float((held | own.missing).mean()) if len(held) else 1.0

    def _names(self) -> list[str]:
        """The labels; each is distinct."""
        names: list[str] = []
        for rule in self.rules:
            name = rule.describe(self.axis)
            while name in (FREE, *names):
                name += "'"
            names.append(name)
        return [*names, FREE]

    def _operands(self, columns: pa.Table, schema: TableSchema) -> dict[str, Numbers]:
        return {axis.name: axis.read(columns, schema) for axis in self.axes}

    def _first_rule(self, own: Numbers, numbers: Mapping[str, Numbers]) -> Ints:
        """The index of the first rule that holds in each row; -1 for none."""
        which = np.full(len(own.units), -1, dtype=np.int64)
        for index in reversed(range(len(self.rules))):
            found, able = self.rules[index].evaluate(numbers, self.axis, len(which))
            which[own.spelled & able & (found == own.units)] = index
        return which

    def _labels(self, own: Numbers, numbers: Mapping[str, Numbers]) -> Ints:
        """The index of each row's rule; their number for free rows, and ``_NULL`` for null."""
        which = self._first_rule(own, numbers)
        unheld = which < 0
        encodable = np.full(len(which), self.free)
        if self.gap is not None and self.free:
            encodable &= numbers[self.gap.of].known
        which[unheld] = len(self.rules) if self.free else 0
        for index in reversed(range(len(self.rules))):
            able = self.rules[index].evaluate(numbers, self.axis, len(which))[1]
            which[unheld & ~encodable & able] = index
        which[own.missing] = _NULL
        return which

    def _read_labels(self, columns: pa.Table, column: ColumnSchema, rows: int) -> Ints:
        if not self.rule_column:
            return np.full(rows, len(self.rules) if self.free_column else 0, dtype=np.int64)
        values, codes = distinct(columns, self.rule_column)
        names = self._names()
        known = [names.index(value) if value in names else _INVALID for value in values]
        return np.array([*known, _NULL if column.nullable else _INVALID], dtype=np.int64)[codes]

    def _free_schema(self, column: ColumnSchema) -> ColumnSchema:
        nullable = column.nullable or bool(self.rules)
        if self.gap is None:
            return evolve(column, name=self.free_column, nullable=nullable)
        if self.axis.is_date or column.type is ColumnType.INTEGER:
            return ColumnSchema(name=self.free_column, type=ColumnType.INTEGER, nullable=nullable)
        return ColumnSchema(
            name=self.free_column,
            type=ColumnType.DECIMAL,
            nullable=nullable,
            scale=column.scale,
            max_scale=column.max_scale,
            whole_point=column.whole_point,
        )

    @property
    def _gap_axis(self) -> Axis:
        return Axis(self.free_column, "whole" if self.axis.is_date else self.axis.kind, self.axis.digits)

    def _limits(self, numbers: Mapping[str, Numbers], rows: int) -> tuple[Ints, Ints]:
        """The least and the greatest allowed value of each free row."""
        low, high = (np.full(rows, end, dtype=np.int64) for end in (-DECODED_LIMIT, DECODED_LIMIT))
        if self.gap is not None:
            base = _scaled(numbers[self.gap.of], self.axis)
            low = low if self.gap.least is None else base + self.gap.least * self.gap.unit
            high = high if self.gap.most is None else base + self.gap.most * self.gap.unit
        for names, limit, narrower in ((self.above, low, np.maximum), (self.below, high, np.minimum)):
            for name in names:
                narrower(limit, _scaled(numbers[name], self.axis), out=limit, where=numbers[name].known)
        return np.minimum(low, high), high

    def _settled(self, own: Numbers, numbers: Mapping[str, Numbers], free: Mask) -> Numbers:
        """The values as inversion would restore them: those of free rows within their bounds."""
        low, high = self._limits(numbers, len(free))
        units, rows = own.units, free & own.known
        if self.gap is not None:
            units, rows = np.where(own.known, units, self.typical), free & ~own.missing & numbers[self.gap.of].known
            base = _scaled(numbers[self.gap.of], self.axis)
            units = base + (units - base) // self.gap.unit * self.gap.unit
        units = np.where(rows, units.clip(low, high), own.units)
        changed = rows & (~own.known | (units != own.units))
        return Numbers(self.axis, units, own.known | changed, own.spelled | changed, own.missing)

    def _free_arrays(
        self, columns: pa.Table, column: ColumnSchema, own: Numbers, numbers: Mapping[str, Numbers], free: Mask
    ) -> dict[str, pa.DictionaryArray]:
        ended = free & own.known
        if self.gap is None:
            array = single_array(columns.column(self.name))
            if self._bounded:
                same = own.units == self.axis.read_array(array, column).units
                array = _chosen(array, self.axis.array(own.units, ~same, column), same)
            arrays = {self.free_column: spelled(array.dictionary, np.where(free, codes_of(array), -1))}
        else:
            other, gap_schema = numbers[self.gap.of], self._free_schema(column)
            held = free & other.known & ~own.missing
            gaps = np.where(held, (own.units - _scaled(other, self.axis)) // self.gap.unit, 0)
            filled = held if gap_schema.nullable else np.ones(len(held), dtype=np.bool_)
            arrays = {self.free_column: self._gap_axis.array(gaps, filled, gap_schema)}
            ended &= held & (gaps != 0)
        if self.digits_column:
            names = [*(each.label for each in self.endings), OTHER]
            arrays[self.digits_column] = _labelled(names, label_endings(own.units, ended, self.endings))
        return arrays

    def _decode_free(
        self, columns: pa.Table, column: ColumnSchema, numbers: Mapping[str, Numbers], draws: Draws
    ) -> tuple[Ints, Mask, pa.DictionaryArray | None]:
        """The numbers of free rows, which rows have one, and the values that are copied as they are written."""
        rows, array = columns.num_rows, columns.column(self.free_column)
        low, high = self._limits(numbers, rows)
        if self.gap is None:
            own = self.axis.read_array(array, column)
            able, movable, before = ~own.missing, own.known, own.units
            units = np.where(own.known, own.units.clip(low, high), own.units)
            low, high = np.maximum(low, np.minimum(self.low, high)), np.minimum(high, np.maximum(self.high, low))
        else:
            distance, other = self._gap_axis.read_array(array, self._free_schema(column)), numbers[self.gap.of]
            able = other.known & distance.known
            most = DECODED_LIMIT // self.gap.unit
            before = _scaled(other, self.axis) + distance.units.clip(-most, most) * self.gap.unit
            units = before.clip(low, high)
            movable = able & (distance.units != 0)
        moved = units
        if self.digits_column:
            labels = np.where(movable, self._read_digits(columns), -1)
            moved = move_to_endings(units, labels, self.endings, low, high, draws, self.name)
        if self.gap is not None:
            return moved, able, None
        single = single_array(array)
        return moved, able, spelled(single.dictionary, np.where(moved == before, codes_of(single), -1))

    def _read_digits(self, columns: pa.Table) -> Ints:
        values, codes = distinct(columns, self.digits_column)
        names = [*(each.label for each in self.endings), OTHER]
        return np.array([*(names.index(value) if value in names else -1 for value in values), -1])[codes]


def _scaled(other: Numbers, axis: Axis) -> Ints:
    """Another column in the units of a column that has at least as many digits."""
    units: Ints = other.units * 10 ** (axis.digits - other.axis.digits)
    return units


def _labelled(names: Sequence[str], which: Ints) -> pa.DictionaryArray:
    return from_codes(names, np.where(which < 0, -1, which))


def _chosen(first: pa.DictionaryArray, second: pa.DictionaryArray, rows: Mask) -> pa.DictionaryArray:
    """The values of ``first`` in some rows, and of ``second`` in the others."""
    merged = pa.concat_arrays([first.dictionary, second.dictionary]).dictionary_encode()
    codes = codes_of(merged)
    ours, theirs = (
        np.append(part, np.int32(-1))[codes_of(each)]
        for part, each in zip(np.split(codes, [len(first.dictionary)]), (first, second), strict=True)
    )
    return spelled(merged.dictionary, np.where(rows, ours, theirs))
