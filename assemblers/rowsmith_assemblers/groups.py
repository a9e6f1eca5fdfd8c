"""Which records belong to a group, and in which order: by value, whatever Arrow types the columns have."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from attrs import frozen

from rowsmith.assembly.ranges import Rows
from rowsmith.assembly.token_store import Ints, TokenStore
from rowsmith.errors import DataError, ParameterError
from rowsmith.sequences import group_numbers, groups_begun_by
from rowsmith.storage.memory_map import spooled
from rowsmith.table.columns import Codes
from rowsmith.table.row_ranges import range_indices
from rowsmith.table.types.datetimes import find_format, parse_datetimes
from rowsmith.table.types.spelling import parse_numbers

if TYPE_CHECKING:
    from datasets import Dataset

    from rowsmith.table.schema import ModelSchema

__all__ = ["Groups", "column_names", "columns_at_hand", "find_groups", "given_groups", "group_values", "taken"]

_logger = logging.getLogger(__name__)


@frozen(eq=False)
class Groups:
    """Records by group.

    Attributes:
        order: Record numbers, group after group, those of a group in their order.
        bounds: Where in ``order`` each group begins, and at last where the last one ends; int64
            ``[groups + 1]``.
    """

    order: Rows
    bounds: Ints

    @classmethod
    def of(cls, numbers: Ints, order_by: pa.Array | None = None) -> Groups:
        """Arrange records.

        Args:
            numbers: The number of each record's group; int64 ``[n]``.
            order_by: What the records of a group are ordered by, ties as they stand and nulls last; None leaves
                them as they stand.
        """
        if order_by is not None:
            keys = [("group", "ascending"), ("order", "ascending")]
            order = pc.sort_indices(pa.table({"group": numbers, "order": order_by}), sort_keys=keys).to_numpy()
        elif (np.diff(numbers) >= 0).all():
            order = np.arange(len(numbers))
        else:
            order = np.argsort(numbers, kind="stable")
        order = order.astype(np.int32 if len(order) < 2**31 else np.int64)
        sorted_numbers = numbers[order]
        cuts = np.flatnonzero(sorted_numbers[1:] != sorted_numbers[:-1]) + 1
        return cls(spooled(order), np.concatenate([[0], cuts, [len(order)]] if len(order) else [[0]]).astype(np.int64))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def sizes(self) -> Ints:
        """Records of each group; int64 ``[groups]``."""
        return np.diff(self.bounds)

    def rows(self, numbers: Ints) -> Rows:
        """The records of some groups, group after group.

        Args:
            numbers: Group numbers.
        """
        return self.order[range_indices(self.bounds[numbers], self.sizes[numbers])]


def find_groups(
    dataset: Dataset | pa.Table,
    numbers: Ints | None,
    schema: ModelSchema | None,
    group_by: Sequence[str],
    order_by: str | None,
    format_: str | None = None,
) -> Groups:
    """Group the records of a dataset by their numbers; where none are given, by the step column, or by value.

    Args:
        dataset: The records.
        numbers: The number of each record's group, of records that stand in order; None to find groups and order.
        schema: The model's columns. If it has a step column, that begins the groups, and records stand in
            order.
        group_by: The columns whose values together make a group; none for one group.
        order_by: The column that orders the records of a group; None leaves them as they stand. Records without
            a value are the last of their group.
        format_: How its date-times are written when they are text; found out when None.

    Raises:
        DataError: A group value is missing, or the order column cannot be ordered.
    """
    if numbers is not None:
        return Groups.of(numbers)
    step = schema.step if schema is not None else None
    if step is not None:
        return Groups.of(groups_begun_by(_column(dataset, step.name).is_null().to_numpy(zero_copy_only=False)))
    codes = {name: _codes(_column(dataset, name)) for name in group_by}
    found = group_numbers(codes, len(dataset), "group_training_examples_by")
    return Groups.of(found, None if order_by is None else _order_values(dataset, order_by, format_))


def given_groups(groups: Ints | None, store: TokenStore | None, rows: int) -> Ints | None:
    """The number of each record's group where it is given: by itself, or in the token store.

    Args:
        groups: The numbers, or None.
        store: Tokens of the records, perhaps with the numbers; or None.
        rows: How many records there are.

    Raises:
        ParameterError: There are more numbers, or fewer, than records.
    """
    if groups is not None and len(groups) != rows:
        raise ParameterError(f"groups has {len(groups)} numbers and the dataset has {rows} records; give one for each")
    return groups if groups is not None or store is None else store.groups


def columns_at_hand(
    dataset: Dataset | pa.Table, numbers: Ints | None, schema: ModelSchema | None, names: dict[str, str]
) -> list[str]:
    """The columns of groups and order that the dataset has; all of them, unless ``find_groups`` needs none.

    Args:
        dataset: The records.
        numbers: The number of each record's group, or None.
        schema: The model's columns, or None.
        names: The columns, each with the name of the argument that names it.

    Raises:
        ParameterError: A column is missing that is needed.
    """
    known_otherwise = numbers is not None or (schema is not None and schema.step is not None)
    missing = [name for name in names if name not in dataset.column_names]
    if missing and not known_otherwise:
        known = ", ".join(map(repr, dataset.column_names))
        raise ParameterError(
            f"{names[missing[0]]} names {missing[0]!r}, which is not a column; the columns are {known}"
        )
    return [name for name in names if name in dataset.column_names]


def column_names(by: str | Sequence[str], what: str) -> tuple[str, ...]:
    """The columns of an argument that names one or several.

    Args:
        by: A name or a sequence of names.
        what: The argument's name.

    Raises:
        ParameterError: There is none, or one twice.
    """
    names = (by,) if isinstance(by, str) else tuple(by)
    if not names:
        raise ParameterError(f"{what} is empty; name at least one column")
    if len(set(names)) < len(names):
        raise ParameterError(f"{what} names a column twice: {', '.join(map(repr, names))}")
    return names


def _codes(column: pa.Array) -> Codes:
    """The code of each value, -1 where there is none; NaN is none."""
    codes = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    numbers = codes.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.where(_absent(column), -1, numbers).astype(np.int32)


def _order_values(dataset: Dataset | pa.Table, name: str, format_: str | None = None) -> pa.Array:
    """What records are ordered by: numbers as numbers, date-times as times.

    Args:
        dataset: The records.
        name: The column.
        format_: How its date-times are written when they are text; found out when None.

    Returns:
        Numbers, date-times or booleans, null where there is no value; Arrow ``[n]``.

    Raises:
        DataError: Text is neither numbers nor date-times of one format.
    """
    column = _column(dataset, name)
    absent = _absent(column)
    if absent.any():
        _logger.warning(
            "column %r has no value in %d of %d rows; they are the last of their group", name, absent.sum(), len(absent)
        )
    if absent.all():
        return pa.array(np.zeros(len(absent), dtype=np.int8))
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    values = column.dictionary
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        # A dictionary may hold values that no row uses; they are not to decide how the others are read.
        column = pc.take(values, column.indices).dictionary_encode()
        values = _read(column.dictionary.cast(pa.string()), name, format_)
    # NaN is no value, too; as a number it would come before null.
    return pc.if_else(pa.array(absent), pa.scalar(None, values.type), values.take(column.indices))


def _read(texts: pa.Array, name: str, format_: str | None) -> pa.Array:
    if format_ is None:
        for numbers in (_whole_numbers, parse_numbers):
            with suppress(DataError, pa.ArrowInvalid):
                return pa.array(numbers(texts))
        format_ = find_format(texts, wide=True)
    if format_ is None:
        raise DataError(
            f"column {name!r} orders the records, and its text is neither numbers nor date-times of one format "
            f"({texts[0].as_py()!r} is the first); name another column, or give the format of its date-times"
        )
    try:
        return pa.array(parse_datetimes(texts, format_))
    except DataError as error:
        raise DataError(f"column {name!r} orders the records: {error}") from None


def _whole_numbers(texts: pa.Array) -> pa.Array:
    """Exact where doubles are not."""
    return pc.cast(texts, pa.int64())


def _column(dataset: Dataset | pa.Table, name: str) -> pa.Array:
    table = dataset if isinstance(dataset, pa.Table) else dataset.select_columns([name]).with_format("arrow")[:]
    column = table.column(name)
    if pa.types.is_dictionary(column.type):
        return column.unify_dictionaries().combine_chunks()
    return column.combine_chunks()


def _absent(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Which rows have no value."""
    coded = pa.types.is_dictionary(column.type)
    absent = pc.is_null(column.dictionary if coded else column, nan_is_null=True)
    if coded:
        absent = pc.fill_null(absent.take(column.indices), True)
    missing: npt.NDArray[np.bool_] = absent.to_numpy(zero_copy_only=False)
    return missing


def taken(dataset: Dataset | pa.Table, rows: Rows) -> Dataset | pa.Table:
    """Some records.

    Args:
        dataset: The records.
        rows: Their numbers.
    """
    return dataset.take(rows) if isinstance(dataset, pa.Table) else dataset.select(rows)


def group_values(dataset: Dataset | pa.Table, names: Sequence[str], rows: Rows) -> list[tuple[Any, ...]]:
    """What groups are called: their values in the group columns.

    Args:
        dataset: The records.
        names: The group columns; those that the dataset has not are left out.
        rows: A record of each group.
    """
    known = [name for name in names if name in dataset.column_names]
    if not known:
        return [()] * len(rows)
    part = taken(dataset, rows)
    return list(zip(*(_column(part, name).to_pylist() for name in known), strict=True))
