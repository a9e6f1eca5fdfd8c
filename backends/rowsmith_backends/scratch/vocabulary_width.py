"""Width of a vocabulary: whether a model is trained with a loss by columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rowsmith.vocabulary import Vocabulary

__all__ = ["is_wide"]

# With more tokens than this, a softmax over all of them costs more than the rest of the model.
_FULL_SOFTMAX_TOKENS = 2_000


def is_wide(vocabulary: Vocabulary) -> bool:
    """Whether a model of these tokens was trained without a softmax over all of them.

    Such a checkpoint has not learned the order of the columns: it can only be sampled under column masks.
    """
    return len(vocabulary) > _FULL_SOFTMAX_TOKENS
