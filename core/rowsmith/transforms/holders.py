"""How many rows and groups have a value: whether it is shared or rare.

In grouped tables a group usually is one person, and a value that is in many rows of one group is
still only that person's. So a value is shared if k rows and a tenth of the groups (at most k) have it. In tables
of fewer than 20 groups, groups are more likely sites or machines, each with values of its own; there only
rows count.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["FEWEST_GROUPS", "groups_needed", "groups_of_values"]

Ints = npt.NDArray[np.int64]

FEWEST_GROUPS = 20
"""In tables of fewer groups only rows count."""
_SHARE = 10


def groups_needed(groups: int, k: int) -> int:
    """How many groups must have a value, besides k rows, for it to be shared.

    Args:
        groups: Number of groups; 0 if rows are not grouped.
        k: The least number of rows.

    Returns:
        At least 1; 1 if only rows count.
    """
    return min(k, groups // _SHARE) if groups >= FEWEST_GROUPS else 1


def groups_of_values(codes: npt.NDArray[np.int32], groups: Ints, size: int) -> Ints:
    """How many groups have each value.

    Args:
        codes: The number of each row's value; -1 for null.
        groups: The number of each row's group.
        size: Number of values.
    """
    known = codes >= 0
    pairs = np.unique(groups[known] * np.int64(max(1, size)) + codes[known])
    return np.bincount(pairs % max(1, size), minlength=size).astype(np.int64)
