"""Sampling under conditions: several weighted candidates for each row, of which one is chosen.

A condition restricts the values of a column. Drawing among the allowed ones alone would give a record as often as the
model writes its beginning, not as often as that beginning ends in an allowed value. So each candidate has an importance
weight, the product of the probabilities of the allowed values at each condition, and one of the candidates of a row is
chosen by weight (sampling importance resampling: Rubin 1987; for text models, Lew et al. 2023).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["choose", "effective_sizes", "restricted", "with_given"]

Floats = npt.NDArray[np.float64]


def restricted(logits: torch.Tensor, excluded: torch.Tensor, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask the values that a condition excludes.

    Args:
        logits: ``[prefixes, ids]``; ids that the grammar refuses are -inf.
        excluded: ``[prefixes, ids]`` bool.
        temperature: Divides the logits; at least one value of each prefix is allowed by the grammar.

    Returns:
        The masked logits, unmasked where no value is left; and ``[prefixes]`` float64, the log of the probability of
        the allowed values, -inf where there is none.
    """
    scaled = logits.double() / (temperature or 1.0)
    masked = scaled.masked_fill(excluded, -torch.inf)
    log_mass = masked.logsumexp(-1) - scaled.logsumexp(-1)
    dead = torch.isneginf(log_mass)
    return torch.where(dead[:, None] | ~excluded, logits, torch.full_like(logits, -torch.inf)), log_mass


def with_given(
    logits: torch.Tensor, prefixes: torch.Tensor, drawn: torch.Tensor, given: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Put the values that rows are given instead of drawn ones.

    Args:
        logits: ``[prefixes, ids]``; excluded ids are -inf.
        prefixes: ``[rows]`` the prefix of each row.
        drawn: ``[rows]`` offsets into the ids.
        given: ``[rows]`` likewise; -1 where none is given.
        temperature: Divides the logits.

    Returns:
        The offsets, and ``[rows]`` float64, the log of the probability of each given value, 0 where none is.
    """
    log_probs = (logits.double() / (temperature or 1.0)).log_softmax(-1)
    known = given >= 0
    offsets = torch.where(known, given, drawn)
    found = log_probs[prefixes, offsets]
    return offsets, torch.where(known, found, torch.zeros_like(found))


def choose(log_weights: Floats, uniforms: Floats) -> npt.NDArray[np.int64]:
    """Choose one candidate of each row by its weight.

    Args:
        log_weights: ``[rows, candidates]``; -inf for one that cannot be chosen.
        uniforms: ``[rows]`` in [0, 1).

    Returns:
        ``[rows]`` the index of the chosen one; -1 where none can be.
    """
    most = log_weights.max(axis=1, keepdims=True)
    alive = np.isfinite(most[:, 0])
    weights = np.exp(log_weights - np.where(np.isfinite(most), most, 0.0))
    cumulative = weights.cumsum(axis=1)
    chosen = (cumulative <= uniforms[:, None] * cumulative[:, -1:]).sum(axis=1)
    # Rounding may point past the last candidate with weight.
    last = weights.shape[1] - 1 - (weights > 0)[:, ::-1].argmax(axis=1)
    return np.where(alive, np.minimum(chosen, last), -1)


def effective_sizes(log_weights: Floats) -> Floats:
    """Effective number of candidates of each row, ``(sum w)^2 / sum w^2`` (Kish 1965); 0 where none has weight.

    Args:
        log_weights: ``[rows, candidates]``.
    """
    most = log_weights.max(axis=1, keepdims=True)
    weights = np.exp(log_weights - np.where(np.isfinite(most), most, 0.0))
    total = weights.sum(axis=1)
    sizes: Floats = np.divide(total**2, (weights**2).sum(axis=1), out=np.zeros(len(total)), where=total > 0)
    return sizes
