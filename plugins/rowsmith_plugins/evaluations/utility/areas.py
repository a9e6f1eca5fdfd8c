"""The area under the ROC curve and its error."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["area", "area_error"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def area(negative: Floats, positive: Floats) -> float:
    """The share of pairs in which the positive score is the higher one; ties count half."""
    return float(_placements(positive, negative).mean())


def area_error(scores: tuple[Floats, Floats], groups: tuple[Ints, Ints]) -> float:
    """The standard error of ``area`` after DeLong et al. 1988: from how the scores rank in the other class.

    For grouped rows their sums vary, as Obuchowski 1997 has it.

    Args:
        scores: Those of one class and of the other.
        groups: The group of each row of both; a number of its own where it is independent.
    """
    parts = []
    for own, others, codes in ((scores[1], scores[0], groups[1]), (scores[0], scores[1], groups[0])):
        placements = _placements(own, others)
        sums = np.bincount(codes, placements - placements.mean())[np.unique(codes)]
        if len(sums) > 1:
            parts.append(float((sums**2).sum()) / len(own) ** 2 * len(sums) / (len(sums) - 1))
    return math.sqrt(sum(parts))


def _placements(scores: Floats, others: Floats) -> Floats:
    """For each score the share of the others that are lower, ties half."""
    ordered = np.sort(others)
    below, upto = (np.searchsorted(ordered, scores, side=side) for side in ("left", "right"))
    return np.asarray((below + upto) / 2 / max(1, len(others)))
