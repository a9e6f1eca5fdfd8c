"""Text columns whose values of few rows are replaced by invented ones, as rare labels are."""

from __future__ import annotations

import numpy as np

from rowsmith_plugins.transforms.common.counting import Counted
from rowsmith_plugins.transforms.rare.invented import LONGEST_SHORT_LABEL
from rowsmith_plugins.transforms.texts.texts import TEXT_LABELS_COVER

__all__ = ["are_labels"]

_FEW_SPELLED = 1_000


def are_labels(counted: Counted, k: int) -> bool:
    """Whether texts are labels, and too few rows have a rare one for a model to spell new ones.

    A model that sees each of a few hundred short texts again and again learns the texts, not how they are spelled, and
    writes them.

    Args:
        counted: The texts of a column.
        k: A text with fewer rows, or too few groups, is rare.
    """
    rare = ~counted.shared(k)
    rows = int(counted.counts[rare].sum())
    if not 0 < rows <= _FEW_SPELLED or counted.rows - rows < TEXT_LABELS_COVER * counted.rows:
        return False
    lengths = np.array([len(value) for value in counted.values])
    return float(np.median(np.repeat(lengths[rare], counted.counts[rare]))) <= LONGEST_SHORT_LABEL
