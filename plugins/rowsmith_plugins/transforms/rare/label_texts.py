"""Text columns whose values of few rows are replaced by invented ones, as rare labels are."""

from __future__ import annotations

import numpy as np

from rowsmith_plugins.transforms.common.counting import Counted
from rowsmith_plugins.transforms.common.protection import TEXT_LABELS_COVER
from rowsmith_plugins.transforms.rare.label_makers import LONGEST_SHORT_LABEL

__all__ = ["are_labels"]

_FEW_SPELLED = 1_000


def are_labels(counted: Counted, k: int) -> bool:
    """Whether texts are labels, and too few rows have a rare one for a model to spell new ones.

    Short texts and single words, such as addresses of pages, are labels. A model that sees each of a few hundred
    again and again learns the texts, not how they are spelled, and writes them.

    Args:
        counted: The texts of a column.
        k: A text with fewer rows, or too few groups, is rare.
    """
    rare = ~counted.shared(k)
    rows = int(counted.counts[rare].sum())
    if not 0 < rows <= _FEW_SPELLED or counted.rows - rows < TEXT_LABELS_COVER * counted.rows:
        return False
    short = [len(value) <= LONGEST_SHORT_LABEL or len(value.split()) <= 1 for value in counted.values]
    return 2 * int(counted.counts[rare & np.array(short)].sum()) >= rows
