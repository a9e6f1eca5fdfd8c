"""Codes and numbers whose first characters follow from the labels of another column."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from attrs import field, frozen

from rowsmith.expressions.statements import quoted
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import codes_of, compact, single_array
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.table.types.encoded import spelled_unique
from rowsmith_plugins.transforms.relations.determinants import Determinant, prefixes_of

__all__ = ["REST_SUFFIX", "Prefixed"]

Ints = npt.NDArray[np.int64]

REST_SUFFIX = ".rest"


@frozen
class Prefixed:
    """The first characters of a column follow from the label of its row (see ``Coding``).

    The model learns the other characters, ``<column>.rest``; those of a whole number are a whole number.

    Attributes:
        name: The column.
        determinant: What labels the rows.
        length: How many characters follow.
        digits: Whole numbers only: how many digits remain; they are padded by zeros.
        labels: The labels with a prefix of their own; None for null.
        prefixes: The prefix of each label.
        other: The prefix of all other labels.
        support: Share of the training rows whose value begins with the prefix of its label.
    """

    name: str
    determinant: Determinant
    length: int
    digits: int | None
    labels: tuple[str | None, ...]
    prefixes: tuple[str, ...]
    other: str
    support: float = field(converter=float)

    def needs(self) -> frozenset[str]:
        """The columns that label the rows."""
        return frozenset(self.determinant.columns)

    def columns_after(self, column: ColumnSchema) -> tuple[ColumnSchema, ...]:
        """The rest."""
        kind = column.type if self.digits is None else ColumnType.INTEGER
        return (ColumnSchema(name=f"{self.name}{REST_SUFFIX}", type=kind, nullable=column.nullable),)

    def encode(self, columns: pa.Table, schema: TableSchema) -> dict[str, pa.DictionaryArray]:
        """The value without its first characters, whatever these are."""
        array = single_array(columns.column(self.name))
        texts = [self._rest(value) for value in array.dictionary.to_pylist()]
        return {f"{self.name}{REST_SUFFIX}": compact(spelled_unique(texts, codes_of(array)))}

    def decode(
        self, columns: pa.Table, restored: Mapping[str, pa.DictionaryArray], schema: TableSchema, draws: Draws
    ) -> pa.DictionaryArray:
        """The prefix of the label, and the rest; of a number too long, its last digits."""
        rest = compact(single_array(columns.column(f"{self.name}{REST_SUFFIX}")))
        labels = self._positions(restored, schema)
        width = len(rest.dictionary) + 1
        pairs, rows = np.unique(labels * width + codes_of(rest) + 1, return_inverse=True)
        rests, prefixes = rest.dictionary.to_pylist(), [*self.prefixes, self.other]
        texts, codes = list[str](), list[int]()
        for label, code in zip(*(each.tolist() for each in np.divmod(pairs, width)), strict=True):
            codes.append(len(texts) if code else -1)
            if code:
                texts.append(prefixes[label] + self._padded(rests[code - 1]))
        return compact(spelled_unique(texts, np.array(codes, dtype=np.int32)[rows.ravel()]))

    def describe(self) -> str:
        """The notation."""
        return f"{self.determinant.describe()} -> prefix({quoted(self.name)}, {self.length})"

    def holds(self, columns: pa.Table, schema: TableSchema) -> float:
        """Share of the rows whose value begins with the prefix of their label."""
        if not columns.num_rows:
            return 0.0
        array = single_array(columns.column(self.name))
        arrays = {name: single_array(columns.column(name)) for name in self.determinant.columns}
        prefixes, codes = prefixes_of(array.dictionary.to_pylist(), codes_of(array), self.length)
        known = pa.array([*dict.fromkeys(self.prefixes)], pa.string())
        wanted = np.asarray(pc.index_in(pa.array([*self.prefixes, None], pa.string()), value_set=known).fill_null(-2))
        found = np.asarray(pc.index_in(pa.array([*prefixes, None], pa.string()), value_set=known).fill_null(-1))
        return float((found[codes] == wanted[self._positions(arrays, schema)]).mean())

    def _positions(self, arrays: Mapping[str, pa.DictionaryArray], schema: TableSchema) -> Ints:
        """The index of each row's label; one past the end if it has no prefix of its own."""
        found = self.determinant.positions(arrays, schema, pa.array(self.labels, pa.string()), closest=True)
        return np.where(found < 0, len(self.labels), found)

    def _rest(self, value: str) -> str:
        if self.digits is None:
            return value[self.length :]
        return str(int("0" + "".join(filter(str.isdigit, value))[-self.digits :]))

    def _padded(self, rest: str) -> str:
        if self.digits is None:
            return rest
        return "".join(filter(str.isdigit, rest))[-self.digits :].zfill(self.digits)
