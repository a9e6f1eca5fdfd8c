"""The repetition penalty: logits of tokens that were read or written before are made smaller."""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["penalized", "tokens_seen"]


def tokens_seen(histories: Sequence[Sequence[int]], width: int, device: torch.device) -> torch.Tensor:
    """Which ids each history holds.

    Args:
        histories: Ids of prompt and completion so far, of each row.
        width: Number of ids.
        device: Where the logits are.

    Returns:
        ``[rows, ids]`` bool.
    """
    seen = torch.zeros(len(histories), width, dtype=torch.bool)
    for row, history in enumerate(histories):
        seen[row, torch.as_tensor(history, dtype=torch.int64)] = True
    return seen.to(device)


def penalized(logits: torch.Tensor, seen: torch.Tensor, penalty: float) -> torch.Tensor:
    """Divide positive logits of ids that were seen by the penalty, and multiply negative ones with it.

    Args:
        logits: ``[rows, ids]``, before temperature and grammar.
        seen: ``[rows, ids]`` which ids each row has read or written.
        penalty: Above 0; 1 changes nothing.
    """
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)
