"""Statistics of tables whose rows depend on each other within groups, with their errors.

Groups fall into blocks; a statistic is a function of sums over blocks, and its error comes from leaving out one block
at a time (Quenouille 1956, Tukey 1958).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from attrs import frozen

__all__ = ["MOST_BLOCKS", "Estimate", "block_counts", "block_sums", "blocks_of", "cumulative", "excess", "jackknife"]

MOST_BLOCKS = 40
_Z = 1.959964
_Z_DEFECT = 4.0
_Z_FEW = 7.0
"""Added to the number of errors is 4 · 7 / degrees of freedom, about the same quantile of Student's distribution."""
_LEAST_BLOCKS = 5

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@frozen(eq=False)
class Estimate:
    """A statistic of one table, or several.

    Attributes:
        value: Its values.
        error: Their standard errors.
        blocks: Independent blocks that these come from.
    """

    value: Floats
    error: Floats
    blocks: int

    @property
    def number(self) -> float:
        """The value of a statistic that is one number."""
        return float(self.value.reshape(-1)[0])

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of a statistic that is one number; None without an error."""
        error = float(self.error.reshape(-1)[0])
        return (self.number - _Z * error, self.number + _Z * error) if np.isfinite(error) else None


def blocks_of(groups: Ints) -> Ints:
    """The block of each row's group: every group is one where there are few."""
    return groups % MOST_BLOCKS


def block_sums(blocks: Ints, *values: Floats) -> Floats:
    """Sums of values over the rows of each block, ``[blocks, values]``."""
    count = int(blocks.max()) + 1 if len(blocks) else 0
    return np.stack([np.bincount(blocks, each, minlength=count) for each in values], axis=1)


def block_counts(blocks: Ints, bins: Ints, count: int) -> Floats:
    """Rows of each bin in each block, ``[blocks, bins]``."""
    whole = int(blocks.max()) + 1 if len(blocks) else 0
    counted = np.bincount(blocks * count + bins, minlength=whole * count)
    return counted.reshape(whole, count).astype(np.float64)


def cumulative(counts: Floats) -> Floats:
    """The share of rows in each bin or one before it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.cumsum(counts, axis=-1) / counts.sum(axis=-1, keepdims=True), dtype=np.float64)


def jackknife(sums: Floats, statistic: Callable[[Floats], Floats], *, unbiased: bool = False) -> Estimate:
    """A statistic of all blocks and its error.

    Args:
        sums: Sums over blocks, ``[blocks, sums]``.
        statistic: Of sums ``[..., sums]`` the values ``[..., values]``.
        unbiased: Take away the bias of first order, such as that of information.
    """
    sums = sums[sums.any(axis=1)]
    blocks, total = len(sums), sums.sum(axis=0)
    value = statistic(total)
    if blocks < 2:
        return Estimate(value, np.full_like(value, np.inf), blocks)
    left = statistic(total - sums)
    error = np.sqrt((blocks - 1) / blocks * np.sum((left - left.mean(axis=0)) ** 2, axis=0))
    if unbiased:
        value = blocks * value - (blocks - 1) * left.mean(axis=0)
    return Estimate(value, np.where(np.isfinite(error), error, np.inf), blocks)


def excess(made: Estimate, real: Estimate, least: float) -> tuple[float, int]:
    """How many times two statistics differ by more than they may.

    Args:
        made: Of synthetic rows.
        real: Of real ones.
        least: A difference that matters.

    Returns:
        The largest over the values, and its index: the lesser of the difference by ``least`` and by the errors that
        real rows do not reach by chance. 0 with too few blocks to know.
    """
    blocks = min(made.blocks, real.blocks)
    if blocks < _LEAST_BLOCKS:
        return 0.0, 0
    apart = np.abs(made.value - real.value).reshape(-1)
    errors = _Z_DEFECT * (1 + _Z_FEW / (blocks - 1)) * np.hypot(made.error, real.error).reshape(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = np.nan_to_num(np.minimum(apart / least, apart / errors), nan=0.0, posinf=1e3)
    index = int(beyond.argmax()) if len(beyond) else 0
    return (float(beyond[index]), index) if len(beyond) else (0.0, 0)
