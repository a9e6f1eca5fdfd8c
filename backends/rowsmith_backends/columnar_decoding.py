"""Sampling records from a causal language model under a token automaton.

All rows of a batch move together, one token a step. Where every row is in the same state, and its
allowed ids are contiguous, only that slice of the output layer is computed; so constrained sampling
of a table without open columns is exact and cheap. Draws come by inverse CDF from uniforms keyed by
(seed, row, position): a row does not depend on what else is in its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from attrs import define, frozen
from transformers import DynamicCache

from rowsmith.draws import Draws
from rowsmith.token_automaton import TokenAutomaton

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

__all__ = ["Decoded", "Sampling", "decode_records"]


@frozen(kw_only=True)
class Sampling:
    """How tokens are chosen.

    Attributes:
        temperature: Divides the logits; 0 takes the likeliest token.
        top_p: Keeps the likeliest tokens whose mass reaches this share.
        max_tokens: The most tokens of one completion; a constrained record is closed in time.
        constrained: Whether the automaton masks the logits.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int
    constrained: bool = True


@frozen(kw_only=True, eq=False)
class Decoded:
    """Completions of a batch.

    Attributes:
        ids: ``[rows, tokens]`` int32, right padded with the pad id.
        lengths: ``[rows]`` int32; EOS is counted.
        finished: ``[rows]`` whether EOS came before the limit.
    """

    ids: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    finished: npt.NDArray[np.bool_]


@define(eq=False)
class _Rows:
    """The rows of a batch that still go on."""

    index: npt.NDArray[np.int64]
    draws: Draws
    state: npt.NDArray[np.int32]

    def keep(self, mask: npt.NDArray[np.bool_]) -> _Rows:
        return _Rows(self.index[mask], self.draws.take(mask), self.state[mask])


def _top_p(weights: torch.Tensor, top_p: float) -> torch.Tensor:
    ordered, order = weights.sort(dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    ordered[before >= top_p * ordered.sum(-1, keepdim=True)] = 0
    return torch.zeros_like(weights).scatter_(-1, order, ordered)


def _choose(logits: torch.Tensor, uniforms: npt.NDArray[np.float64], sampling: Sampling) -> torch.Tensor:
    """Draw one id a row from ``[rows, ids]`` logits, refused ids being -inf."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    weights = torch.softmax(logits.float() / sampling.temperature, dim=-1)
    if sampling.top_p < 1:
        weights = _top_p(weights, sampling.top_p)
    cumulative = weights.cumsum(-1)
    level = torch.from_numpy(uniforms).to(cumulative).unsqueeze(-1) * cumulative[:, -1:]
    # The first id whose cumulative mass exceeds the level; rounding may point past the last id with mass.
    chosen = torch.searchsorted(cumulative, level, right=True).squeeze(-1)
    last = weights.shape[-1] - 1 - (weights > 0).to(torch.int8).flip(-1).argmax(-1)
    return torch.minimum(chosen, last)


def _allowed(automaton: TokenAutomaton, state: npt.NDArray[np.int32], left: int) -> npt.NDArray[np.bool_]:
    """``[rows, tokens]``: what may come, so that the record still ends within ``left`` tokens."""
    following = automaton.next_state[state]
    allowed = following >= 0
    in_time = allowed & (automaton.to_done[following] < left)
    # A limit below the shortest record cannot be kept: such rows are cut off instead.
    feasible = in_time.any(axis=1, keepdims=True)
    return np.where(feasible, in_time, allowed)


def _logits(
    head: torch.nn.Linear,
    hidden: torch.Tensor,
    rows: _Rows,
    automaton: TokenAutomaton,
    sampling: Sampling,
    position: int,
) -> tuple[torch.Tensor, int]:
    """The logits to choose from and the id of their first column."""
    if not sampling.constrained:
        return head(hidden), 0
    first = rows.state[0]
    shared = automaton.slices[first] if (rows.state == first).all() else None
    if shared is not None:
        start, stop = shared
        return hidden @ head.weight[start:stop].T, start
    allowed = torch.from_numpy(_allowed(automaton, rows.state, sampling.max_tokens - position)).to(hidden.device)
    return head(hidden).masked_fill(~allowed, -torch.inf), 0


def _advance(rows: _Rows, tokens: npt.NDArray[np.int64], automaton: TokenAutomaton, eos: int) -> None:
    following = automaton.next_state[rows.state, tokens]
    # Without constraints a row may leave the grammar; only EOS ends it then.
    following = np.where(following < 0, rows.state, following)
    rows.state = np.where(tokens == eos, automaton.done, following).astype(np.int32)


@torch.inference_mode()
def decode_records(
    model: LlamaForCausalLM,
    automaton: TokenAutomaton,
    prefix: Sequence[int],
    forced: Sequence[int],
    draws: Draws,
    sampling: Sampling,
    *,
    eos: int,
    pad: int,
    on_step: Callable[[], None] | None = None,
) -> Decoded:
    """Complete one shared prompt once for each row of ``draws``.

    Args:
        model: A causal language model whose base model is ``model.model``.
        automaton: The record grammar.
        prefix: Prompt ids, ending with the record's BOS.
        forced: First ids of every completion, given instead of drawn.
        draws: Uniforms, one row a completion.
        sampling: How tokens are chosen.
        eos: The id that ends a record.
        pad: The id written after it.
        on_step: Called once a step, to let the caller interrupt.

    Returns:
        The completions, forced ids included.
    """
    count, limit = len(draws.rows), sampling.max_tokens
    ids = np.full((count, limit), pad, dtype=np.int32)
    lengths = np.full(count, min(len(forced), limit), dtype=np.int32)
    ids[:, : len(forced)] = np.asarray(forced, dtype=np.int32)[:limit]
    start = automaton.run(automaton.start, forced)
    rows = _Rows(np.arange(count), draws, np.full(count, start, np.int32))
    finished = np.zeros(count, dtype=np.bool_)
    cache = DynamicCache()
    device = model.device
    inputs = torch.tensor([*prefix, *forced], device=device).expand(count, -1)
    for position in range(len(forced), limit):
        if on_step is not None:
            on_step()
        if sampling.constrained and (rows.state == automaton.end).all():
            tokens = np.full(len(rows.index), eos, dtype=np.int64)  # nothing else may come: no need to ask
        else:
            hidden = model.model(input_ids=inputs, past_key_values=cache, use_cache=True).last_hidden_state[:, -1]
            logits, offset = _logits(model.lm_head, hidden, rows, automaton, sampling, position)
            tokens = _choose(logits, rows.draws.uniform(position), sampling).cpu().numpy() + offset
        ids[rows.index, position] = tokens
        lengths[rows.index] += 1
        _advance(rows, tokens, automaton, eos)
        ended = rows.state == automaton.done
        finished[rows.index[ended]] = True
        if ended.all():
            break
        going = torch.from_numpy(tokens).to(device)
        if ended.any():
            rows = rows.keep(~ended)
            kept = torch.from_numpy(np.flatnonzero(~ended)).to(device)
            cache.batch_select_indices(kept)
            going = going[kept]
        inputs = going.unsqueeze(-1)
    longest = int(lengths.max(initial=0))
    return Decoded(ids=ids[:, :longest], lengths=lengths, finished=finished)
