"""Index ranges, such as the records of each group, many at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["range_indices", "range_sums"]

Ints = npt.NDArray[np.int64]


def range_indices(starts: Ints, counts: Ints) -> Ints:
    """The indices in all ranges, one range after another.

    Args:
        starts: First index of each range; int64 ``[k]``.
        counts: Length of each range; int64 ``[k]``.

    Returns:
        int64 ``[sum of counts]``.
    """
    if len(counts) and (counts == counts[0]).all():
        return (starts[:, None] + np.arange(counts[0])).reshape(-1)
    before = np.cumsum(counts) - counts
    indices: Ints = np.repeat(starts - before, counts) + np.arange(int(counts.sum()))
    return indices


def range_sums(values: Ints, counts: Ints) -> Ints:
    """Sums over consecutive ranges of values.

    Args:
        values: Numbers; int64 ``[sum of counts]``.
        counts: Length of each range; int64 ``[k]``.

    Returns:
        int64 ``[k]``.
    """
    ends = np.cumsum(counts)
    totals = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values)])
    sums: Ints = totals[ends] - totals[ends - counts]
    return sums
