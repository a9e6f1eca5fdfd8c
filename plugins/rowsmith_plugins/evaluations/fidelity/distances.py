"""Distances of two distributions from counts, and their bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["Apart", "complement_interval", "merged", "shares", "steps_apart", "variation_apart"]

RESAMPLES = 100
_MOST_VALUES = 100

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Apart = Callable[[Floats, Floats], Floats]
"""A distance of shares along the last axis."""


def shares(counts: Counts) -> Floats:
    """Shares that sum to one; zeros where there are no rows."""
    return counts / max(1, int(counts.sum()))


def steps_apart(first: Floats, second: Floats) -> Floats:
    """The Kolmogorov-Smirnov distance of shares of ascending values, along the last axis."""
    return np.asarray(np.abs(np.cumsum(first - second, axis=-1)).max(axis=-1))


def variation_apart(first: Floats, second: Floats) -> Floats:
    """The total variation distance of shares, along the last axis."""
    return np.asarray(np.abs(first - second).sum(axis=-1) / 2)


def merged(first: Counts, second: Counts) -> tuple[Counts, Counts]:
    """Counts of at most a hundred ranges of values, each of about as many rows.

    Args:
        first: Counts of ascending values.
        second: The same of the other part.
    """
    if len(first) <= _MOST_VALUES:
        return first, second
    both = np.cumsum(first + second)
    ranges = np.minimum(both * _MOST_VALUES // max(1, int(both[-1])), _MOST_VALUES - 1)
    return tuple(np.bincount(ranges, weights=each, minlength=_MOST_VALUES).astype(np.int64) for each in (first, second))  # type: ignore[return-value]


def complement_interval(
    first: Counts, second: Counts, apart: Apart, generator: np.random.Generator
) -> tuple[float, float]:
    """The 95 % bootstrap interval of one minus a distance.

    The basic interval: resamples lie farther apart than the samples by about what the samples lie farther apart than
    their sources, so the quantiles are reflected at the distance.

    Args:
        first: Counts of one part.
        second: Counts of the other.
        apart: The distance.
        generator: Randomness.
    """
    first, second = merged(first, second)
    one, two = shares(first), shares(second)
    found = float(apart(one, two))
    draws = [generator.multinomial(int(each.sum()), shares(each), RESAMPLES) / each.sum() for each in (first, second)]
    low, high = np.quantile(apart(draws[0], draws[1]), [0.025, 0.975])
    ends = (1 - min(1.0, 2 * found - float(low)), 1 - max(0.0, 2 * found - float(high)))
    return max(0.0, min(*ends, 1 - found)), min(1.0, max(*ends, 1 - found))
