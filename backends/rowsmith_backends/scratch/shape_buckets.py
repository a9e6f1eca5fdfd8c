"""Shape buckets: round batch sizes and lengths, so that the primitives of BLAS and oneDNN are reused.

Setting up a matrix product of a new shape takes a CPU far longer than a few padding rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["bucket_lengths", "round_up"]

# A bucket ends where examples are shorter than this share of its longest one.
_MIN_FILL = 0.8


def round_up(count: int, per_doubling: int = 16) -> int:
    """Round a size up to the next bucket.

    Args:
        count: The size.
        per_doubling: Buckets between two powers of two; a power of two itself.
    """
    step = 1 << max(0, count.bit_length() - per_doubling.bit_length())
    return -(-count // step) * step


def bucket_lengths(lengths: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """The lengths that examples are padded to, ascending.

    Args:
        lengths: Tokens of all examples; if they are all of one length, nothing is padded.
    """
    remaining, buckets = np.unique(lengths), []
    while len(remaining):
        buckets.append(int(remaining[-1]))
        remaining = remaining[remaining < _MIN_FILL * remaining[-1]]
    return tuple(buckets[::-1])
