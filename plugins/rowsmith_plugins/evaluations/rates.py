"""Rates of events, their intervals and exact tests."""

from __future__ import annotations

import math

import numpy as np
from attrs import frozen

__all__ = ["Rate", "fisher_greater", "residual_risk"]

_Z = 1.959963984540054


@frozen
class Rate:
    """How often something happened.

    Attributes:
        hits: Times that it happened.
        trials: Times that it could have.
    """

    hits: int
    trials: int

    @property
    def share(self) -> float:
        """Hits a trial; 0 without trials."""
        return self.hits / self.trials if self.trials else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % score interval (Wilson 1927, JASA 22)."""
        centre, error = self.wilson
        # Exactly 0 and 1 where nothing or everything is a hit, which rounding would miss.
        low = max(centre - error, 0.0) if self.hits else 0.0
        return low, min(centre + error, 1.0) if self.hits < self.trials else 1.0

    @property
    def wilson(self) -> tuple[float, float]:
        """Centre and half width of the score interval: ``(s + z²/2) / (n + z²)`` and its error."""
        if not self.trials:
            return 0.5, 0.5
        whole = self.trials + _Z**2
        spread = self.hits * (self.trials - self.hits) / self.trials + _Z**2 / 4
        return (self.hits + _Z**2 / 2) / whole, _Z / whole * math.sqrt(spread)

    def scaled(self, factor: float) -> Rate:
        """A share so many times as large, at most one, of as many hits: among fewer trials, so that it is no surer."""
        return Rate(self.hits, max(round(self.trials / factor), self.hits, 1))


def residual_risk(attack: Rate, control: Rate) -> tuple[float, tuple[float, float]]:
    """How much more often an attack succeeds on training rows than on rows that the model never saw.

    ``(a - c) / (1 - c)`` of the score estimates of both rates, errors propagated (Giomi et al. 2022, "A unified
    framework for quantifying privacy risk in synthetic data", PoPETs 2023, eq. 2).

    Returns:
        The risk and its 95 % interval, all within 0 to 1; both are 0 where the control never fails.
    """
    a, a_error = attack.wilson
    c, c_error = control.wilson
    if c >= 1.0:
        return 0.0, (0.0, 0.0)
    risk = (a - c) / (1 - c)
    error = math.hypot(a_error / (1 - c), c_error * (a - 1) / (1 - c) ** 2)
    low, value, high = (min(max(each, 0.0), 1.0) for each in (risk - error, risk, risk + error))
    return value, (low, high)


def fisher_greater(seen: Rate, expected: Rate) -> float:
    """One-sided exact test (Fisher) that the first rate is the greater one.

    Returns:
        The chance of at least so many hits among the first trials when hits fall on all trials alike.
    """
    hits, trials = seen.hits + expected.hits, seen.trials + expected.trials
    most = min(hits, seen.trials)
    if seen.hits <= max(0, hits - expected.trials) or not trials:
        return 1.0
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    among = np.arange(seen.hits, most + 1)
    chances = (
        logs[hits] - logs[among] - logs[hits - among]
        + logs[trials - hits] - logs[seen.trials - among] - logs[trials - hits - seen.trials + among]
        - logs[trials] + logs[seen.trials] + logs[trials - seen.trials]
    )  # fmt: skip
    return float(min(np.exp(chances).sum(), 1.0))
