"""Sampling records, or groups of records, from a causal language model under a token automaton.

Rows move together, one token a step, as the leaves of a tree: rows that have begun with the same tokens
share a node, and the model computes a node once. A tree of more nodes than one step should take is cut
between nodes, and its parts go on one after the other. Where every node is in the same state only the part of
the output layer that holds its ids is computed; so constrained sampling of a table without open columns is
exact and cheap. Tokens that leave no choice, such as the position in a group, are not asked for: the
model reads them together with the next one that is.

Draws come by inverse CDF from uniforms keyed by (seed, row, position): a row depends neither on what else
is in its batch nor on where the tree is cut, rounding of the matrix products aside.
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
from rowsmith_backends.sampling.decoded import Decoded
from rowsmith_backends.sampling.repetition_penalty import penalized, tokens_seen
from rowsmith_backends.sampling.token_sampling import choose
from rowsmith_backends.scratch.decoding.automaton import TokenAutomaton
from rowsmith_backends.scratch.decoding.completion_state import Beginning, Page
from rowsmith_backends.scratch.decoding.forward_step import Steps
from rowsmith_backends.scratch.decoding.group_positions import TIME, PositionDecoder
from rowsmith_backends.scratch.decoding.prefix_tree import Tree
from rowsmith_backends.scratch.decoding.work_pool import Done, walk

__all__ = ["Beginning", "Sampling", "decode_records"]

# Cells of a table of cumulative chances that are drawn from at once: 64 MiB in double precision.
_CELLS_AT_ONCE = 1 << 23
# Keys and values of the nodes of one step, in bytes.
_CACHE_BYTES = 1 << 29
# Steps of fewer nodes cost as much as they do.
_FEWEST_NODES = 256


@frozen(kw_only=True)
class Sampling:
    """How tokens are chosen.

    Attributes:
        temperature: Divides the logits; 0 takes the likeliest token.
        top_p: Keeps the likeliest tokens whose mass reaches this share.
        repetition_penalty: Makes tokens less likely that were read or written before; 1 for not at all.
        max_tokens: The most tokens of one completion; a constrained record is closed in time.
        max_records: The most records of one completion; None leaves it to the model.
        constrained: Whether the automaton masks the logits.
        max_nodes: The most nodes of one step of the model.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    max_tokens: int
    max_records: int | None = None
    constrained: bool = True
    max_nodes: int = 2_048


Choices = slice | npt.NDArray[np.int64]


@frozen(kw_only=True, eq=False)
class _Decoder:
    """What stays the same over one call of :func:`decode_records`."""

    steps: Steps
    automaton: TokenAutomaton
    position_decoder: PositionDecoder | None
    draws: Draws
    sampling: Sampling
    eos: int
    workers: int
    spare: deque[Any] = field(factory=deque, init=False)
    """Memories of trees that have ended: a new one would be memory that the system has to clear first."""
    ahead: dict[int, int] = field(factory=dict, init=False)
    """How many tokens at most have to come after the next one of a state, where that is known."""
    moving: Mapping[int, int] = field(init=False)
    """The states in which a track of positions is about to move, and which."""

    @moving.default
    def _moving(self) -> dict[int, int]:
        movers = self.position_decoder.movers if self.position_decoder is not None else {}
        return {
            self.automaton.entries[column] if column else self.automaton.end: track for column, track in movers.items()
        }

    def root(self, beginnings: Sequence[Beginning], nodes: npt.NDArray[np.int64]) -> Tree:
        """All rows, each in the node of its beginning."""
        places = [self._place(beginning) for beginning in beginnings]
        tree = Tree(
            position=len(beginnings[0].forced),
            memory=self.steps.empty(len(beginnings)),
            shared=False,
            slots=None,
            inputs=np.array([[*beginning.prompt, *beginning.forced] for beginning in beginnings]),
            states=np.array([state for state, _ in places], dtype=np.int32),
            records=np.zeros(len(beginnings), dtype=np.int64),
            group_positions=np.vstack([group_positions for _, group_positions in places]),
            rows=np.arange(len(nodes)),
            nodes=nodes,
        )
        if self.fits(tree):
            tree.memory = self.steps.empty(self._room(tree))
        return tree

    def _place(self, beginning: Beginning) -> tuple[int, npt.NDArray[np.float64]]:
        """State and group positions after a beginning."""
        automaton, decoder = self.automaton, self.position_decoder
        group_positions = decoder.unset(1) if decoder is not None else np.empty((1, 0))
        ids = [*beginning.records, *beginning.forced]
        goes_on = decoder is not None and bool(ids) and not np.isnan(decoder.moves[TIME, ids[0]])
        for token in ids:
            group_positions = self._moved(group_positions, np.array([token]))
        return automaton.run(automaton.end if goes_on else automaton.start, ids), group_positions

    def fits(self, tree: Tree) -> bool:
        """Whether one step can take the tree."""
        return len(tree.states) <= self.most(tree)

    def most(self, tree: Tree) -> int:
        """The most nodes of one step of the tree."""
        fair = max(_FEWEST_NODES, -(-len(self.draws) // self.workers))
        room = _CACHE_BYTES // self.workers // max(1, self.steps.size(tree.memory))
        return max(1, min(self.sampling.max_nodes, fair, room))

    def _room(self, tree: Tree) -> int:
        """The most nodes that a step of the tree may have in time."""
        return min(len(self.draws), self.most(tree))

    def ended(self, tree: Tree) -> None:
        """Take back the memory of a tree in which nothing is read any more."""
        if not tree.shared:
            self.spare.append(tree.memory)

    def _select(self, tree: Tree, slots: torch.Tensor) -> None:
        spare = None
        with suppress(IndexError):
            spare = self.spare.pop()
        memory = self.steps.select(tree.memory, slots, self._room(tree), spare)
        self.ended(tree)
        tree.memory, tree.shared, tree.slots = memory, False, None

    def step(self, tree: Tree, page: Page) -> tuple[npt.NDArray[np.int64], Tree]:
        """The next token of each row, and the tree after it; rows that ended are still there."""
        forced = self._forced(tree)
        if (forced >= 0).all():
            tokens = forced[tree.nodes]
            return tokens, self._followed(tree, forced, np.hstack([tree.inputs, forced[:, None]]))
        if tree.slots is not None:
            self._select(tree, torch.from_numpy(tree.slots).to(self.steps.device))
        inputs = torch.from_numpy(tree.inputs).to(self.steps.device)
        seen = None if self.sampling.repetition_penalty == 1 else page.histories(tree)
        tokens = self._draw(self.steps.read(tree.memory, inputs), tree, forced, seen)
        branched, fresh = tree.branched(tokens)
        return tokens, self._followed(branched, fresh, fresh[:, None])

    def _forced(self, tree: Tree) -> npt.NDArray[np.int64]:
        """``[nodes]`` the id that must come; -1 where there is a choice."""
        if not self.sampling.constrained:
            return np.full(len(tree.states), -1, dtype=np.int64)
        forced = self.automaton.only[tree.states].astype(np.int64)
        if self.position_decoder is not None:
            for column in self.position_decoder.columns:
                here = tree.states == self.automaton.entries[column]
                if here.any():
                    forced[here] = self.position_decoder.ids(column, tree.group_positions[here], tree.inputs[here, -1])
        return forced

    def _draw(
        self, hidden: torch.Tensor, tree: Tree, forced: npt.NDArray[np.int64], seen: list[list[int]] | None
    ) -> npt.NDArray[np.int64]:
        choices = self._choices(tree)
        ids = choices if isinstance(choices, slice) else torch.from_numpy(choices).to(hidden.device)
        width = choices.stop - choices.start if isinstance(choices, slice) else len(choices)
        at_once = max(1, _CELLS_AT_ONCE // width)
        uniforms = torch.from_numpy(self.draws.take(tree.rows).uniform(tree.position)).to(hidden.device)
        nodes = torch.from_numpy(tree.nodes).to(hidden.device)
        temperature, top_p = self.sampling.temperature, self.sampling.top_p
        chosen = []
        for low in range(0, len(tree.states), at_once):
            high = min(low + at_once, len(tree.states))
            logits = self.steps.logits(hidden[low:high], ids)
            if seen is not None:
                before = tokens_seen(seen[low:high], self.steps.vocabulary_size, logits.device)[:, ids]
                logits = penalized(logits, before, self.sampling.repetition_penalty)
            refused = self._refused(tree, choices, forced, slice(low, high))
            if refused is not None:
                logits = logits.masked_fill(torch.from_numpy(refused).to(logits.device), -torch.inf)
            here = slice(*np.searchsorted(tree.nodes, [low, high]))
            chosen.append(choose(logits, nodes[here] - low, uniforms[here], temperature, top_p))
        tokens: npt.NDArray[np.int64] = torch.cat(chosen).cpu().numpy()
        return tokens + choices.start if isinstance(choices, slice) else choices[tokens]

    def _choices(self, tree: Tree) -> Choices:
        """The ids among which the nodes choose: those of their state when all are in the same one, else all ids."""
        first = tree.states[0]
        if not self.sampling.constrained or not (tree.states == first).all():
            return slice(0, self.steps.vocabulary_size)
        found = self.automaton.slices[first]
        return slice(*found) if found is not None else np.flatnonzero(self.automaton.next_state[first] >= 0)

    def _refused(
        self, tree: Tree, choices: Choices, forced: npt.NDArray[np.int64], nodes: slice
    ) -> npt.NDArray[np.bool_] | None:
        """``[nodes, choices]``: what may not come, so that the record also ends in time; None refuses nothing."""
        if not self.sampling.constrained:
            return None
        states, group_positions = tree.states[nodes], tree.group_positions[nodes]
        fixed = forced[nodes] >= 0
        closed = isinstance(choices, slice) and choices.stop - choices.start < self.steps.vocabulary_size
        left = self.sampling.max_tokens - tree.position
        if closed and not fixed.any() and states[0] not in self.moving and self._ahead(states[0], choices) < left:
            return None
        ids = np.arange(self.steps.vocabulary_size)[choices]
        following = self.automaton.next_state[states[:, None], ids]
        refused = following < 0
        late = refused | (self.automaton.to_done[following] >= left)
        for state, track in self.moving.items():
            # Whoever asks for so many records says himself how far time goes.
            bounded = track != TIME or self.sampling.max_records is None
            here = states == state
            if bounded and here.any() and self.position_decoder is not None:
                late[here] |= self.position_decoder.out_of_range(track, group_positions[here], ids)
        # A limit below the shortest record cannot be kept: such rows are cut off instead.
        refused = np.where(late.all(axis=1, keepdims=True), refused, late)
        if fixed.any():
            refused[fixed] = ids[None, :] != forced[nodes][fixed][:, None]
        return refused

    def _ahead(self, state: int, choices: Choices) -> int:
        """How many tokens have to come after the next one of a state until a record ends, whichever it is."""
        if state not in self.ahead:
            following = self.automaton.next_state[state, choices]
            self.ahead[state] = int(self.automaton.to_done[following[following >= 0]].max(initial=0))
        return self.ahead[state]

    def _followed(self, tree: Tree, tokens: npt.NDArray[np.int64], inputs: npt.NDArray[np.int64]) -> Tree:
        """The tree with one token after each node."""
        following = self.automaton.next_state[tree.states, tokens]
        # Without constraints a row may leave the grammar; only EOS ends it then.
        following = np.where(following < 0, tree.states, following)
        records = tree.records + ((following == self.automaton.end) & (tree.states != self.automaton.end))
        ended = tokens == self.eos
        if self.sampling.max_records is not None:
            ended |= records >= self.sampling.max_records
        return evolve(
            tree,
            position=tree.position + 1,
            inputs=inputs,
            states=np.where(ended, self.automaton.done, following).astype(np.int32),
            records=records,
            group_positions=self._moved(tree.group_positions, tokens),
        )

    def _moved(self, positions: npt.NDArray[np.float64], tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return positions if self.position_decoder is None else self.position_decoder.after(positions, tokens)


def decode_records(
    steps: Steps,
    automaton: TokenAutomaton,
    beginnings: Sequence[Beginning],
    nodes: npt.NDArray[np.int64],
    draws: Draws,
    sampling: Sampling,
    *,
    eos: int,
    pad: int,
    position_decoder: PositionDecoder | None = None,
) -> Iterator[Decoded]:
    """Complete some prompts, one completion for each row of ``draws``.

    Args:
        steps: The model.
        automaton: The record grammar.
        beginnings: The prompts, all of the same number of tokens, and of forced ones.
        nodes: ``[rows]`` the beginning of each row, ascending.
        draws: Uniforms, one row a completion.
        sampling: How tokens are chosen.
        eos: The id that ends a record.
        pad: The id written after it.
        position_decoder: Tells the positions of records in their group; None for records that stand alone.

    Yields:
        The completions, forced ids included, as parts of the tree end; each row once.
    """
    decoder = _Decoder(
        steps=steps,
        automaton=automaton,
        position_decoder=position_decoder,
        draws=draws,
        sampling=sampling,
        eos=eos,
        workers=_workers(steps),
    )
    page = Page.blank(nodes, beginnings, sampling.max_tokens, pad)

    def visit(tree: Tree) -> Done[Tree, Decoded]:
        with torch.inference_mode():
            return _visited(decoder, page, tree)

    yield from walk(decoder.root(beginnings, nodes), visit, decoder.workers)


def _workers(steps: Steps) -> int:
    """Parts of a tree that go on side by side: on a CPU as many as torch has threads."""
    return torch.get_num_threads() if steps.device.type == "cpu" else 1


def _visited(decoder: _Decoder, page: Page, tree: Tree) -> Done[Tree, Decoded]:
    """Go on with a tree until it ends, or is to be cut."""
    rows, limit = tree.rows, page.ids.shape[1]
    while len(tree.rows) and tree.position < limit and decoder.fits(tree):
        tokens, grown = decoder.step(tree, page)
        page.ids[tree.rows, tree.position] = tokens
        page.lengths[tree.rows] += 1
        page.finished[grown.rows[grown.states[grown.nodes] == decoder.automaton.done]] = True
        tree = grown.without(grown.states == decoder.automaton.done)
    if not len(tree.rows) or tree.position >= limit:
        decoder.ended(tree)
        return Done(results=page.completions(rows))
    return Done(results=page.completions(np.setdiff1d(rows, tree.rows)), left=tree.cut(decoder.most(tree)))
