"""Which records stand together in an example, from their lengths alone."""

from __future__ import annotations

import numpy as np

from rowsmith.token_store import Ints

__all__ = ["pack"]


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
    ends = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])
    following = np.searchsorted(ends, ends[:-1] + room, side="right") - 1
    if cap is not None:
        following = np.minimum(following, np.arange(count) + cap)
    starts = _starts(following)
    return starts, np.append(starts[1:], count)[: len(starts)]


def _starts(following: Ints) -> Ints:
    """The places met from 0 to the end; ``following`` says where the example that begins at each ends."""
    count = len(following)
    step = int(following[0]) if count else 1
    if (following == np.minimum(np.arange(count) + step, count)).all():
        return np.arange(0, count, step)
    return np.array(_jumps(following.tolist()), dtype=np.int64)


def _jumps(following: list[int]) -> list[int]:
    places = []
    place = 0
    while place < len(following):
        places.append(place)
        place = following[place]
    return places
