"""Repetition penalty: lower the logits of tokens in prompt and completion so far."""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["penalized", "tokens_seen"]


def tokens_seen(histories: Sequence[Sequence[int]], width: int, device: torch.device) -> torch.Tensor:
    """Mask of the ids in each history.

    Args:
        histories: Ids of prompt and completion so far, of each row.
        width: Number of ids.
        device: Device of the logits.

    Returns:
        ``[rows, ids]`` bool.
    """
    seen = torch.zeros(len(histories), width, dtype=torch.bool)
    for row, history in enumerate(histories):
        seen[row, torch.as_tensor(history, dtype=torch.int64)] = True
    return seen.to(device)


def penalized(logits: torch.Tensor, seen: torch.Tensor, penalty: float) -> torch.Tensor:
    """Apply the penalty to seen ids: divide positive logits by it, multiply negative ones.

    Args:
        logits: ``[rows, ids]``, before temperature and grammar.
        seen: ``[rows, ids]`` mask of the ids in prompt and completion so far.
        penalty: Above 0; 1 changes nothing.
    """
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)
