"""What two samples of one source differ by: no finding is smaller than that.

A band is exceeded about once in ten thousand times: a wide table has hundreds of columns and thousands of pairs.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["mean_band", "share_band", "steps_band", "unseen_share", "variation_band", "wilson"]

_DEVIATIONS = 4.0
_LEVEL = 1e-4
_NORMAL_95 = 1.96

Counts = npt.NDArray[np.int64]


def unseen_share(rows: int) -> float:
    """The greatest share that something can have and still be in none of so many rows."""
    return float(1 - _LEVEL ** (1 / max(1, rows)))


def share_band(share: float, first_rows: int, second_rows: int) -> float:
    """How far apart the shares of something are in two samples.

    Args:
        share: Its share; none or all count as half a row away from that.
        first_rows: Rows of one sample.
        second_rows: Rows of the other.
    """
    rows = max(1, min(first_rows, second_rows))
    usual = min(max(share, 0.5 / rows), 1 - 0.5 / rows)
    deviation = math.sqrt(usual * (1 - usual) * (1 / max(1, first_rows) + 1 / max(1, second_rows)))
    # A share of few rows is not normal: its upper end reaches as far as a share that may go unseen.
    return max(_DEVIATIONS * deviation, unseen_share(rows) if usual * rows < 10 else 0.0)


def steps_band(first_rows: int, second_rows: int) -> float:
    """How far apart the distribution functions of two samples are: Smirnov's bound, for any distribution."""
    return math.sqrt(-math.log(_LEVEL / 2) / 2 * (1 / max(1, first_rows) + 1 / max(1, second_rows)))


def variation_band(first: Counts, second: Counts) -> float:
    """How far apart by total variation two samples are, given what both hold.

    The mean is half the sum of sqrt(2/pi p(1-p)(1/n+1/m)), the normal approximation that mostlyai-qa uses for its
    highest accuracy; it is too large for sparse tables, never too small. The deviation is at most half of
    sqrt(1/n+1/m).

    Args:
        first: Rows of each value in one sample.
        second: The same of the other.
    """
    rows, others = int(first.sum()), int(second.sum())
    if not rows or not others:
        return 1.0
    shares = (first + second) / (rows + others)
    inverse = 1 / rows + 1 / others
    mean = 0.5 * float(np.sqrt(2 / math.pi * shares * (1 - shares) * inverse).sum())
    return min(1.0, mean + _DEVIATIONS * 0.5 * math.sqrt(inverse * (1 - 2 / math.pi)))


def mean_band(variation: float) -> float:
    """How far a mean may be from its true value, given its variance."""
    return _DEVIATIONS * math.sqrt(variation)


def wilson(found: float, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score.

    Args:
        found: The share.
        rows: Rows it is of.
    """
    if not rows:
        return (0.0, 1.0)
    square = _NORMAL_95**2
    middle = (found + square / (2 * rows)) / (1 + square / rows)
    half = _NORMAL_95 / (1 + square / rows) * math.sqrt(found * (1 - found) / rows + square / (4 * rows**2))
    # Rounding must not put the share itself outside.
    return max(0.0, min(found, middle - half)), min(1.0, max(found, middle + half))
