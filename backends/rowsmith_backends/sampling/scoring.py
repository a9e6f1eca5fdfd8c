"""Log-probabilities of completions, computed in one forward pass after sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["completion_log_probs"]

# Logits of one batch, in cells: 64 MiB in single precision.
_MAX_CELLS = 1 << 24


@torch.inference_mode()
def completion_log_probs(
    model: Any,
    prompts: Sequence[Sequence[int]],
    ids: npt.NDArray[np.int32],
    lengths: npt.NDArray[np.int32],
) -> npt.NDArray[np.float32]:
    """Log-probability of each token of some completions, given the prompt and the tokens before it.

    Args:
        model: A causal language model of transformers.
        prompts: The prompt of each completion, not empty.
        ids: ``[rows, tokens]``, right padded.
        lengths: ``[rows]`` tokens of each completion.

    Returns:
        float32 ``[rows, tokens]``: natural logarithms at temperature 1 over the whole vocabulary; nan for padding.
    """
    scores = np.full(ids.shape, np.nan, dtype=np.float32)
    sizes = np.array([len(prompt) for prompt in prompts], dtype=np.int64) + lengths
    vocabulary = int(model.get_input_embeddings().weight.shape[0])
    order = np.argsort(sizes, kind="stable")
    start = 0
    while start < len(order):
        # Rows of similar length are scored together, as many as keep the logits small.
        batch_rows = max(1, _MAX_CELLS // (vocabulary * int(sizes[order[start:]].max())))
        rows = order[start : start + batch_rows]
        start += len(rows)
        texts = [[*prompts[row], *ids[row, : lengths[row]].tolist()] for row in rows]
        for row, log_probs in zip(rows, _scored(model, texts), strict=True):
            scores[row, : lengths[row]] = log_probs[len(prompts[row]) - 1 :]
    return scores


def _scored(model: Any, texts: Sequence[Sequence[int]]) -> list[npt.NDArray[np.float32]]:
    """The log-probability of each token of some texts, except the first."""
    longest = max(map(len, texts))
    # Padded on the right, which causal attention never sees.
    padded = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts], device=model.device)
    logits = model(input_ids=padded, use_cache=False).logits[:, :-1].float()
    chosen = logits.gather(-1, padded[:, 1:, None]).squeeze(-1) - logits.logsumexp(-1)
    return [row[: len(text) - 1].cpu().numpy() for row, text in zip(chosen, texts, strict=True)]
