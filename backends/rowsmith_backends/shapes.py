"""Few shapes instead of many: matrix products of a shape that was not met before are set up first.

A CPU's library takes far longer for that than for a few blank rows.
"""

from __future__ import annotations

__all__ = ["rounded"]


def rounded(count: int) -> int:
    """The next of sixteen numbers between two powers of two."""
    step = 1 << max(0, count.bit_length() - 5)
    return -(-count // step) * step
