"""Which records stand together in an example, from their lengths alone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import numpy as np

from rowsmith.assembly.token_store import Ints

__all__ = ["pack", "windows"]

_FEW = 16
"""From so many records an example on, searching each example's end beats finding all records' at once."""


def pack(lengths: Ints, room: int, cap: int | None = None) -> tuple[Ints, Ints]:
    """Fill examples with consecutive records, each as far as it goes (next fit).

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
    """Cut runs of records into windows that follow each other, each as long as its budget allows.

    Args:
        lengths: Tokens of each record, in order; int64 ``[n]``.
        begins: Where each run begins; rising; int64 ``[runs]``.
        stops: Where it ends, exclusive; no run is empty; int64 ``[runs]``.
        budget: Gives the budgets of some windows, in tokens: int64, as many as it is asked for. A first
            record beyond its window's budget stands in the window nevertheless.
        cap: The most records of one window; None for no limit.

    Returns:
        Where each window begins and where it ends, exclusive, run after run; int64 ``[windows]`` each.
    """
    ends = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])
    found = [(begins[:0], stops[:0])]
    place, last = begins, stops
    while len(place):
        reached = np.searchsorted(ends, ends[place] + budget(len(place)), side="right") - 1
        most = last if cap is None else np.minimum(last, place + cap)
        until = np.clip(reached, place + 1, most)
        found.append((place, until))
        going = until < last
        place, last = until[going], last[going]
    starts = np.concatenate([start for start, _ in found])
    order = np.argsort(starts)
    return starts[order], np.concatenate([stop for _, stop in found])[order]


def _starts(ends: Ints, room: int, cap: int) -> Ints:
    """Where examples begin, from where records end."""
    count = len(ends)
    if count < _FEW * (ends[-1] // room + 1):
        begins = np.append(np.zeros(1, dtype=np.int64), ends[:-1])
        following = np.searchsorted(ends, begins + room, side="right")
        return _jumps(np.minimum(following, np.arange(count) + cap).tolist())
    starts, place, begin = [], 0, 0
    while place < count:
        starts.append(place)
        place = bisect_right(ends, begin + room, place, min(count, place + cap))
        begin = int(ends[place - 1])
    return np.array(starts, dtype=np.int64)


def _jumps(following: list[int]) -> Ints:
    """The places met from 0 to the end; ``following`` says where the example that begins at each ends."""
    places = []
    place = 0
    while place < len(following):
        places.append(place)
        place = following[place]
    return np.array(places, dtype=np.int64)
