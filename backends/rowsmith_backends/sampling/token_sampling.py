"""Token sampling: inverse CDF with temperature and top-p, or greedy."""

from __future__ import annotations

import torch

__all__ = ["sample_tokens"]


def sample_tokens(
    logits: torch.Tensor, prefixes: torch.Tensor, uniforms: torch.Tensor, temperature: float, top_p: float
) -> torch.Tensor:
    """Sample one token a row.

    Args:
        logits: ``[prefixes, ids]``; masked ids are -inf.
        prefixes: ``[rows]`` the prefix of each row.
        uniforms: ``[rows]`` float64 in [0, 1).
        temperature: Divides the logits; 0 takes the likeliest id.
        top_p: Restricts sampling to the likeliest ids whose probability reaches this share.

    Returns:
        ``[rows]`` offsets into the ids.
    """
    if temperature == 0:
        return logits.argmax(-1)[prefixes]
    probabilities = torch.softmax(logits.float() / temperature, dim=-1)
    if top_p < 1:
        probabilities = _top_p(probabilities, top_p)
    cumulative = probabilities.double().cumsum(-1)
    # One search for all rows: the cumulative probabilities of prefix i lie in (i, i + 1].
    cumulative /= cumulative[:, -1:].clone()
    offsets = torch.arange(len(logits), device=logits.device, dtype=torch.float64).unsqueeze(-1)
    # The first id whose cumulative mass exceeds the uniform; rounding may point past the last id with mass.
    chosen = torch.searchsorted((cumulative + offsets).flatten(), uniforms + prefixes, right=True)
    width = logits.shape[-1]
    last = width - 1 - (probabilities > 0).to(torch.int8).flip(-1).argmax(-1)
    return torch.minimum(chosen - prefixes * width, last[prefixes])


def _top_p(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    ordered, order = probabilities.sort(dim=-1, descending=True)
    mass_before = ordered.cumsum(-1) - ordered
    ordered[mass_before >= top_p * ordered.sum(-1, keepdim=True)] = 0
    return torch.zeros_like(probabilities).scatter_(-1, order, ordered)
