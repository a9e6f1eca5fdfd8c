"""Supervised cuts of bins whose lower and upper part depend on different values of another column.

Bins of equal rows ignore other columns: in a table of laboratory values, a bin may contain the highest
of one test and the lowest of the next, and a number drawn from it may be impossible for the test. Such a bin is cut
where the labels of the other column change, by the entropy of the labels on both sides; a cut must be accepted
by the minimum description length criterion (Fayyad and Irani, 1993).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from rowsmith_plugins.transforms.quantize.dependence import Groups

__all__ = ["context_cuts"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def context_cuts(ordinals: Ints, bins: Ints, others: Iterable[Groups], k: int) -> list[int]:
    """The best cut of each bin that has one.

    Args:
        ordinals: ``int64[n]``, the ordinal of each row's number.
        bins: ``int64[n]``, its bin; bins ascend with ordinals.
        others: For each other column, the group of each row.
        k: Minimum rows on either side of a cut.

    Returns:
        The first ordinal above each cut, ascending.
    """
    if not len(ordinals):
        return []
    order = np.argsort(ordinals, kind="stable")
    ordinals, bins = ordinals[order], bins[order]
    best_gain = np.zeros(int(bins[-1]) + 1)
    best = np.full(len(best_gain), -1, dtype=np.int64)
    cuttable = _cuttable(ordinals, bins, k)
    if not cuttable.any():
        return []
    for groups in others:
        gain = np.where(cuttable, _gains(groups[order], bins), 0.0)
        for at in _best_of_each(gain, bins):
            if gain[at] > best_gain[bins[at]]:
                best_gain[bins[at]], best[bins[at]] = gain[at], ordinals[at]
    return sorted(best[best_gain > 0].tolist())


def _cuttable(ordinals: Ints, bins: Ints, k: int) -> npt.NDArray[np.bool_]:
    """Whether a bin may be cut below each row: between two ordinals, with enough rows on both sides."""
    rows, (first, last) = np.arange(len(ordinals)), _ends(bins)
    between: npt.NDArray[np.bool_] = np.append(False, ordinals[1:] != ordinals[:-1])
    return between & (rows - first >= k) & (last + 1 - rows >= k)


def _gains(groups: Groups, bins: Ints) -> Floats:
    """Information gain of a cut below each row, in nats per row of the bin, minus its cost."""
    rows, (first, last) = np.arange(len(groups)), _ends(bins)
    kinds, codes = np.unique(groups, return_inverse=True)
    before = np.zeros((len(groups) + 1, len(kinds)))
    np.cumsum(np.eye(len(kinds))[codes], axis=0, out=before[1:])
    below, above = before[rows] - before[first], before[last + 1] - before[rows]
    size, low, high = (last + 1 - first).astype(np.float64), (rows - first).astype(np.float64), last + 1.0 - rows
    whole, lower, upper = _entropy(below + above), _entropy(below), _entropy(above)
    gain = whole - (low * lower + high * upper) / size
    count, count_low, count_high = ((each > 0).sum(axis=1) for each in (below + above, below, above))
    # log(3^c - 2), and c log 3 where both are equal.
    choices = np.where(count > 30, count * np.log(3.0), np.log(np.maximum(3.0 ** np.minimum(count, 30) - 2, 1.0)))
    cost = np.log(np.maximum(size - 1, 1.0)) + choices - count * whole + count_low * lower + count_high * upper
    return np.asarray(gain - cost / size)


def _entropy(counts: Floats) -> Floats:
    total = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(total, 1.0)
    return np.asarray(-(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1))


def _ends(bins: Ints) -> tuple[Ints, Ints]:
    """The first and the last row of each row's bin."""
    starts = np.flatnonzero(np.append(True, bins[1:] != bins[:-1]))
    sizes = np.diff(np.append(starts, len(bins)))
    return np.repeat(starts, sizes), np.repeat(starts + sizes - 1, sizes)


def _best_of_each(gain: Floats, bins: Ints) -> list[int]:
    starts = np.flatnonzero(np.append(True, bins[1:] != bins[:-1]))
    return [
        int(start + gain[start:stop].argmax()) for start, stop in zip(starts, [*starts[1:], len(bins)], strict=True)
    ]
