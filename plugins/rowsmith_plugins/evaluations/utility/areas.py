"""The area under the ROC curve and its error."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["area", "area_error"]

Floats = npt.NDArray[np.float64]


def area(negative: Floats, positive: Floats) -> float:
    """The share of pairs in which the positive score is the higher one; ties count half."""
    return float(_placements(positive, negative).mean())


def area_error(negative: Floats, positive: Floats) -> float:
    """The standard error of ``area`` after DeLong et al. 1988: from how the scores rank in the other class.

    Args:
        negative: Scores of one class.
        positive: Scores of the other.
    """
    first, second = _placements(positive, negative), _placements(negative, positive)
    parts = (float(each.var(ddof=1)) / len(each) for each in (first, second) if len(each) > 1)
    return math.sqrt(sum(parts))


def _placements(scores: Floats, others: Floats) -> Floats:
    """For each score the share of the others that are lower, ties half."""
    ordered = np.sort(others)
    below, upto = (np.searchsorted(ordered, scores, side=side) for side in ("left", "right"))
    return np.asarray((below + upto) / 2 / max(1, len(others)))
