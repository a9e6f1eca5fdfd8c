"""Estimates with their uncertainty: means, rates, and how well a score separates two samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.randomness.seeds import Seeds

__all__ = ["Separation", "bootstrap_by_group", "bootstrap_mean", "bootstrap_ratio", "separation"]

Floats = npt.NDArray[np.float64]

_RESAMPLES = 200
_FALSE_ALARMS = 0.01


def bootstrap_mean(values: Sequence[float] | Floats, seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean.

    Args:
        values: The sample.
        seed: Of the resampling.
        level: Coverage of the interval.
    """
    return bootstrap_ratio(values, np.ones(len(values)), seed, level)


def bootstrap_ratio(
    sums: Sequence[float] | Floats, counts: Sequence[float] | Floats, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of values that come in groups, which are drawn whole.

    Args:
        sums: Sum of the values of each group.
        counts: Number of the values of each group, above 0.
        seed: Of the resampling.
        level: Coverage of the interval.
    """
    totals, sizes = np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    drawn = Seeds(seed).generator("evaluation.bootstrap").integers(0, len(totals), (_RESAMPLES, len(totals)))
    means = totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_by_group(values: Floats, sizes: Sequence[int], seed: int = 0) -> tuple[float, float]:
    """The interval of the mean of values that follow each other group by group.

    Args:
        values: ``[sum of sizes]``.
        sizes: Values of each group, each at least 1.
        seed: Of the resampling.
    """
    return bootstrap_ratio(np.add.reduceat(values, np.cumsum([0, *sizes[:-1]])), np.asarray(sizes, float), seed)


@frozen(kw_only=True)
class Separation:
    """How well a score separates members from others.

    Attributes:
        auc: The chance that a member scores higher than another, ties half: 0.5 is a guess.
        low: Lower end of the interval of ``auc``.
        high: Upper end.
        found: Share of the members above the threshold that ``false_alarms`` of the others pass.
        found_low: Lower end of the interval of ``found``.
        found_high: Upper end.
        false_alarms: That share: at most 1 %, and 0 where there are fewer than 100 others.
        advantage: The most by which the share of members found exceeds that of the others.
    """

    auc: float
    low: float
    high: float
    found: float
    found_low: float
    found_high: float
    false_alarms: float
    advantage: float

    def to_mapping(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "auc": self.auc,
            "interval": [self.low, self.high],
            "found": self.found,
            "found_interval": [self.found_low, self.found_high],
            "false_alarms": self.false_alarms,
            "advantage": self.advantage,
        }


def separation(members: Floats, others: Floats, *, seed: int = 0, level: float = 0.95) -> Separation:
    """Separate two samples by a score, with a stratified bootstrap of the area under the ROC curve.

    Args:
        members: Scores of members, not empty.
        others: Scores of others, not empty.
        seed: Of the resampling.
        level: Coverage of the interval.
    """
    chance = Seeds(seed).generator("evaluation.bootstrap")
    drawn = [
        (
            members[chance.integers(0, len(members), len(members))],
            others[chance.integers(0, len(others), len(others))],
        )
        for _ in range(_RESAMPLES)
    ]
    ends = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile([_auc(*pair) for pair in drawn], ends)
    found_low, found_high = np.quantile([_found(*pair)[0] for pair in drawn], ends)
    thresholds = np.unique(np.concatenate([members, others]))
    share, wrong = _found(members, others)
    return Separation(
        auc=_auc(members, others),
        low=float(low),
        high=float(high),
        found=share,
        found_low=float(found_low),
        found_high=float(found_high),
        false_alarms=wrong,
        advantage=float(max(0.0, (_shares_above(members, thresholds) - _shares_above(others, thresholds)).max())),
    )


def _found(members: Floats, others: Floats) -> tuple[float, float]:
    """Shares of members and of others above the lowest threshold that at most 1 % of the others pass."""
    threshold = np.sort(others)[len(others) - 1 - int(_FALSE_ALARMS * len(others))]
    return float((members > threshold).mean()), float((others > threshold).mean())


def _auc(members: Floats, others: Floats) -> float:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, members, side="left") + np.searchsorted(ordered, members, side="right")
    return float(below.mean() / 2 / len(others))


def _shares_above(scores: Floats, thresholds: Floats) -> Floats:
    shares: Floats = 1 - np.searchsorted(np.sort(scores), thresholds, side="left") / len(scores)
    return shares
