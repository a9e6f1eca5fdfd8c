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

__all__ = ["Groups", "available_columns", "column_names", "find_groups", "given_groups", "group_values", "select"]

_logger = logging.getLogger(__name__)


@frozen(eq=False)
class Groups:
    """Records sorted by group.

    Attributes:
        order: Record numbers, group after group, those of a group in their order.
        bounds: Where in ``order`` each group begins, and finally where the last one ends; int64
            ``[groups + 1]``.
    """

    order: Rows
    bounds: Ints

    @classmethod
    def of(cls, numbers: Ints, order_by: pa.Array | None = None) -> Groups:
        """Sort records by group and order.

        Args:
            numbers: The number of each record's group; int64 ``[n]``.
            order_by: Order values of the records, with a stable sort and nulls last; None keeps
                the given order.
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
    """Group the records of a dataset: by given numbers, else by the step column, else by value.

    Args:
        dataset: The records.
        numbers: The number of each record's group, of sorted records; None to find groups and order.
        schema: The model's columns. If it has a step column, that marks the first records of groups, and records are
            sorted.
        group_by: The columns whose values together make a group; none for one group.
        order_by: The column that orders the records of a group; None keeps the order of the dataset. Records without
            a value are the last of their group.
        format_: Format of its date-times if they are text; None detects it.

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
    """The number of each record's group if given: directly, or in the token store.

    Args:
        groups: The numbers, or None.
        store: The tokenized records, possibly with group numbers; or None.
        rows: Number of records.

    Raises:
        ParameterError: There are more numbers, or fewer, than records.
    """
    if groups is not None and len(groups) != rows:
        raise ParameterError(f"groups has {len(groups)} numbers and the dataset has {rows} records; give one for each")
    return groups if groups is not None or store is None else store.groups


def available_columns(
    dataset: Dataset | pa.Table, numbers: Ints | None, schema: ModelSchema | None, names: dict[str, str]
) -> list[str]:
    """The columns of groups and order that the dataset has; an error if one is missing that ``find_groups`` needs.

    Args:
        dataset: The records.
        numbers: The number of each record's group, or None.
        schema: The model's columns, or None.
        names: The columns, each with the name of the argument that names it.

    Raises:
        ParameterError: A required column is missing.
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
    """The column names of an argument that is one name or a sequence.

    Args:
        by: A name or a sequence of names.
        what: The argument's name.

    Raises:
        ParameterError: There are none, or one is repeated.
    """
    names = (by,) if isinstance(by, str) else tuple(by)
    if not names:
        raise ParameterError(f"{what} is empty; name at least one column")
    if len(set(names)) < len(names):
        raise ParameterError(f"{what} names a column twice: {', '.join(map(repr, names))}")
    return names


def _codes(column: pa.Array) -> Codes:
    """The code of each value; -1 for null and NaN."""
    codes = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    numbers = codes.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.where(_missing(column), -1, numbers).astype(np.int32)


def _order_values(dataset: Dataset | pa.Table, name: str, format_: str | None = None) -> pa.Array:
    """Order values of records: numbers as numbers, date-times as times.

    Args:
        dataset: The records.
        name: The column.
        format_: Format of its date-times if they are text; None detects it.

    Returns:
        Numbers, date-times or booleans, null for missing values; Arrow ``[n]``.

    Raises:
        DataError: Text is neither numbers nor date-times of one format.
    """
    column = _column(dataset, name)
    absent = _missing(column)
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
        # A dictionary may hold values that no row uses; these must not decide how the others are read.
        column = pc.take(values, column.indices).dictionary_encode()
        values = _read(column.dictionary.cast(pa.string()), name, format_)
    # NaN counts as missing; as a number it would sort before null.
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
    """Exact for integers that doubles cannot represent."""
    return pc.cast(texts, pa.int64())


def _column(dataset: Dataset | pa.Table, name: str) -> pa.Array:
    table = dataset if isinstance(dataset, pa.Table) else dataset.select_columns([name]).with_format("arrow")[:]
    column = table.column(name)
    if pa.types.is_dictionary(column.type):
        return column.unify_dictionaries().combine_chunks()
    return column.combine_chunks()


def _missing(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Mask of rows without a value."""
    coded = pa.types.is_dictionary(column.type)
    absent = pc.is_null(column.dictionary if coded else column, nan_is_null=True)
    if coded:
        absent = pc.fill_null(absent.take(column.indices), True)
    missing: npt.NDArray[np.bool_] = absent.to_numpy(zero_copy_only=False)
    return missing


def select(dataset: Dataset | pa.Table, rows: Rows) -> Dataset | pa.Table:
    """Select records.

    Args:
        dataset: The records.
        rows: Their numbers.
    """
    return dataset.take(rows) if isinstance(dataset, pa.Table) else dataset.select(rows)


def group_values(dataset: Dataset | pa.Table, names: Sequence[str], rows: Rows) -> list[tuple[Any, ...]]:
    """The values of groups in the group columns.

    Args:
        dataset: The records.
        names: The group columns; those that the dataset does not have are left out.
        rows: A record of each group.
    """
    known = [name for name in names if name in dataset.column_names]
    if not known:
        return [()] * len(rows)
    part = select(dataset, rows)
    return list(zip(*(_column(part, name).to_pylist() for name in known), strict=True))
