"""Runs of consecutive places, such as the records of a group, many runs at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["run_places", "run_sums"]

Ints = npt.NDArray[np.int64]


def run_places(starts: Ints, counts: Ints) -> Ints:
    """The places of all runs, one run after another.

    Args:
        starts: Where each run begins; int64 ``[k]``.
        counts: How long it is; int64 ``[k]``.

    Returns:
        int64 ``[sum of counts]``.
    """
    if len(counts) and (counts == counts[0]).all():
        return (starts[:, None] + np.arange(counts[0])).reshape(-1)
    before = np.cumsum(counts) - counts
    places: Ints = np.repeat(starts - before, counts) + np.arange(int(counts.sum()))
    return places


def run_sums(values: Ints, counts: Ints) -> Ints:
    """Sums over consecutive runs of values.

    Args:
        values: Numbers; int64 ``[sum of counts]``.
        counts: How many of them belong to each run; int64 ``[k]``.

    Returns:
        int64 ``[k]``.
    """
    ends = np.cumsum(counts)
    totals = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values)])
    sums: Ints = totals[ends] - totals[ends - counts]
    return sums
