"""The categories of a fixed set that may be learned: those of enough rows.

The dtype of a column lists its categories, whether a row has them or not. Without this step, a model and its generated
tables would reveal categories that only one row had.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import evolve

from rowsmith.table.columns import single_array, take_rows
from rowsmith.table.frames.decoding import takes
from rowsmith.table.schema import ColumnSchema, TableSchema
from rowsmith_plugins.transforms.common.counting import count_shared
from rowsmith_plugins.transforms.options import ProtectRareOptions
from rowsmith_plugins.transforms.rare.invented import invent_rare

__all__ = ["narrowed"]

Ints = npt.NDArray[np.int64]


def narrowed(
    columns: pa.Table, schema: TableSchema, groups: Ints | None, options: ProtectRareOptions, seed: int
) -> TableSchema:
    """A schema whose fixed sets of categories have only frequent categories and a replacement of rare ones.

    The replacement is the label of the options, or invented categories.

    Args:
        columns: The spelled training table.
        schema: Its schema.
        groups: The number of each row's group; None for plain tables.
        options: What is rare, and which columns are excluded.
        seed: Seed of invented categories.
    """
    return evolve(
        schema,
        columns=tuple(
            column
            if column.storage.categories is None or column.name in options.exclude
            else _narrowed(columns, column, groups, options, seed)
            for column in schema
        ),
    )


def _narrowed(
    columns: pa.Table, column: ColumnSchema, groups: Ints | None, options: ProtectRareOptions, seed: int
) -> ColumnSchema:
    columns = columns.select([column.name])
    if groups is not None and _constant_in_groups(columns, column.name, groups):
        firsts = np.unique(groups, return_index=True)[1]
        columns, groups = take_rows(columns, firsts), None
    counted = count_shared(columns, column.name, groups)
    shared = counted.shared(options.k)
    found = {value for value, enough in zip(counted.values, shared.tolist(), strict=True) if enough}
    frequent = tuple(each for each in column.storage.categories or () if each in found)
    labelled = not frequent or (options.replacement == "constant" and len(found) < len(counted.values))
    plain = evolve(column.storage, dtype=column.storage.categories_dtype, categories=None)
    free = evolve(column, storage=plain)
    invented = invent_rare(free, counted, options.k, seed)[0] if options.replacement == "resample" else ()
    if invented:
        frequent = (*frequent, *invented)
    elif labelled and counted.values and takes(free, options.label):
        frequent = tuple(dict.fromkeys((*frequent, options.label)))
    nullable = column.nullable or not frequent
    return evolve(column, nullable=nullable, storage=evolve(column.storage, categories=frequent))


def _constant_in_groups(columns: pa.Table, name: str, groups: Ints) -> bool:
    """Whether all rows of a group have the same value, in every group; then each group counts once."""
    codes = single_array(columns.column(name)).indices.fill_null(-1).to_numpy(zero_copy_only=False)
    order = np.argsort(groups, kind="stable")
    same = groups[order][1:] == groups[order][:-1]
    return bool(same.any() and (codes[order][1:] == codes[order][:-1])[same].all())
