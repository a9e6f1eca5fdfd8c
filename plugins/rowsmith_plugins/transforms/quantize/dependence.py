"""Test of independence between the position of a number inside its bin and the other columns.

An independent position is noise to a model: it costs a token, and a model that is trained for long memorises
rows by it. The test compares means: under independence, the scaled mean position of a group of rows has
variance 1, so the sum of squares over groups is chi-squared; half of the excess over that, by row, is about
the information in nats that the groups have about the position. Groups are
taken over the whole column, which finds weak trends, and inside each bin, which finds trends that
change from bin to bin; first and second moments of the position are tested.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowsmith.table.schema import ColumnType, TableSchema
from rowsmith.table.types.spelling import parse_numbers
from rowsmith_plugins.transforms.common.counting import count_values

__all__ = ["Groups", "depends", "groups_of"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.uint8]

_GROUPS = 20
_FEWEST_ROWS = 20
_CERTAIN = 5.0
"""Standard deviations above the expected value under independence."""
_WORTH = 0.01
"""Nats per row below which a dependence is not worth a token."""


def groups_of(columns: pa.Table, schema: TableSchema, name: str) -> Groups:
    """The rows of a column in at most about 20 groups.

    Args:
        columns: A spelled table.
        schema: Its schema.
        name: The column; numbers with many values are cut by size, others by their commonest values.

    Returns:
        The group of each row, as uint8; nulls are a group too.
    """
    counted = count_values(columns, name)
    if schema[name].type in (ColumnType.INTEGER, ColumnType.DECIMAL) and len(counted.values) > _GROUPS:
        order = np.argsort(parse_numbers(counted.values), kind="stable")
        below = np.cumsum(counted.counts[order]) - counted.counts[order]
        group_of = np.empty(len(order), dtype=np.int64)
        group_of[order] = below * _GROUPS // max(1, counted.rows)
    else:
        group_of = np.argsort(np.argsort(-counted.counts, kind="stable")).clip(max=_GROUPS)
    return np.append(group_of, _GROUPS + 1).astype(np.uint8)[counted.codes]


def depends(positions: Floats, bins: Ints, others: Iterable[Groups]) -> bool:
    """Whether positions inside bins depend on any other column, enough to be worth a token.

    Args:
        positions: Position of each row's number in its bin, from 0 to 1.
        bins: The bin of each row.
        others: For each other column, the group of each row.
    """
    moments = [_scaled(positions, bins), _scaled(_scaled(positions, bins) ** 2, bins)]
    return any(
        _is_informative(moment, keys)
        for groups in others
        for moment in moments
        for keys in (groups.astype(np.int64), bins * (_GROUPS + 2) + groups)
    )


def _scaled(values: Floats, bins: Ints) -> Floats:
    """Values with mean 0 and variance 1 inside each bin."""
    rows = np.bincount(bins).clip(min=1)
    centred = values - (np.bincount(bins, weights=values) / rows)[bins]
    spread = np.sqrt(np.bincount(bins, weights=centred**2) / rows)
    scaled: Floats = centred / np.where(spread > 0, spread, 1.0)[bins]
    return scaled


def _is_informative(values: Floats, keys: Ints) -> bool:
    """Whether the groups have significant and sufficient information about the values."""
    rows = np.bincount(keys)
    totals = np.bincount(keys, weights=values)
    large = rows >= _FEWEST_ROWS
    groups = int(large.sum())
    if groups < 2:
        return False
    excess = float((totals[large] ** 2 / rows[large]).sum()) - groups
    return excess > _CERTAIN * np.sqrt(2 * groups) and excess > 2 * _WORTH * len(values)
