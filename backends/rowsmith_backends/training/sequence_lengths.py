"""How long the sequences of a table are, in tokens."""

from __future__ import annotations

import numpy as np

from rowsmith.assembly.token_store import Ints

__all__ = ["longest_sequence"]


def longest_sequence(lengths: Ints, groups: Ints | None) -> int:
    """Tokens of the longest record, or of the longest group.

    Args:
        lengths: Tokens of each record; at least one.
        groups: The number of each record's group; None where records are independent.
    """
    return int(lengths.max() if groups is None else np.bincount(groups, weights=lengths).max())
