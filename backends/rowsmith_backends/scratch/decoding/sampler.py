"""Sampling of records, or groups of records, from a causal language model under a token automaton.

All rows advance by one token a step. Rows that begin with the same tokens share a prefix, which the model computes
once (``PrefixTree``). A tree of more prefixes than one step should take is split, and its parts are completed one
after another. If all prefixes are in the same automaton state, only the slice of the output layer with its ids is
computed, so constrained sampling of a table without open columns is exact and cheap. Forced tokens, such as the
position of a record in its group, are not sampled: the model processes them together with the next sampled one.

Tokens are drawn by inverse CDF from uniforms keyed by (seed, row, position): a row depends neither on the rest of
its batch nor on how the tree is split, apart from rounding of the matrix products.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from attrs import evolve, field, frozen

from rowsmith.randomness.draws import Draws
from rowsmith_backends.sampling.conditions import restricted, with_given
from rowsmith_backends.sampling.decoded import Decoded
from rowsmith_backends.sampling.repetition_penalty import penalized, tokens_seen
from rowsmith_backends.sampling.token_sampling import sample_tokens
from rowsmith_backends.scratch.decoding.automaton import TokenAutomaton
from rowsmith_backends.scratch.decoding.completion_state import CompletionBuffer, CompletionStart
from rowsmith_backends.scratch.decoding.forward_step import ForwardStep
from rowsmith_backends.scratch.decoding.group_positions import PositionDecoder
from rowsmith_backends.scratch.decoding.prefix_tree import PrefixTree
from rowsmith_backends.scratch.decoding.record_constraints import RecordConstraints
from rowsmith_backends.scratch.decoding.work_pool import WorkResult, process_in_order

__all__ = ["CompletionStart", "SamplingSettings", "decode_records"]

# Cells of the cumulative probabilities sampled at once: 64 MiB in double precision.
_MAX_CELLS = 1 << 23
# KV cache of the prefixes of one step, in bytes.
_CACHE_BYTES = 1 << 29
# Steps of fewer prefixes cost as much as they do.
_MIN_PREFIXES = 256


@frozen(kw_only=True)
class SamplingSettings:
    """Parameters of sampling.

    Attributes:
        temperature: Divides the logits; 0 takes the likeliest token.
        top_p: Restricts sampling to the likeliest tokens whose probability reaches this share.
        repetition_penalty: Lowers the logits of tokens in prompt and completion so far; 1 for none.
        max_tokens: The most tokens of one completion; a constrained record is closed in time.
        max_records: The most records of one completion; None leaves it to the model.
        constrained: Whether the automaton masks the logits.
        max_prefixes: The most prefixes of one forward step.
        excluded: Ids that a condition excludes, ``[ids]`` bool by automaton state; a row is weighted by the
            probability of the others.
        given: ``[rows, columns]`` ids that are not drawn, -1 for those that are; a row is weighted by their
            probability. None for none.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    max_tokens: int
    max_records: int | None = None
    constrained: bool = True
    max_prefixes: int = 2_048
    excluded: Mapping[int, npt.NDArray[np.bool_]] = field(factory=dict)
    given: npt.NDArray[np.int64] | None = None


Candidates = slice | npt.NDArray[np.int64]


@frozen(kw_only=True, eq=False)
class _Decoder:
    """Fixed parts of one call of :func:`decode_records`."""

    model: ForwardStep
    constraints: RecordConstraints
    draws: Draws
    sampling: SamplingSettings
    eos: int
    workers: int
    free_caches: deque[Any] = field(factory=deque, init=False)
    """KV caches of finished trees, for reuse: the system would have to clear newly allocated memory first."""
    max_remaining: dict[int, int] = field(factory=dict, init=False)
    """The most tokens needed after the next one of a state, where computed already."""

    @property
    def automaton(self) -> TokenAutomaton:
        """The record grammar."""
        return self.constraints.automaton

    def root(self, starts: Sequence[CompletionStart], prefixes: npt.NDArray[np.int64]) -> PrefixTree:
        """The tree of all rows, one prefix for each start."""
        start_states = [self.constraints.start([*start.records, *start.forced]) for start in starts]
        tree = PrefixTree(
            position=len(starts[0].forced),
            cache=self.model.empty_cache(len(starts)),
            shared=False,
            cache_indices=None,
            inputs=np.array([[*start.prompt, *start.forced] for start in starts]),
            states=np.array([state for state, _ in start_states], dtype=np.int32),
            records=np.zeros(len(starts), dtype=np.int64),
            group_state=np.vstack([group_state for _, group_state in start_states]),
            rows=np.arange(len(prefixes)),
            prefixes=prefixes,
        )
        if self.fits(tree):
            tree.cache = self.model.empty_cache(self._capacity(tree))
        return tree

    def fits(self, tree: PrefixTree) -> bool:
        """Whether the tree fits into one forward step."""
        return len(tree.states) <= self.max_prefixes(tree)

    def max_prefixes(self, tree: PrefixTree) -> int:
        """The most prefixes of one forward step of the tree."""
        per_worker = max(_MIN_PREFIXES, -(-len(self.draws) // self.workers))
        fitting = _CACHE_BYTES // self.workers // max(1, self.model.prefix_bytes(tree.cache))
        return max(1, min(self.sampling.max_prefixes, per_worker, fitting))

    def _capacity(self, tree: PrefixTree) -> int:
        """Prefixes for which the KV cache of the tree needs capacity."""
        return min(len(self.draws), self.max_prefixes(tree))

    def release(self, tree: PrefixTree) -> None:
        """Release the KV cache of a finished tree for reuse."""
        if not tree.shared:
            self.free_caches.append(tree.cache)

    def _select(self, tree: PrefixTree, cache_indices: torch.Tensor) -> None:
        reuse = None
        with suppress(IndexError):
            reuse = self.free_caches.pop()
        cache = self.model.select(tree.cache, cache_indices, self._capacity(tree), reuse)
        self.release(tree)
        tree.cache, tree.shared, tree.cache_indices = cache, False, None

    def step(self, tree: PrefixTree, buffer: CompletionBuffer) -> tuple[npt.NDArray[np.int64], PrefixTree]:
        """Sample the next token of each row.

        Returns:
            ``[rows]`` tokens, and the tree after them; finished rows are still in it.
        """
        forced = self._forced(tree)
        if (forced >= 0).all():
            tokens = forced[tree.prefixes]
            return tokens, self._after(tree, forced, np.hstack([tree.inputs, forced[:, None]]))
        if tree.cache_indices is not None:
            self._select(tree, torch.from_numpy(tree.cache_indices).to(self.model.device))
        inputs = torch.from_numpy(tree.inputs).to(self.model.device)
        histories = None if self.sampling.repetition_penalty == 1 else buffer.histories(tree)
        tokens = self._draw(self.model.forward(tree.cache, inputs), tree, forced, histories, buffer)
        extended, last_tokens = tree.branch(tokens)
        return tokens, self._after(extended, last_tokens, last_tokens[:, None])

    def _forced(self, tree: PrefixTree) -> npt.NDArray[np.int64]:
        """The forced next id of each prefix, ``[prefixes]``; -1 where there is a choice."""
        if not self.sampling.constrained:
            return np.full(len(tree.states), -1, dtype=np.int64)
        only = self.automaton.only[tree.states].astype(np.int64)
        return self.constraints.determined(tree.states, tree.group_state, tree.inputs[:, -1], only)

    def _draw(
        self,
        hidden: torch.Tensor,
        tree: PrefixTree,
        forced: npt.NDArray[np.int64],
        histories: list[list[int]] | None,
        buffer: CompletionBuffer,
    ) -> npt.NDArray[np.int64]:
        candidates = self._candidates(tree)
        ids = candidates if isinstance(candidates, slice) else torch.from_numpy(candidates).to(hidden.device)
        width = candidates.stop - candidates.start if isinstance(candidates, slice) else len(candidates)
        at_once = max(1, _MAX_CELLS // width)
        uniforms = torch.from_numpy(self.draws.take(tree.rows).uniform(tree.position)).to(hidden.device)
        conditions = self._conditions(tree, ids)
        prefixes = torch.from_numpy(tree.prefixes).to(hidden.device)
        temperature, top_p = self.sampling.temperature, self.sampling.top_p
        chosen = []
        for low in range(0, len(tree.states), at_once):
            high = min(low + at_once, len(tree.states))
            logits = self.model.logits(hidden[low:high], ids)
            if histories is not None:
                before = tokens_seen(histories[low:high], self.model.vocabulary_size, logits.device)[:, ids]
                logits = penalized(logits, before, self.sampling.repetition_penalty)
            disallowed = self._disallowed(tree, candidates, forced, slice(low, high))
            if disallowed is not None:
                logits = logits.masked_fill(torch.from_numpy(disallowed).to(logits.device), -torch.inf)
            here = slice(*np.searchsorted(tree.prefixes, [low, high]))
            if conditions is not None:
                logits, log_mass = restricted(logits, conditions[low:high], temperature)
                buffer.log_weights[tree.rows[here]] += log_mass.cpu().numpy()[tree.prefixes[here] - low]
            drawn = sample_tokens(logits, prefixes[here] - low, uniforms[here], temperature, top_p)
            wanted = self._given(tree, candidates, here)
            if wanted is not None:
                drawn, log_probs = with_given(logits, prefixes[here] - low, drawn, wanted, temperature)
                buffer.log_weights[tree.rows[here]] += log_probs.cpu().numpy()
            chosen.append(drawn)
        tokens: npt.NDArray[np.int64] = torch.cat(chosen).cpu().numpy()
        return tokens + candidates.start if isinstance(candidates, slice) else candidates[tokens]

    def _conditions(self, tree: PrefixTree, ids: slice | torch.Tensor) -> torch.Tensor | None:
        """Mask of ids that conditions exclude, ``[prefixes, ids]``; None without any at these states."""
        states = [int(state) for state in np.unique(tree.states) if int(state) in self.sampling.excluded]
        if not states:
            return None
        excluded = torch.zeros(len(tree.states), self.model.vocabulary_size, dtype=torch.bool)
        for state in states:
            excluded[torch.from_numpy(tree.states == state)] = torch.from_numpy(self.sampling.excluded[state])
        return excluded[:, ids.cpu() if isinstance(ids, torch.Tensor) else ids].to(self.model.device)

    def _given(self, tree: PrefixTree, candidates: Candidates, rows: slice) -> torch.Tensor | None:
        """Offsets into the candidates of the ids that some rows are given, ``[rows]``, -1 for others; None for none."""
        if self.sampling.given is None:
            return None
        columns = np.full(len(tree.states), -1)
        for column, entry in enumerate(self.automaton.entries):
            columns[tree.states == entry] = column
        at = columns[tree.prefixes[rows]]
        ids = np.where(at < 0, -1, self.sampling.given[tree.rows[rows], at])
        if (ids < 0).all():
            return None
        if isinstance(candidates, slice):
            return torch.from_numpy(np.where(ids < 0, -1, ids - candidates.start)).to(self.model.device)
        return torch.from_numpy(np.where(ids < 0, -1, np.searchsorted(candidates, ids))).to(self.model.device)

    def _candidates(self, tree: PrefixTree) -> Candidates:
        """Candidate ids of the next token: those of the common state of all prefixes, or all ids."""
        first = tree.states[0]
        if not self.sampling.constrained or not (tree.states == first).all():
            return slice(0, self.model.vocabulary_size)
        found = self.automaton.slices[first]
        return slice(*found) if found is not None else np.flatnonzero(self.automaton.next_state[first] >= 0)

    def _disallowed(
        self, tree: PrefixTree, candidates: Candidates, forced: npt.NDArray[np.int64], prefixes: slice
    ) -> npt.NDArray[np.bool_] | None:
        """Mask of disallowed ids, which also ends records in time.

        Returns:
            ``[prefixes, candidates]`` bool; None if every candidate is allowed.
        """
        if not self.sampling.constrained:
            return None
        states, group_state = tree.states[prefixes], tree.group_state[prefixes]
        closed = isinstance(candidates, slice) and candidates.stop - candidates.start < self.model.vocabulary_size
        remaining = self.sampling.max_tokens - tree.position
        if (
            closed
            and (forced[prefixes] < 0).all()
            and states[0] not in self.constraints.moved_variable
            and self._max_remaining(states[0], candidates) < remaining
        ):
            return None
        # An explicit number of records says how far time goes.
        time_is_bounded = self.sampling.max_records is None
        return self.constraints.disallowed(
            states,
            group_state,
            np.arange(self.model.vocabulary_size)[candidates],
            remaining=np.full(len(states), remaining),
            forced=forced[prefixes],
            time_is_bounded=np.full(len(states), time_is_bounded),
        )

    def _max_remaining(self, state: int, candidates: Candidates) -> int:
        """The most tokens needed to end a record, after any next token of a state."""
        if state not in self.max_remaining:
            following = self.automaton.next_state[state, candidates]
            self.max_remaining[state] = int(self.automaton.to_done[following[following >= 0]].max(initial=0))
        return self.max_remaining[state]

    def _after(self, tree: PrefixTree, tokens: npt.NDArray[np.int64], inputs: npt.NDArray[np.int64]) -> PrefixTree:
        """The tree after one more token for each prefix."""
        following = self.automaton.next_state[tree.states, tokens]
        # Without constraints a row may leave the grammar; only EOS ends it then.
        following = np.where(following < 0, tree.states, following)
        records = tree.records + ((following == self.automaton.end) & (tree.states != self.automaton.end))
        finished = tokens == self.eos
        if self.sampling.max_records is not None:
            finished |= records >= self.sampling.max_records
        return evolve(
            tree,
            position=tree.position + 1,
            inputs=inputs,
            states=np.where(finished, self.automaton.done, following).astype(np.int32),
            records=records,
            group_state=self.constraints.next_group_state(tree.group_state, tokens),
        )


def decode_records(
    model: ForwardStep,
    automaton: TokenAutomaton,
    starts: Sequence[CompletionStart],
    prefixes: npt.NDArray[np.int64],
    draws: Draws,
    sampling: SamplingSettings,
    *,
    eos: int,
    pad: int,
    position_decoder: PositionDecoder | None = None,
) -> Iterator[Decoded]:
    """Complete prompts, one completion for each row of ``draws``.

    Args:
        model: The model.
        automaton: The record grammar.
        starts: Starts of the completions, all with the same number of prompt tokens and of forced tokens.
        prefixes: ``[rows]`` the start of each row, ascending.
        draws: Uniforms, one row a completion.
        sampling: Parameters of sampling.
        eos: The id that ends a completion.
        pad: The id that fills rows up.
        position_decoder: Position decoder of groups; None for independent records.

    Yields:
        The completions, forced ids included, as parts of the tree finish; each row once.
    """
    decoder = _Decoder(
        model=model,
        constraints=RecordConstraints(automaton=automaton, position_decoder=position_decoder),
        draws=draws,
        sampling=sampling,
        eos=eos,
        workers=_workers(model),
    )
    buffer = CompletionBuffer.empty(prefixes, starts, sampling.max_tokens, pad)

    def process(tree: PrefixTree) -> WorkResult[PrefixTree, Decoded]:
        with torch.inference_mode():
            return _advance(decoder, buffer, tree)

    yield from process_in_order(decoder.root(starts, prefixes), process, decoder.workers)


def _workers(model: ForwardStep) -> int:
    """Parts of the tree completed in parallel: on a CPU one for each thread of torch."""
    return torch.get_num_threads() if model.device.type == "cpu" else 1


def _advance(decoder: _Decoder, buffer: CompletionBuffer, tree: PrefixTree) -> WorkResult[PrefixTree, Decoded]:
    """Advance a tree until it is finished or must be split."""
    rows, limit = tree.rows, buffer.ids.shape[1]
    while len(tree.rows) and tree.position < limit and decoder.fits(tree):
        tokens, extended = decoder.step(tree, buffer)
        buffer.ids[tree.rows, tree.position] = tokens
        buffer.lengths[tree.rows] += 1
        buffer.finished[extended.rows[extended.states[extended.prefixes] == decoder.automaton.done]] = True
        tree = extended.without(extended.states == decoder.automaton.done)
    if not len(tree.rows) or tree.position >= limit:
        decoder.release(tree)
        return WorkResult(results=buffer.completions(rows))
    return WorkResult(
        results=buffer.completions(np.setdiff1d(rows, tree.rows)), remaining=tree.split(decoder.max_prefixes(tree))
    )
