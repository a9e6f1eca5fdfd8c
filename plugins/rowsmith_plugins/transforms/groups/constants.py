"""Columns that are constant within groups: only the first record of a group has their value."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import distinct, from_codes
from rowsmith.table.frames.decoding import takes
from rowsmith.table.schema import ColumnSchema, ColumnType
from rowsmith_plugins.transforms.common.counting import Counted
from rowsmith_plugins.transforms.groups.bounds import Bounds
from rowsmith_plugins.transforms.rare.coarse_means import coarse_mean, coarse_mean_datetime

__all__ = ["GroupConstant", "constant_names", "fit_constant"]

Ints = npt.NDArray[np.int64]

_MOST_SPARES = 100
_RARE = "_RARE_"


@frozen
class GroupConstant:
    """A column that is the same in every row of a group.

    Attributes:
        name: The column.
        spares: For a column without nulls: values to draw from if a model generates null.
        weights: Frequency of each.
    """

    name: str
    spares: tuple[str, ...]
    weights: tuple[int, ...]

    def first_record_only(self, columns: pa.Table, bounds: Bounds) -> pa.DictionaryArray:
        """The column with null in all but the first row of each group."""
        values, codes = distinct(columns, self.name)
        return from_codes(values, np.where(bounds.first, codes, -1))

    def repeated(self, columns: pa.Table, bounds: Bounds, draws: Draws) -> pa.DictionaryArray:
        """The column with the value of the group's first row in every row."""
        values, codes = distinct(columns, self.name)
        found = codes[bounds.starts].astype(np.int64)
        if self.spares and (found < 0).any():
            known = {value: index for index, value in enumerate(values)}
            spare_codes = np.array([known.setdefault(spare, len(known)) for spare in self.spares])
            ends = np.cumsum(self.weights)
            level = draws.take(bounds.starts).uniform(f"groups.constant.{self.name}") * ends[-1]
            drawn = np.searchsorted(ends, level, side="right").clip(0, len(ends) - 1)
            found, values = np.where(found < 0, spare_codes[drawn], found), list(known)
        return from_codes(values, found[bounds.groups])


def constant_names(columns: pa.Table, names: Collection[str], bounds: Bounds) -> Iterator[str]:
    """Columns that are constant within each group; none if every group is a single row."""
    if bounds.first.all():
        return
    for name in names:
        codes = distinct(columns, name)[1]
        if (bounds.first[1:] | (codes[1:] == codes[:-1])).all():
            yield name


def fit_constant(columns: pa.Table, column: ColumnSchema, bounds: Bounds, k: int) -> GroupConstant:
    """Fit replacements of missing values.

    Args:
        columns: A spelled table.
        column: A column that is the same in all rows of each group.
        bounds: The groups.
        k: Minimum groups of a replacement value.
    """
    values, codes = distinct(columns, column.name)
    firsts = codes[bounds.starts]
    if column.nullable or (firsts < 0).any():
        return GroupConstant(column.name, (), ())
    counts = np.bincount(firsts, minlength=len(values))
    order = np.argsort(-counts, kind="stable")[:_MOST_SPARES]
    common = [int(index) for index in order if counts[index] >= k]
    if not common:
        spare = _replacement(column, Counted(values, firsts, counts), k)
        return GroupConstant(column.name, (spare,), (1,)) if spare is not None else GroupConstant(column.name, (), ())
    return GroupConstant(
        column.name, tuple(values[index] for index in common), tuple(int(counts[index]) for index in common)
    )


def _replacement(column: ColumnSchema, counted: Counted, k: int) -> str | None:
    """The mean of ordered values; a label for categories, if the column takes any; else None."""
    if column.type in (ColumnType.INTEGER, ColumnType.DECIMAL):
        return coarse_mean(column, counted, k)
    if column.type is ColumnType.DATETIME and column.datetime_format is not None:
        return coarse_mean_datetime(column.datetime_format, counted, k)
    if column.type is ColumnType.BOOLEAN:
        return counted.values[int(np.argmax(counted.counts))]
    if takes(column, _RARE):
        return _RARE
    if column.storage.categories is not None:
        return next(iter(column.storage.categories), None)
    return counted.values[int(np.argmax(counted.counts))]
