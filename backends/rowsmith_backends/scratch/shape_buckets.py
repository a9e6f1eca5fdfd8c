"""Few shapes instead of many: matrix products of a shape that was not met before are set up first.

A CPU's library takes far longer for that than for a few blank rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["bucket_lengths", "rounded"]

# A bucket ends where examples are shorter than this share of its longest one.
_LEAST_FILLED = 0.8


def rounded(count: int, between: int = 16) -> int:
    """The next of some numbers between two powers of two.

    Args:
        count: At least this many.
        between: How many numbers there are between two powers of two, a power of two itself.
    """
    step = 1 << max(0, count.bit_length() - between.bit_length())
    return -(-count // step) * step


def bucket_lengths(lengths: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """The lengths that examples are filled up to, ascending.

    Args:
        lengths: Tokens of all examples. Where these are all of one length, none is filled up.
    """
    left, found = np.unique(lengths), []
    while len(left):
        found.append(int(left[-1]))
        left = left[left < _LEAST_FILLED * left[-1]]
    return tuple(found[::-1])
