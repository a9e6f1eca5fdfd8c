"""Attacks on training rows, with attacks on held-out rows as control: what all of them report."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from rowsmith.evaluation import Direction, Finding, Measure
from rowsmith_plugins.evaluations.rates import Rate, fisher_greater, residual_risk

__all__ = ["MOST_RISK", "Attack"]

MOST_RISK = 0.05
"""An attack is a defect where the lower end of its risk's interval is beyond this."""
_MOST_CHANCE = 1e-3


@frozen(kw_only=True)
class Attack:
    """How often an attack succeeds.

    Attributes:
        training: On training rows.
        control: On held-out rows.
        baseline: By guessing, on training rows.
    """

    training: Rate
    control: Rate
    baseline: Rate

    @property
    def risk(self) -> tuple[float, tuple[float, float]]:
        """The residual risk and its 95 % interval."""
        return residual_risk(self.training, self.control)

    @property
    def is_defect(self) -> bool:
        """Whether training rows are at a risk that held-out ones are not, by interval and by Fisher's exact test."""
        return self.risk[1][0] > MOST_RISK and fisher_greater(self.training, self.control) < _MOST_CHANCE

    @property
    def rates(self) -> dict[str, float]:
        """The rates by name, for the report."""
        return {"attack": self.training.share, "control": self.control.share, "baseline": self.baseline.share}

    def measure(
        self,
        name: str,
        sizes: Mapping[str, int],
        columns: tuple[str, ...] = (),
        parts: tuple[Measure, ...] = (),
        *,
        sampled: bool,
    ) -> Measure:
        """The risk as a measure; of rows that the model never saw it is 0."""
        value, interval = self.risk
        worse = self.training.share <= self.baseline.share
        return Measure(
            name=name,
            value=value,
            direction=Direction.LOWER,
            interval=interval,
            ceiling=0.0,
            sizes=dict(sizes),
            sampled=sampled,
            columns=columns,
            reason="the attack is no better than guessing, so it says little" if worse else "",
            parts=parts,
        )

    def finding(self, defect: str, what: str, columns: tuple[str, ...] = ()) -> Finding:
        """A defect: how often the attack succeeds on training rows, and on others."""
        value, (low, high) = self.risk
        return Finding(
            defect=defect,
            message=f"{what} succeeds for {self.training.share:.1%} of the training rows and for "
            f"{self.control.share:.1%} of rows that the model never saw: a risk of {value:.2f} ({low:.2f} to "
            f"{high:.2f})",
            columns=columns,
            share=value,
            excess=low / MOST_RISK,
        )
