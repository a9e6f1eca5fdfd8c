"""Estimates with their uncertainty: means, rates, and how well a score separates two samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.randomness.seeds import Seeds

__all__ = ["Separation", "bootstrap_mean", "separation"]

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
    sample = np.asarray(values, dtype=np.float64)
    chance = Seeds(seed).generator("evaluation.bootstrap")
    means = sample[chance.integers(0, len(sample), (_RESAMPLES, len(sample)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@frozen(kw_only=True)
class Separation:
    """How well a score separates members from others.

    Attributes:
        auc: The chance that a member scores higher than another, ties half: 0.5 is a guess.
        low: Lower end of the interval of ``auc``.
        high: Upper end.
        found: Share of the members above the threshold that ``false_alarms`` of the others pass.
        false_alarms: That share: 1 %, or the finest that the sample allows.
        advantage: The most by which the share of members found exceeds that of the others.
    """

    auc: float
    low: float
    high: float
    found: float
    false_alarms: float
    advantage: float

    def to_mapping(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "auc": self.auc,
            "interval": [self.low, self.high],
            "found": self.found,
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
    areas = [
        _auc(
            members[chance.integers(0, len(members), len(members))],
            others[chance.integers(0, len(others), len(others))],
        )
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(areas, [(1 - level) / 2, (1 + level) / 2])
    ordered = np.sort(others)
    allowed = max(1, int(_FALSE_ALARMS * len(others)))
    thresholds = np.unique(np.concatenate([members, others]))
    found = _shares_above(members, thresholds)
    wrong = _shares_above(others, thresholds)
    return Separation(
        auc=_auc(members, others),
        low=float(low),
        high=float(high),
        found=float((members > ordered[-allowed]).mean()),
        false_alarms=(allowed - 1) / len(others) if allowed == 1 else _FALSE_ALARMS,
        advantage=float(max(0.0, (found - wrong).max())),
    )


def _auc(members: Floats, others: Floats) -> float:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, members, side="left") + np.searchsorted(ordered, members, side="right")
    return float(below.mean() / 2 / len(others))


def _shares_above(scores: Floats, thresholds: Floats) -> Floats:
    shares: Floats = 1 - np.searchsorted(np.sort(scores), thresholds, side="left") / len(scores)
    return shares
