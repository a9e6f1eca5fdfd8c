"""Packing of consecutive records into examples by their lengths."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import numpy as np

from rowsmith.assembly.token_store import Ints

__all__ = ["pack", "windows"]

_FEW = 16
"""From this many records per example, searching the end of each example is faster than computing all ends at once."""


def pack(lengths: Ints, room: int, cap: int | None = None) -> tuple[Ints, Ints]:
    """Fill examples with consecutive records, each filled as far as possible (next fit).

    Args:
        lengths: Tokens of each record, in order; none longer than ``room``; int64 ``[n]``.
        room: Tokens that the records of one example may take.
        cap: The most records of one example; None for no limit.

    Returns:
        Where each example begins and where it ends, exclusive; int64 ``[examples]`` each.
    """
    count = len(lengths)
    if count and (lengths == lengths[0]).all():
        fitting = room // int(lengths[0]) if lengths[0] else count
        starts = np.arange(0, count, fitting if cap is None else min(fitting, cap))
    elif cap == 1 or not count:
        starts = np.arange(count)
    else:
        starts = _starts(np.cumsum(lengths, dtype=np.int64), room, cap or count)
    return starts, np.append(starts[1:], count)[: len(starts)]


def windows(
    lengths: Ints, begins: Ints, stops: Ints, budget: Callable[[int], Ints], cap: int | None = None
) -> tuple[Ints, Ints]:
    """Cut runs of records into consecutive windows, each as long as its budget allows.

    Args:
        lengths: Tokens of each record, in order; int64 ``[n]``.
        begins: Where each run begins; ascending; int64 ``[runs]``.
        stops: Where it ends, exclusive; no run is empty; int64 ``[runs]``.
        budget: Gives the token budgets of ``n`` windows: int64 ``[n]``. The first
            record of a window belongs to it even if it exceeds the budget.
        cap: The most records of one window; None for no limit.

    Returns:
        Where each window begins and where it ends, exclusive, run after run; int64 ``[windows]`` each.
    """
    ends = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])
    found = [(begins[:0], stops[:0])]
    start, last = begins, stops
    while len(start):
        reached = np.searchsorted(ends, ends[start] + budget(len(start)), side="right") - 1
        most = last if cap is None else np.minimum(last, start + cap)
        until = np.clip(reached, start + 1, most)
        found.append((start, until))
        going = until < last
        start, last = until[going], last[going]
    starts = np.concatenate([start for start, _ in found])
    order = np.argsort(starts)
    return starts[order], np.concatenate([stop for _, stop in found])[order]


def _starts(ends: Ints, room: int, cap: int) -> Ints:
    """Starts of examples, given the ends of records."""
    count = len(ends)
    if count < _FEW * (ends[-1] // room + 1):
        begins = np.append(np.zeros(1, dtype=np.int64), ends[:-1])
        following = np.searchsorted(ends, begins + room, side="right")
        return _follow(np.minimum(following, np.arange(count) + cap).tolist())
    starts, start, begin = [], 0, 0
    while start < count:
        starts.append(start)
        start = bisect_right(ends, begin + room, start, min(count, start + cap))
        begin = int(ends[start - 1])
    return np.array(starts, dtype=np.int64)


def _follow(following: list[int]) -> Ints:
    """Starts of examples from 0 on; ``following`` has the end of the example that begins at each record."""
    starts = []
    start = 0
    while start < len(following):
        starts.append(start)
        start = following[start]
    return np.array(starts, dtype=np.int64)
