"""Rows as hashes, so that equal rows of large tables are found by sorting.

A row's hash is the sum, modulo 2^64, of a random number for each of its values (Zobrist 1970); taking one column's
number away gives the hash of all other columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.evaluation import ColumnKind, EvaluatedColumn, EvaluationTables, Part

__all__ = ["Hashes", "RowHashes", "compared_columns", "in_other_units", "row_hashes", "units_of"]

Bits = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_LEAST_BITS = 20.0
_BITS_BEYOND_ROWS = 5.0


@frozen(eq=False)
class RowHashes:
    """Hashes of the rows of each part, and how much information rows hold.

    Attributes:
        columns: The columns that are compared.
        numbers: A random number for each label of each column; the last is that of nulls.
        bits: For each column, -log2 of the share of real rows with each label; the last is that of nulls.
        hashes: The hash of each row.
        information: The sum of the bits of each row's values.
        needed: Bits that distinguish a row from one that equals a training row by chance.
    """

    columns: tuple[EvaluatedColumn, ...]
    numbers: tuple[Hashes, ...]
    bits: tuple[Bits, ...]
    hashes: Mapping[Part, Hashes]
    information: Mapping[Part, Bits]
    needed: float

    def without(self, index: int, part: Part) -> Hashes:
        """The hash of each row, leaving out one column."""
        return self.hashes[part] - self.numbers[index][self.columns[index].codes[part]]

    def information_without(self, index: int, part: Part) -> Bits:
        """The bits of each row, leaving out one column."""
        return self.information[part] - self.bits[index][self.columns[index].codes[part]]

    def informative(self, part: Part) -> Flags:
        """Whether each row holds enough information."""
        return self.information[part] >= self.needed


def compared_columns(tables: EvaluationTables) -> tuple[EvaluatedColumn, ...]:
    """The columns by which rows are compared: all but those that only identify rows or groups, and times of series.

    A copy with a new identifier is a copy still. The times of a series are those that were asked for, so that a value
    which occurs at the same time in both tables is no copy.
    """
    apart = {*tables.group_by, tables.time_column}
    return tuple(column for column in tables.columns if column.kind is not ColumnKind.KEY and column.name not in apart)


def row_hashes(tables: EvaluationTables, columns: Sequence[EvaluatedColumn]) -> RowHashes:
    """Hash the rows of all parts.

    A row needs 20 bits, in large tables log2 of the training rows and 5: rows that are drawn value by value equal
    one of so many rows less often than once in 32.
    """
    generator = tables.generator("row-hashes")
    rows = tables.sizes[Part.REAL]
    numbers, bits = list[Hashes](), list[Bits]()
    hashes = {part: np.zeros(size, dtype=np.uint64) for part, size in tables.sizes.items()}
    information = {part: np.zeros(size) for part, size in tables.sizes.items()}
    for column in columns:
        numbers.append(generator.integers(2**64, size=len(column.labels) + 1, dtype=np.uint64))
        counts = np.append(column.counts(Part.REAL), column.nulls(Part.REAL).sum())
        bits.append(-np.log2((counts + 0.5) / (rows + 0.5)))
        for part in tables.sizes:
            hashes[part] += numbers[-1][column.codes[part]]
            information[part] += bits[-1][column.codes[part]]
    return RowHashes(
        columns=tuple(columns),
        numbers=tuple(numbers),
        bits=tuple(bits),
        hashes=hashes,
        information=information,
        needed=max(_LEAST_BITS, float(np.log2(rows)) + _BITS_BEYOND_ROWS),
    )


def units_of(tables: EvaluationTables, part: Part) -> Ints:
    """Whose each row is: the number of its group; every row is its own where rows are independent."""
    return tables.groups.get(part, np.arange(tables.sizes[part]))


def in_other_units(hashes: Hashes, units: Ints) -> Flags:
    """Whether each row equals one of another unit of the same table.

    Of rows drawn independently this happens as often as that a new row equals one of the table.
    """
    order = np.lexsort((units, hashes))
    key, unit = hashes[order], units[order]
    again = key[1:] == key[:-1]
    index = np.concatenate([[0], np.cumsum(~again)])
    several = np.bincount(index[1:], again & (unit[1:] != unit[:-1]), minlength=int(index[-1]) + 1) > 0
    found = np.empty(len(hashes), dtype=np.bool_)
    found[order] = several[index]
    return found
