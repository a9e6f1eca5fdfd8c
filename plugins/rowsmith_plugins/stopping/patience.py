"""Ends generation when the average share of invalid records stays too high."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith.generation.stopping import PatiencePolicy
from rowsmith_plugins.stopping.options import PatienceOptions

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["PatiencePolicy", "build"]


def build(context: BuildContext, options: PatienceOptions | None) -> PatiencePolicy:
    """Build the policy.

    Args:
        context: Its configuration has the defaults of the options.
        options: Threshold and patience.
    """
    options = options or PatienceOptions()
    defaults = context.config.generation
    threshold, patience = options.invalid_fraction_threshold, options.patience
    return PatiencePolicy(
        defaults.invalid_fraction_threshold if threshold is None else threshold,
        defaults.patience if patience is None else patience,
    )
