"""Columns whose values are listed by the labels of others: an entry of a list for each label."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from attrs import field, frozen

from rowsmith.expressions.statements import quoted
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import codes_of, compact, from_codes, single_array
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.table.types.encoded import spelled_unique
from rowsmith_plugins.transforms.relations.determinants import Determinant

__all__ = ["INDEX_SUFFIX", "Listed", "Mode", "ValueList"]

Ints = npt.NDArray[np.int64]
Mode = Literal["omitted", "indexed", "corrected"]

INDEX_SUFFIX = ".nth"


@frozen
class ValueList:
    """The values that a column has beside a label.

    Attributes:
        values: Spelled values, most frequent first; None for null.
        rows: How many training rows have each.
    """

    values: tuple[str | None, ...]
    rows: tuple[int, ...]


@frozen
class Listed:
    """The values of a column are listed by the label of their row (see ``Coding``).

    What is learned depends on the mode:

    * ``omitted``: nothing; each list has one value;
    * ``indexed``: ``<column>.nth``, the index of the value in the list of its label, from 1;
    * ``corrected``: the column itself; in a generated row, a value that is not in the list of its label is replaced by
      one that is.

    Attributes:
        name: The column.
        determinant: What labels the rows.
        mode: What is learned.
        labels: The labels with a list; None for null.
        lists: The list of each label.
        others: The list of all other labels; None leaves their values as they are (``corrected`` alone).
        support: Share of the training rows whose value is in a list of one of the labels.
    """

    name: str
    determinant: Determinant
    mode: Mode
    labels: tuple[str | None, ...]
    lists: tuple[ValueList, ...]
    others: ValueList | None
    support: float = field(converter=float)

    def needs(self) -> frozenset[str]:
        """The columns that label the rows."""
        return frozenset(self.determinant.columns)

    def columns_after(self, column: ColumnSchema) -> tuple[ColumnSchema, ...]:
        """None, the index in the list, or the column itself."""
        if self.mode == "omitted":
            return ()
        if self.mode == "corrected":
            return (column,)
        return (ColumnSchema(name=self._index_name, type=ColumnType.CATEGORICAL, nullable=column.nullable),)

    def encode(self, columns: pa.Table, schema: TableSchema) -> dict[str, pa.DictionaryArray]:
        """The index of each value, or the value; one that is not in its list is replaced by one that is."""
        if self.mode == "omitted":
            return {}
        array = single_array(columns.column(self.name))
        arrays = {name: single_array(columns.column(name)) for name in self.determinant.columns}
        draws = Draws(0, np.arange(len(array)))
        if self.mode == "corrected":
            return {self.name: self._corrected(array, arrays, schema, draws)}
        lists = self._lists_of_rows(arrays, schema)
        entries = self._entries(lists, self._values_of(array))
        entries = np.where((entries < 0) & (codes_of(array) >= 0), self._drawn(lists, draws), entries)
        indices = np.where(entries < 0, 0, entries - self._starts[lists] + 1)
        longest = int(self._lengths.max(initial=0))
        return {self._index_name: compact(from_codes([str(n + 1) for n in range(longest)], indices - 1))}

    def decode(
        self, columns: pa.Table, restored: Mapping[str, pa.DictionaryArray], schema: TableSchema, draws: Draws
    ) -> pa.DictionaryArray:
        """The value in the list of its label; one that is not there is drawn."""
        if self.mode == "corrected":
            return self._corrected(single_array(columns.column(self.name)), restored, schema, draws)
        lists = self._lists_of_rows(restored, schema)
        entries = self._drawn(lists, draws)
        if self.mode == "indexed":
            array = single_array(columns.column(self._index_name))
            known = {str(number + 1): number for number in range(int(self._lengths.max(initial=0)))}
            numbers = [*(known.get(text, len(known)) for text in array.dictionary.to_pylist()), -1]
            nth = np.array(numbers, dtype=np.int64)[codes_of(array)]
            entries = np.where((nth >= 0) & (nth < self._lengths[lists]), self._starts[lists] + nth, entries)
            entries = np.where(nth < 0, -1, entries)
        return self._spelled(self._flat[entries])

    def describe(self) -> str:
        """The notation; ``->>`` if there are several values beside a label."""
        arrow = "->" if all(len(each.values) == 1 for each in self.lists) else "->>"
        return f"{self.determinant.describe()} {arrow} {quoted(self.name)}"

    def holds(self, columns: pa.Table, schema: TableSchema) -> float:
        """Share of the rows whose value is in the list of their label."""
        if not columns.num_rows:
            return 0.0
        arrays = {name: single_array(columns.column(name)) for name in (self.name, *self.determinant.columns)}
        lists = self._lists_of_rows(arrays, schema)
        listed = (self._entries(lists, self._values_of(arrays[self.name])) >= 0) & (lists < len(self.lists))
        return float(listed.mean())

    def applies(self, columns: pa.Table, schema: TableSchema) -> float:
        """Share of the rows whose label has a list."""
        arrays = {name: single_array(columns.column(name)) for name in self.determinant.columns}
        return float((self._lists_of_rows(arrays, schema) < len(self.lists)).mean()) if columns.num_rows else 0.0

    @property
    def _index_name(self) -> str:
        return f"{self.name}{INDEX_SUFFIX}"

    @cached_property
    def _all_lists(self) -> tuple[ValueList, ...]:
        """The lists of the labels, and last that of all other labels, which may be empty."""
        return (*self.lists, self.others or ValueList((), ()))

    @cached_property
    def _lengths(self) -> Ints:
        return np.array([len(each.values) for each in self._all_lists], dtype=np.int64)

    @cached_property
    def _starts(self) -> Ints:
        """Where each list begins among the entries of all lists."""
        return np.cumsum(self._lengths) - self._lengths

    @cached_property
    def _universe(self) -> pa.StringArray:
        """The distinct values in all lists; null is not among them."""
        values = (value for each in self._all_lists for value in each.values if value is not None)
        return pa.array([*dict.fromkeys(values)], pa.string())

    @cached_property
    def _flat(self) -> Ints:
        """The value of each entry of the lists, by its index in the universe; -1 for null, which also ends it."""
        indices = {value: index for index, value in enumerate(self._universe.to_pylist())}
        entries = [indices.get(value, -1) for each in self._all_lists for value in each.values]
        return np.array([*entries, -1], dtype=np.int64)

    @cached_property
    def _cumulated(self) -> Ints:
        return np.cumsum([0, *(rows for each in self._all_lists for rows in each.rows)])

    @cached_property
    def _sorted_keys(self) -> tuple[Ints, Ints]:
        """A number for each pair of list and value, ascending, and the entry of each."""
        keys = np.repeat(np.arange(len(self._lengths)), self._lengths) * self._base + self._flat[:-1] + 1
        order = np.argsort(keys, kind="stable")
        return keys[order], order

    @property
    def _base(self) -> int:
        return len(self._universe) + 2

    def _lists_of_rows(self, arrays: Mapping[str, pa.DictionaryArray], schema: TableSchema) -> Ints:
        known = pa.array(self.labels, pa.string())
        found = self.determinant.positions(arrays, schema, known, closest=self.others is not None)
        return np.where(found < 0, len(self.lists), found)

    def _values_of(self, array: pa.DictionaryArray) -> Ints:
        """The index of each row's value in the universe; -1 for null, one past the end for a value not in any list."""
        found = pc.index_in(array.dictionary, value_set=self._universe).fill_null(len(self._universe))
        return np.append(np.asarray(found, dtype=np.int64), -1)[codes_of(array)]

    def _entries(self, lists: Ints, values: Ints) -> Ints:
        """The entry of each row's value in a list; -1 if it is not there."""
        keys, order = self._sorted_keys
        if not keys.size:
            return np.full(len(lists), -1, dtype=np.int64)
        wanted = lists * self._base + values + 1
        found = np.searchsorted(keys, wanted).clip(0, len(keys) - 1)
        return np.where(keys[found] == wanted, order[found], -1)

    def _drawn(self, lists: Ints, draws: Draws) -> Ints:
        """An entry for each row, drawn from its list by the rows of the values; -1 if the list is empty."""
        begin = self._cumulated[self._starts[lists]]
        size = self._cumulated[self._starts[lists] + self._lengths[lists]] - begin
        target = begin + (draws.uniform(f"relations.{self.name}") * size).astype(np.int64)
        return np.where(size > 0, np.searchsorted(self._cumulated, target, side="right") - 1, -1)

    def _corrected(
        self,
        array: pa.DictionaryArray,
        arrays: Mapping[str, pa.DictionaryArray],
        schema: TableSchema,
        draws: Draws,
    ) -> pa.DictionaryArray:
        lists = self._lists_of_rows(arrays, schema)
        wrong = (self._lengths[lists] > 0) & (self._entries(lists, self._values_of(array)) < 0)
        if not wrong.any():
            return array
        universe = [*array.dictionary.to_pylist(), *self._universe.to_pylist()]
        drawn = self._flat[self._drawn(lists, draws)]
        codes = np.where(wrong, np.where(drawn < 0, -1, drawn + len(array.dictionary)), codes_of(array))
        return compact(spelled_unique(universe, codes.astype(np.int32)))

    def _spelled(self, values: Ints) -> pa.DictionaryArray:
        return compact(from_codes(self._universe.to_pylist(), values))
