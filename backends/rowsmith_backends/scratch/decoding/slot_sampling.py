"""Sampling of columnar models inside an engine that batches requests by itself.

Each request is followed through the token automaton and the positions in its group, and its tokens are drawn as
``slot_draws`` says: so they are chosen as ``sampler`` does it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from rowsmith.vocabulary import Vocabulary
from rowsmith_backends.sampling.slot_draws import SlotDraws, SlotRequest, Slots
from rowsmith_backends.scratch.decoding.automaton import TokenAutomaton, build_automaton
from rowsmith_backends.scratch.decoding.group_positions import TIME, PositionDecoder

__all__ = ["Beginnings", "Steering"]

_UNLIMITED = np.iinfo(np.int64).max
# No track of positions is about to move; one that is may be kept from going too far.
_NOWHERE = -1


class Beginnings:
    """Where completions of a columnar model begin.

    Args:
        vocabulary: What its tokens mean.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.automaton: TokenAutomaton = build_automaton(vocabulary)
        self.position_decoder = PositionDecoder.of(vocabulary)
        self._bos_id = vocabulary.bos_id

    def after(self, ids: Sequence[int]) -> tuple[int, npt.NDArray[np.float64]]:
        """State of the automaton and group positions after some ids.

        Args:
            ids: A prompt, and forced ids after it; what stands after the last BOS is records.

        Returns:
            The state, and ``[1, tracks]``.

        Raises:
            GenerationError: The ids break the grammar.
        """
        ids = list(ids)
        records = ids[len(ids) - ids[::-1].index(self._bos_id) :] if self._bos_id in ids else []
        if self.position_decoder is None:
            return self.automaton.run(self.automaton.start, records), np.empty((1, 0))
        group_positions = self.position_decoder.unset(1)
        goes_on = bool(records) and not np.isnan(self.position_decoder.moves[TIME, records[0]])
        for token in records:
            group_positions = self.position_decoder.after(group_positions, np.array([token]))
        return self.automaton.run(self.automaton.end if goes_on else self.automaton.start, records), group_positions


class Steering(SlotDraws):
    """The requests under way, each in a slot of the engine's batch.

    Args:
        vocabulary: What the model's tokens mean.
        slots: The most requests under way.
        device: Where the logits are.
    """

    def __init__(self, vocabulary: Vocabulary, slots: int, device: torch.device) -> None:
        super().__init__(slots)
        self._beginnings = Beginnings(vocabulary)
        self._automaton, self._position_decoder = self._beginnings.automaton, self._beginnings.position_decoder
        self._eos = vocabulary.eos_id
        self._refused = torch.from_numpy(~self._automaton.allowed).to(device)
        following = self._automaton.to_done[self._automaton.next_state]
        self._slowest = np.where(self._automaton.allowed, following, 0).max(axis=1)
        self._track = np.full(len(self._automaton.only), _NOWHERE)
        for column, track in ({} if self._position_decoder is None else self._position_decoder.movers).items():
            self._track[self._automaton.entries[column] if column else self._automaton.end] = track
        self._state = np.zeros(slots, dtype=np.int32)
        self._records, self._read, self._last = (np.zeros(slots, dtype=np.int64) for _ in range(3))
        decoder = self._position_decoder
        self._group_positions = np.empty((slots, 0)) if decoder is None else decoder.unset(slots)

    def enter(self, slot: int, request: SlotRequest, prompt: Sequence[int], written: Sequence[int]) -> None:
        """See the base class.

        Raises:
            GenerationError: The prompt breaks the grammar.
        """
        super().enter(slot, request, prompt, written)
        self._state[slot], self._group_positions[slot : slot + 1] = self._beginnings.after(prompt)
        self._records[slot] = self._read[slot] = 0
        self._last[slot] = prompt[-1]

    def swap(self, first: int, second: int) -> None:
        """See the base class."""
        super().swap(first, second)
        pair, turned = [first, second], [second, first]
        for part in (self._state, self._records, self._read, self._last, self._group_positions):
            part[pair] = part[turned]

    def _catch_up(self, used: Slots) -> None:
        """Read what the engine has written since the last time."""
        while True:
            behind = np.array([slot for slot in used if len(self._written[slot]) > self._read[slot]], dtype=np.int64)
            if not len(behind):
                return
            tokens = np.array([self._written[slot][self._read[slot]] for slot in behind], dtype=np.int64)
            before = self._state[behind]
            following = self._automaton.next_state[before, tokens]
            # Without constraints a request may leave the grammar.
            self._state[behind] = following = np.where(following < 0, before, following)
            self._records[behind] += (following == self._automaton.end) & (before != self._automaton.end)
            if self._position_decoder is not None:
                self._group_positions[behind] = self._position_decoder.after(self._group_positions[behind], tokens)
            self._last[behind] = tokens
            self._read[behind] += 1

    def _masked(self, logits: torch.Tensor, slots: Slots, positions: Slots) -> torch.Tensor:
        """The logits of tokens, and the end where there are records enough."""
        width, device = self._refused.shape[1], logits.device
        logits = logits[:, :width]
        if self._request(slots[0]).constrained:
            refused = self._refused[torch.from_numpy(self._state[slots]).to(device)]
            logits = logits.masked_fill(self._refined(refused, slots, positions), -torch.inf)
        ended = torch.from_numpy(self._ended(slots)).to(device)
        if ended.any():
            logits = logits.masked_fill(ended[:, None], -torch.inf)
            logits[ended, self._eos] = 0.0
        return logits

    def _ended(self, slots: Slots) -> npt.NDArray[np.bool_]:
        most = np.array([self._request(slot).max_records or _UNLIMITED for slot in slots])
        return np.asarray(self._records[slots] >= most)

    def _refined(self, refused: torch.Tensor, slots: Slots, positions: Slots) -> torch.Tensor:
        """What may not come, so that records also end in time and follow from their position."""
        states = self._state[slots]
        left = np.array([self._request(slot).max_tokens for slot in slots]) - positions
        forced = self._forced(slots)
        special = (self._slowest[states] >= left) | (self._track[states] != _NOWHERE) | (forced >= 0)
        rows = np.flatnonzero(special)
        if len(rows):
            exact = self._exactly(slots[rows], left[rows], forced[rows])
            refused[torch.from_numpy(rows).to(refused.device)] = torch.from_numpy(exact).to(refused.device)
        return refused

    def _forced(self, slots: Slots) -> Slots:
        """``[rows]`` the id that follows from the position; -1 where none does."""
        forced = np.full(len(slots), -1, dtype=np.int64)
        if self._position_decoder is not None:
            for column in self._position_decoder.columns:
                here = self._state[slots] == self._automaton.entries[column]
                if here.any():
                    at = slots[here]
                    forced[here] = self._position_decoder.ids(column, self._group_positions[at], self._last[at])
        return forced

    def _exactly(self, slots: Slots, left: Slots, forced: Slots) -> npt.NDArray[np.bool_]:
        following = self._automaton.next_state[self._state[slots]]
        refused = following < 0
        late = refused | (self._automaton.to_done[following] >= left[:, None])
        ids = np.arange(following.shape[1])
        for track in np.unique(self._track[self._state[slots]]):
            if track != _NOWHERE and self._position_decoder is not None:
                here = self._track[self._state[slots]] == track
                if track == TIME:  # Whoever asks for so many records says himself how far time goes.
                    here &= np.array([self._request(slot).max_records is None for slot in slots])
                late[here] |= self._position_decoder.out_of_range(int(track), self._group_positions[slots[here]], ids)
        # A limit below the shortest record cannot be kept: such completions are cut off instead.
        refused = np.where(late.all(axis=1, keepdims=True), refused, late)
        fixed = forced >= 0
        refused[fixed] = ids[None, :] != forced[fixed][:, None]
        return np.asarray(refused)
