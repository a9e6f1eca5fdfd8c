"""Number of epochs from the loss curves of cross-validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["best_epochs", "has_risen"]


def best_epochs(curves: Sequence[Sequence[float]], patience: int) -> int:
    """The number of epochs with the lowest mean loss.

    Args:
        curves: For each fold the held-out loss after each epoch, in nats per token.
        patience: Epochs that a loss must stay above its lowest for the minimum to count as found.

    Returns:
        At least 1; epochs that not all folds reached do not count. If no loss has risen, the number of epochs that all
        folds reached, since more would have been better.
    """
    shared = min(len(curve) for curve in curves)
    if shared == 0:
        return 1
    if not any(has_risen(curve, patience) for curve in curves):
        return shared
    return int(np.mean([curve[:shared] for curve in curves], axis=0).argmin()) + 1


def has_risen(curve: Sequence[float], patience: int) -> bool:
    """Whether a held-out loss has stayed above its lowest for ``patience`` epochs."""
    return len(curve) > patience and len(curve) - 1 - int(np.argmin(curve)) >= patience
