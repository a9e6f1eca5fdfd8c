"""How many have a value: rows, and groups of rows where rows belong together.

Where the rows of a table belong to groups, a group stands for somebody, and a value that is in many of its rows is
still only theirs. So a value counts as shared when k rows have it and a tenth of the groups, at most k. In tables
of fewer than 20 groups these are rather places or machines than people, of which each has values of its own: there
rows alone count.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["FEWEST_GROUPS", "groups_needed", "groups_of_values"]

Ints = npt.NDArray[np.int64]

FEWEST_GROUPS = 20
"""In tables of fewer groups rows alone count."""
_SHARE = 10


def groups_needed(groups: int, k: int) -> int:
    """How many groups must have a value, besides k rows, for it to be shared.

    Args:
        groups: The groups of the table; 0 where rows stand alone.
        k: The fewest rows.

    Returns:
        At least 1; 1 where rows alone count.
    """
    return min(k, groups // _SHARE) if groups >= FEWEST_GROUPS else 1


def groups_of_values(codes: npt.NDArray[np.int32], groups: Ints, size: int) -> Ints:
    """How many groups have each value.

    Args:
        codes: The number of each row's value; -1 for null.
        groups: The number of each row's group.
        size: How many values there are.
    """
    known = codes >= 0
    pairs = np.unique(groups[known] * np.int64(max(1, size)) + codes[known])
    return np.bincount(pairs % max(1, size), minlength=size).astype(np.int64)
