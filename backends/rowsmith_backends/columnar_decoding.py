"""Sampling records from a causal language model under a token automaton.

Rows move together, one token a step, as the leaves of a tree: rows that have begun with the same tokens
share a node, and the model computes a node once. A tree of more nodes than one step should take is cut
between nodes, and its parts go on one after the other. Where every node is in the same state, and its
allowed ids are contiguous, only that slice of the output layer is computed; so constrained sampling of a
table without open columns is exact and cheap.

Draws come by inverse CDF from uniforms keyed by (seed, row, position): a row depends neither on what else
is in its batch nor on where the tree is cut, rounding of the matrix products aside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from attrs import define, frozen

from rowsmith.draws import Draws
from rowsmith.token_automaton import TokenAutomaton
from rowsmith_backends.decoding_steps import Steps

__all__ = ["Decoded", "Sampling", "decode_records"]

# Cells of a table of cumulative chances that are drawn from at once: 64 MiB in double precision.
_CELLS_AT_ONCE = 1 << 23
# Keys and values of the nodes of one step, in bytes.
_CACHE_BYTES = 1 << 29
_WORTH_SHARING = 0.5


@frozen(kw_only=True)
class Sampling:
    """How tokens are chosen.

    Attributes:
        temperature: Divides the logits; 0 takes the likeliest token.
        top_p: Keeps the likeliest tokens whose mass reaches this share.
        max_tokens: The most tokens of one completion; a constrained record is closed in time.
        constrained: Whether the automaton masks the logits.
        max_nodes: The most nodes of one step of the model.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int
    constrained: bool = True
    max_nodes: int = 2_048


@frozen(kw_only=True, eq=False)
class Decoded:
    """Completions of some rows.

    Attributes:
        rows: ``[rows]`` int64, which rows of ``draws`` these are.
        ids: ``[rows, tokens]`` int32, right padded with the pad id.
        lengths: ``[rows]`` int32; EOS is counted.
        finished: ``[rows]`` whether EOS came before the limit.
    """

    rows: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    finished: npt.NDArray[np.bool_]


@define(eq=False)
class _Tree:
    """Rows that go on, and the nodes that they share.

    Attributes:
        position: Tokens drawn so far.
        memory: What the model keeps of earlier tokens; trees that were cut from one share it until they read on.
        slots: ``[nodes]`` where in the memory the past of each node is; None where each has its own, in order.
        inputs: ``[nodes, tokens]`` ids that the model has not read.
        states: ``[nodes]`` automaton states.
        rows: ``[rows]`` row numbers, in the order of their nodes.
        nodes: ``[rows]`` the node of each row, ascending.
    """

    position: int
    memory: Any
    slots: npt.NDArray[np.int64] | None
    inputs: npt.NDArray[np.int64]
    states: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int64]
    nodes: npt.NDArray[np.int64]


def _top_p(weights: torch.Tensor, top_p: float) -> torch.Tensor:
    ordered, order = weights.sort(dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    ordered[before >= top_p * ordered.sum(-1, keepdim=True)] = 0
    return torch.zeros_like(weights).scatter_(-1, order, ordered)


def _choose(logits: torch.Tensor, nodes: torch.Tensor, uniforms: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Draw one id a row.

    Args:
        logits: ``[nodes, ids]``, refused ids being -inf.
        nodes: ``[rows]`` the node of each row.
        uniforms: ``[rows]`` double, in [0, 1).
        sampling: How.

    Returns:
        ``[rows]`` offsets into the ids.
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)[nodes]
    weights = torch.softmax(logits.float() / sampling.temperature, dim=-1)
    if sampling.top_p < 1:
        weights = _top_p(weights, sampling.top_p)
    cumulative = weights.double().cumsum(-1)
    # One look-up for all rows: node i's chances are laid out over (i, i + 1].
    cumulative /= cumulative[:, -1:].clone()
    places = torch.arange(len(logits), device=logits.device, dtype=torch.float64).unsqueeze(-1)
    # The first id whose cumulative mass exceeds the uniform; rounding may point past the last id with mass.
    chosen = torch.searchsorted((cumulative + places).flatten(), uniforms + nodes, right=True)
    width = logits.shape[-1]
    last = width - 1 - (weights > 0).to(torch.int8).flip(-1).argmax(-1)
    return torch.minimum(chosen - nodes * width, last[nodes])


def _allowed(automaton: TokenAutomaton, states: npt.NDArray[np.int32], left: int) -> npt.NDArray[np.bool_]:
    """``[nodes, tokens]``: what may come, so that the record still ends within ``left`` tokens."""
    following = automaton.next_state[states]
    allowed = following >= 0
    in_time = allowed & (automaton.to_done[following] < left)
    # A limit below the shortest record cannot be kept: such rows are cut off instead.
    feasible = in_time.any(axis=1, keepdims=True)
    return np.where(feasible, in_time, allowed)


@frozen(kw_only=True, eq=False)
class _Decoder:
    """What stays the same over one call of :func:`decode_records`."""

    steps: Steps
    automaton: TokenAutomaton
    draws: Draws
    sampling: Sampling
    eos: int

    def root(self, prefix: Sequence[int], forced: Sequence[int]) -> _Tree:
        """All rows in one node."""
        count = len(self.draws)
        return _Tree(
            position=len(forced),
            memory=self.steps.empty(1),
            slots=None,
            inputs=np.array([[*prefix, *forced]]),
            states=np.array([self.automaton.run(self.automaton.start, forced)], dtype=np.int32),
            rows=np.arange(count),
            nodes=np.zeros(count, dtype=np.int64),
        )

    def fits(self, tree: _Tree) -> bool:
        """Whether one step can take the tree."""
        return len(tree.states) <= self._most(tree)

    def _most(self, tree: _Tree) -> int:
        return max(1, min(self.sampling.max_nodes, _CACHE_BYTES // max(1, self.steps.size(tree.memory))))

    def cut(self, tree: _Tree) -> list[_Tree]:
        """The tree in parts of as many nodes as one step takes, the last ones first."""
        count = len(tree.states)
        parts = -(-count // self._most(tree))
        bounds = [count * part // parts for part in range(parts + 1)]
        return [_part(tree, start, stop) for start, stop in zip(bounds[-2::-1], bounds[:0:-1], strict=True)]

    def step(self, tree: _Tree) -> tuple[npt.NDArray[np.int64], _Tree]:
        """The next token of each row, and the tree after it; rows that ended are still there."""
        if self.sampling.constrained and (tree.states == self.automaton.end).all():
            tokens = np.full(len(tree.rows), self.eos, dtype=np.int64)  # nothing else may come: no need to ask
        else:
            if tree.slots is not None:
                slots = torch.from_numpy(tree.slots).to(self.steps.device)
                tree.memory, tree.slots = self.steps.select(tree.memory, slots), None
            inputs = torch.from_numpy(tree.inputs).to(self.steps.device)
            tokens = self._draw(self.steps.read(tree.memory, inputs), tree)
        return tokens, self._grown(tree, tokens)

    def _draw(self, hidden: torch.Tensor, tree: _Tree) -> npt.NDArray[np.int64]:
        start, stop = self._slice(tree)
        at_once = max(1, _CELLS_AT_ONCE // (stop - start))
        uniforms = torch.from_numpy(self.draws.take(tree.rows).uniform(tree.position)).to(hidden.device)
        nodes = torch.from_numpy(tree.nodes).to(hidden.device)
        chosen = []
        for low in range(0, len(tree.states), at_once):
            high = min(low + at_once, len(tree.states))
            logits = self._masked(self.steps.logits(hidden[low:high], start, stop), tree, low, high)
            here = slice(*np.searchsorted(tree.nodes, [low, high]))
            chosen.append(_choose(logits, nodes[here] - low, uniforms[here], self.sampling))
        tokens: npt.NDArray[np.int64] = torch.cat(chosen).cpu().numpy() + start
        return tokens

    def _slice(self, tree: _Tree) -> tuple[int, int]:
        """The ids among which every node chooses: a slice when all may choose the same ones, else all ids."""
        first = tree.states[0]
        shared = self.automaton.slices[first] if (tree.states == first).all() else None
        return shared if shared is not None and self.sampling.constrained else (0, self.steps.vocabulary_size)

    def _masked(self, logits: torch.Tensor, tree: _Tree, low: int, high: int) -> torch.Tensor:
        if logits.shape[-1] < self.steps.vocabulary_size or not self.sampling.constrained:
            return logits
        left = self.sampling.max_tokens - tree.position
        allowed = torch.from_numpy(_allowed(self.automaton, tree.states[low:high], left))
        return logits.masked_fill(~allowed.to(logits.device), -torch.inf)

    def _grown(self, tree: _Tree, tokens: npt.NDArray[np.int64]) -> _Tree:
        """The tree with a node for each distinct token after each node."""
        rows, nodes, parents, slots = tree.rows, tree.nodes, tree.nodes, tree.slots
        if len(tree.states) < len(rows):
            order, fresh = _distinct(tree.nodes * self.steps.vocabulary_size + tokens)
            rows, nodes, tokens = rows[order], np.cumsum(fresh) - 1, tokens[order][fresh]
            parents = tree.nodes[order][fresh]
            slots = parents if slots is None else slots[parents]
        following = self.automaton.next_state[tree.states[parents], tokens]
        # Without constraints a row may leave the grammar; only EOS ends it then.
        following = np.where(following < 0, tree.states[parents], following)
        return _Tree(
            position=tree.position + 1,
            memory=tree.memory,
            slots=slots,
            inputs=tokens[:, None],
            states=np.where(tokens == self.eos, self.automaton.done, following).astype(np.int32),
            rows=rows,
            nodes=nodes,
        )

    def living(self, tree: _Tree) -> _Tree:
        """The tree without the nodes in which records have ended."""
        alive = tree.states != self.automaton.done
        if alive.all():
            return tree
        rows = alive[tree.nodes]
        return _Tree(
            position=tree.position,
            memory=tree.memory,
            slots=np.flatnonzero(alive) if tree.slots is None else tree.slots[alive],
            inputs=tree.inputs[alive],
            states=tree.states[alive],
            rows=tree.rows[rows],
            nodes=(np.cumsum(alive) - 1)[tree.nodes[rows]],
        )


def _distinct(keys: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """An order that brings equal keys together, and where in it another key begins.

    Once most keys differ, each is taken for a key of its own: what little could be shared is not worth
    copying the memory of all nodes at every further token.
    """
    order = np.argsort(keys, kind="stable")
    fresh = np.diff(keys[order], prepend=-1) != 0
    return order, fresh if fresh.mean() < _WORTH_SHARING else np.ones(len(keys), dtype=np.bool_)


def _part(tree: _Tree, start: int, stop: int) -> _Tree:
    first, last = np.searchsorted(tree.nodes, [start, stop])
    return _Tree(
        position=tree.position,
        memory=tree.memory,
        slots=np.arange(start, stop) if tree.slots is None else tree.slots[start:stop],
        inputs=tree.inputs[start:stop],
        states=tree.states[start:stop],
        rows=tree.rows[first:last],
        nodes=tree.nodes[first:last] - start,
    )


@torch.inference_mode()
def decode_records(
    steps: Steps,
    automaton: TokenAutomaton,
    prefix: Sequence[int],
    forced: Sequence[int],
    draws: Draws,
    sampling: Sampling,
    *,
    eos: int,
    pad: int,
) -> Iterator[Decoded]:
    """Complete one shared prompt once for each row of ``draws``.

    Args:
        steps: The model.
        automaton: The record grammar.
        prefix: Prompt ids, ending with the record's BOS.
        forced: First ids of every completion, given instead of drawn.
        draws: Uniforms, one row a completion.
        sampling: How tokens are chosen.
        eos: The id that ends a record.
        pad: The id written after it.

    Yields:
        The completions, forced ids included, as parts of the tree end; each row once.
    """
    count, limit = len(draws), sampling.max_tokens
    ids = np.full((count, limit), pad, dtype=np.int32)
    ids[:, : len(forced)] = np.asarray(forced, dtype=np.int32)[:limit]
    lengths = np.full(count, min(len(forced), limit), dtype=np.int32)
    finished = np.zeros(count, dtype=np.bool_)
    decoder = _Decoder(steps=steps, automaton=automaton, draws=draws, sampling=sampling, eos=eos)
    trees = [decoder.root(prefix, forced)]
    while trees:
        tree = trees.pop()
        rows = tree.rows
        while len(tree.rows) and tree.position < limit and decoder.fits(tree):
            tokens, grown = decoder.step(tree)
            ids[tree.rows, tree.position] = tokens
            lengths[tree.rows] += 1
            finished[tree.rows[tokens == eos]] = True
            tree = decoder.living(grown)
        if len(tree.rows) and tree.position < limit:
            trees += decoder.cut(tree)
            rows = np.setdiff1d(rows, tree.rows)
        if len(rows):
            longest = int(lengths[rows].max())
            yield Decoded(rows=rows, ids=ids[rows, :longest], lengths=lengths[rows], finished=finished[rows])
