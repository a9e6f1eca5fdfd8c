"""Sampling of columnar models inside an engine that batches requests by itself.

Engines such as vLLM compute the logits of whatever requests are under way, and ask a processor of ours what to make
of them. It follows each request through the token automaton and the clock of its group, and draws the next token with
the numbers that belong to request and position: so it chooses as ``columnar_decoding`` does, whatever else is in the
batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from attrs import frozen

from rowsmith.draws import Draws
from rowsmith.group_clock import GroupClock
from rowsmith.token_automaton import TokenAutomaton, build_automaton
from rowsmith.vocabulary import Vocabulary
from rowsmith_backends.choosing import choose

__all__ = ["Beginnings", "SteeredRequest", "Steering"]

_UNLIMITED = np.iinfo(np.int64).max
# A hand of the clock that is about to move may be kept from going too far.
_NOWHERE = -1


@frozen(kw_only=True)
class SteeredRequest:
    """What a request wants of the processor.

    Attributes:
        request_id: Its number; draws are keyed by it.
        seed: Seed of the draws.
        forced: How many of the last ids of its prompt are the beginning of the completion.
        max_tokens: The most tokens of the completion, forced ones counted; a record is closed in time.
        max_records: The most records of the completion; None leaves it to the model.
        temperature: Divides the logits; 0 takes the likeliest token.
        top_p: Keeps the likeliest tokens whose mass reaches this share.
        constrained: Whether the automaton masks the logits.
    """

    request_id: int
    seed: int
    forced: int
    max_tokens: int
    max_records: int | None
    temperature: float
    top_p: float
    constrained: bool


class Beginnings:
    """Where completions of a columnar model begin.

    Args:
        vocabulary: What its tokens mean.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.automaton: TokenAutomaton = build_automaton(vocabulary)
        self.clock = GroupClock.of(vocabulary)
        self._bos_id = vocabulary.bos_id

    def after(self, ids: Sequence[int]) -> tuple[int, npt.NDArray[np.float64]]:
        """State of the automaton and hands of the clock after some ids.

        Args:
            ids: A prompt, and forced ids after it; what stands after the last BOS is records.

        Returns:
            The state, and ``[1, hands]``.

        Raises:
            GenerationError: The ids break the grammar.
        """
        ids = list(ids)
        records = ids[len(ids) - ids[::-1].index(self._bos_id) :] if self._bos_id in ids else []
        if self.clock is None:
            return self.automaton.run(self.automaton.start, records), np.empty((1, 0))
        hands = self.clock.unset(1)
        goes_on = bool(records) and not np.isnan(self.clock.moves[0, records[0]])
        for token in records:
            hands = self.clock.after(hands, np.array([token]))
        return self.automaton.run(self.automaton.end if goes_on else self.automaton.start, records), hands


class Steering:
    """The requests under way, each in a slot of the engine's batch.

    Args:
        vocabulary: What the model's tokens mean.
        slots: The most requests under way.
        device: Where the logits are.
    """

    def __init__(self, vocabulary: Vocabulary, slots: int, device: torch.device) -> None:
        self._beginnings = Beginnings(vocabulary)
        self._automaton, self._clock = self._beginnings.automaton, self._beginnings.clock
        self._eos = vocabulary.eos_id
        self._refused = torch.from_numpy(~self._automaton.allowed).to(device)
        self._slowest = np.where(self._automaton.allowed, self._automaton.to_done[self._automaton.next_state], 0).max(
            axis=1
        )
        movers = {} if self._clock is None else self._clock.movers
        self._hand = np.full(len(self._automaton.only), _NOWHERE)
        for column, hand in movers.items():
            self._hand[self._automaton.entries[column] if column else self._automaton.end] = hand
        self._requests: list[SteeredRequest | None] = [None] * slots
        self._written: list[Sequence[int]] = [()] * slots
        self._state = np.zeros(slots, dtype=np.int32)
        self._records, self._read, self._last = (np.zeros(slots, dtype=np.int64) for _ in range(3))
        self._hands = np.empty((slots, 0)) if self._clock is None else self._clock.unset(slots)

    def enter(self, slot: int, request: SteeredRequest, prompt: Sequence[int], written: Sequence[int]) -> None:
        """Follow a request from now on.

        Args:
            slot: Where it is in the batch.
            request: What it wants.
            prompt: Its prompt, forced ids among them.
            written: Its completion so far; the engine adds to it.

        Raises:
            GenerationError: The prompt breaks the grammar.
        """
        self._requests[slot], self._written[slot] = request, written
        self._state[slot], self._hands[slot : slot + 1] = self._beginnings.after(prompt)
        self._records[slot] = 0
        self._read[slot] = 0
        self._last[slot] = prompt[-1]

    def leave(self, slot: int) -> None:
        """Forget the request of a slot."""
        self._requests[slot], self._written[slot] = None, ()

    def swap(self, first: int, second: int) -> None:
        """Let the requests of two slots change places."""
        pair, turned = [first, second], [second, first]
        for part in (self._state, self._records, self._read, self._last, self._hands):
            part[pair] = part[turned]
        self._requests[first], self._requests[second] = self._requests[second], self._requests[first]
        self._written[first], self._written[second] = self._written[second], self._written[first]

    def steer(self, logits: torch.Tensor) -> torch.Tensor:
        """Choose the next token of each request.

        Args:
            logits: ``[slots in use, tokens]`` float32; changed in place.

        Returns:
            The same, with all but the chosen tokens refused.
        """
        slots = np.array([slot for slot in range(len(logits)) if self._requests[slot] is not None], dtype=np.int64)
        if not len(slots):
            return logits
        self._catch_up(slots)
        width = self._refused.shape[1]
        mine = logits[torch.from_numpy(slots).to(logits.device), :width]
        for rows, request in self._alike(slots):
            tokens = self._chosen(mine[rows], slots[rows], request)
            places = torch.from_numpy(slots[rows]).to(logits.device)
            logits[places] = -torch.inf
            logits[places, tokens] = 0.0
        return logits

    def _catch_up(self, slots: npt.NDArray[np.int64]) -> None:
        """Read what the engine has written since the last time."""
        while True:
            behind = np.array([slot for slot in slots if len(self._written[slot]) > self._read[slot]], dtype=np.int64)
            if not len(behind):
                return
            tokens = np.array([self._written[slot][self._read[slot]] for slot in behind], dtype=np.int64)
            before = self._state[behind]
            following = self._automaton.next_state[before, tokens]
            # Without constraints a request may leave the grammar.
            self._state[behind] = following = np.where(following < 0, before, following)
            self._records[behind] += (following == self._automaton.end) & (before != self._automaton.end)
            if self._clock is not None:
                self._hands[behind] = self._clock.after(self._hands[behind], tokens)
            self._last[behind] = tokens
            self._read[behind] += 1

    def _alike(self, slots: npt.NDArray[np.int64]) -> list[tuple[npt.NDArray[np.int64], SteeredRequest]]:
        """Rows whose tokens are chosen in the same way, and one of their requests."""
        kinds: dict[tuple[float, float, bool], list[int]] = {}
        for row, slot in enumerate(slots):
            request = self._request(slot)
            kinds.setdefault((request.temperature, request.top_p, request.constrained), []).append(row)
        return [(np.array(rows), self._request(slots[rows[0]])) for rows in kinds.values()]

    def _request(self, slot: int) -> SteeredRequest:
        request = self._requests[slot]
        assert request is not None
        return request

    def _chosen(self, logits: torch.Tensor, slots: npt.NDArray[np.int64], like: SteeredRequest) -> torch.Tensor:
        """``[rows]`` the next tokens."""
        device = logits.device
        positions = np.array([self._request(slot).forced for slot in slots]) + self._read[slots]
        if like.constrained:
            refused = self._refused[torch.from_numpy(self._state[slots]).to(device)]
            logits = logits.masked_fill(self._refined(refused, slots, positions), -torch.inf)
        ended = self._ended(slots)
        if ended.any():
            logits = logits.clone()
            rows = torch.from_numpy(np.flatnonzero(ended)).to(device)
            logits[rows] = -torch.inf
            logits[rows, self._eos] = 0.0
        uniforms = torch.from_numpy(self._uniforms(slots, positions)).to(device)
        rows = torch.arange(len(slots), device=device)
        return choose(logits, rows, uniforms, like.temperature, like.top_p)

    def _ended(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        most = np.array([self._request(slot).max_records or _UNLIMITED for slot in slots])
        return np.asarray(self._records[slots] >= most)

    def _refined(
        self, refused: torch.Tensor, slots: npt.NDArray[np.int64], positions: npt.NDArray[np.int64]
    ) -> torch.Tensor:
        """What may not come, so that records also end in time and follow from the clock."""
        states = self._state[slots]
        left = np.array([self._request(slot).max_tokens for slot in slots]) - positions
        forced = self._forced(slots)
        special = (self._slowest[states] >= left) | (self._hand[states] != _NOWHERE) | (forced >= 0)
        rows = np.flatnonzero(special)
        if len(rows):
            exact = self._exactly(slots[rows], left[rows], forced[rows])
            refused[torch.from_numpy(rows).to(refused.device)] = torch.from_numpy(exact).to(refused.device)
        return refused

    def _forced(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """``[rows]`` the id that follows from the clock; -1 where none does."""
        forced = np.full(len(slots), -1, dtype=np.int64)
        if self._clock is not None:
            for column in self._clock.columns:
                here = self._state[slots] == self._automaton.entries[column]
                if here.any():
                    at = slots[here]
                    forced[here] = self._clock.ids(column, self._hands[at], self._last[at])
        return forced

    def _exactly(
        self, slots: npt.NDArray[np.int64], left: npt.NDArray[np.int64], forced: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        following = self._automaton.next_state[self._state[slots]]
        refused = following < 0
        late = refused | (self._automaton.to_done[following] >= left[:, None])
        ids = np.arange(following.shape[1])
        for hand in np.unique(self._hand[self._state[slots]]):
            if hand != _NOWHERE and self._clock is not None:
                here = self._hand[self._state[slots]] == hand
                late[here] |= self._clock.out_of_range(int(hand), self._hands[slots[here]], ids)
        # A limit below the shortest record cannot be kept: such completions are cut off instead.
        refused = np.where(late.all(axis=1, keepdims=True), refused, late)
        fixed = forced >= 0
        refused[fixed] = ids[None, :] != forced[fixed][:, None]
        return np.asarray(refused)

    def _uniforms(self, slots: npt.NDArray[np.int64], positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        requests = [self._request(slot) for slot in slots]
        ids = np.array([request.request_id for request in requests], dtype=np.int64)
        seeds = [request.seed for request in requests]
        found = np.empty(len(slots))
        for seed in set(seeds):
            own = np.array([each == seed for each in seeds])
            for position in np.unique(positions[own]):
                here = own & (positions == position)
                found[here] = Draws(seed, ids[here]).uniform(int(position))
        return found
