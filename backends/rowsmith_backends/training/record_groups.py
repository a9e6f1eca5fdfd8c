"""Which records of a transformed table belong together."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from rowsmith.assembly.token_store import Ints
from rowsmith.table.columns import codes_of, single_array
from rowsmith.table.schema import ModelSchema

__all__ = ["longest_sequence", "record_groups"]


def record_groups(columns: pa.Table, schema: ModelSchema) -> Ints | None:
    """The number of each record's group, int64 ``[records]``; None when records stand alone.

    Args:
        columns: The spelled training table after all transforms.
        schema: Its model schema; the first record of a group has no step.
    """
    if schema.step is None:
        return None
    first = codes_of(single_array(columns.column(schema.step.name))) < 0
    numbers: Ints = np.maximum(np.cumsum(first) - 1, 0)
    return numbers


def longest_sequence(lengths: Ints, groups: Ints | None) -> int:
    """Tokens of the longest record, or of the longest group.

    Args:
        lengths: Tokens of each record; at least one.
        groups: The number of each record's group; None when records stand alone.
    """
    return int(lengths.max() if groups is None else np.bincount(groups, weights=lengths).max())
