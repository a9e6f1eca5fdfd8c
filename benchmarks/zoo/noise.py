"""What a resample of a table differs by: bands for distances, shares and ratios.

A band is the 99 % quantile over resamples of the real column itself. What a model with little time differs by
beyond that is a tolerance, given by whoever judges.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RESAMPLES = 200
LEVEL = 0.99
_DEVIATIONS = 2.576

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def resampled_shares(counts: Counts, size: int) -> Floats:
    """Shares of each value in resamples of so many rows, ``[resample, value]``."""
    draws = np.random.default_rng(0).multinomial(size, counts / counts.sum(), RESAMPLES)
    return np.asarray(draws / size)


def steps_apart(first: Floats, second: Floats) -> Floats:
    """The Kolmogorov-Smirnov distance of shares of ascending values, along the last axis."""
    return np.asarray(np.abs(np.cumsum(first - second, axis=-1)).max(axis=-1))


def shares_apart(first: Floats, second: Floats) -> Floats:
    """The total variation distance of shares, along the last axis."""
    return np.asarray(np.abs(first - second).sum(axis=-1) / 2)


def steps_band(counts: Counts, size: int) -> float:
    """How far apart resamples are by ``steps_apart``, of counts of ascending values."""
    found = steps_apart(resampled_shares(counts, size), counts / counts.sum())
    return float(np.quantile(found, LEVEL))


def shares_band(counts: Counts, size: int) -> float:
    """How far apart resamples are by ``shares_apart``."""
    found = shares_apart(resampled_shares(counts, size), counts / counts.sum())
    return float(np.quantile(found, LEVEL))


def share_band(share: float, real_rows: int, synthetic_rows: int) -> float:
    """How far the share of something in one table may lie from that in another one, both of the same source.

    A share of none or of all is taken to be half a row away from that.
    """
    rows = min(real_rows, synthetic_rows)
    kept = min(max(share, 0.5 / rows), 1 - 0.5 / rows)
    return float(_DEVIATIONS * np.sqrt(kept * (1 - kept) * (1 / real_rows + 1 / synthetic_rows)))


def unseen_share(rows: int) -> float:
    """The greatest share that something can have and still be in none of so many rows once in a hundred times."""
    return float(1 - (1 - LEVEL) ** (1 / rows))
