"""Drawing a token from logits: by inverse CDF, or the likeliest one."""

from __future__ import annotations

import torch

__all__ = ["choose"]


def choose(
    logits: torch.Tensor, nodes: torch.Tensor, uniforms: torch.Tensor, temperature: float, top_p: float
) -> torch.Tensor:
    """Draw one id a row.

    Args:
        logits: ``[nodes, ids]``, refused ids being -inf.
        nodes: ``[rows]`` the node of each row.
        uniforms: ``[rows]`` double, in [0, 1).
        temperature: Divides the logits; 0 takes the likeliest id.
        top_p: Keeps the likeliest ids whose mass reaches this share.

    Returns:
        ``[rows]`` offsets into the ids.
    """
    if temperature == 0:
        return logits.argmax(-1)[nodes]
    weights = torch.softmax(logits.float() / temperature, dim=-1)
    if top_p < 1:
        weights = _top_p(weights, top_p)
    cumulative = weights.double().cumsum(-1)
    # One look-up for all rows: node i's chances are laid out over (i, i + 1].
    cumulative /= cumulative[:, -1:].clone()
    places = torch.arange(len(logits), device=logits.device, dtype=torch.float64).unsqueeze(-1)
    # The first id whose cumulative mass exceeds the uniform; rounding may point past the last id with mass.
    chosen = torch.searchsorted((cumulative + places).flatten(), uniforms + nodes, right=True)
    width = logits.shape[-1]
    last = width - 1 - (weights > 0).to(torch.int8).flip(-1).argmax(-1)
    return torch.minimum(chosen - nodes * width, last[nodes])


def _top_p(weights: torch.Tensor, top_p: float) -> torch.Tensor:
    ordered, order = weights.sort(dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    ordered[before >= top_p * ordered.sum(-1, keepdim=True)] = 0
    return torch.zeros_like(weights).scatter_(-1, order, ordered)
