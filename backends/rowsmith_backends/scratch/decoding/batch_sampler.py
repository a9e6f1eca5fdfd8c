"""Token sampling of columnar models inside an engine with continuous batching.

The token automaton and the group position state of each request are tracked, and tokens are drawn by ``batch_sampler``,
so the completions are those of ``sampler``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from rowsmith.vocabulary import Vocabulary
from rowsmith_backends.sampling.batch_sampler import BatchRequest, BatchSampler, Rows
from rowsmith_backends.scratch.decoding.automaton import TokenAutomaton, build_automaton
from rowsmith_backends.scratch.decoding.group_positions import TIME, PositionDecoder

__all__ = ["AutomatonBatchSampler", "StartStates"]

_UNLIMITED = np.iinfo(np.int64).max
# State in which the next token changes no group state variable.
_NO_VARIABLE = -1


class StartStates:
    """Computes the states in which completions of a columnar model start.

    Args:
        vocabulary: The model's vocabulary.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.automaton: TokenAutomaton = build_automaton(vocabulary)
        self.position_decoder = PositionDecoder.of(vocabulary)
        self._bos_id = vocabulary.bos_id

    def after(self, ids: Sequence[int]) -> tuple[int, npt.NDArray[np.float64]]:
        """Automaton state and group state after some ids.

        Args:
            ids: A prompt and the forced ids after it; records start after the last BOS.

        Returns:
            The automaton state, and the group state ``[1, variables]``.

        Raises:
            GenerationError: The ids break the grammar.
        """
        ids = list(ids)
        records = ids[len(ids) - ids[::-1].index(self._bos_id) :] if self._bos_id in ids else []
        if self.position_decoder is None:
            return self.automaton.run(self.automaton.start, records), np.empty((1, 0))
        group_state = self.position_decoder.unset(1)
        continues_group = bool(records) and not np.isnan(self.position_decoder.moves[0, records[0]])
        for token in records:
            group_state = self.position_decoder.after(group_state, np.array([token]))
        return self.automaton.run(self.automaton.end if continues_group else self.automaton.start, records), group_state


class AutomatonBatchSampler(BatchSampler):
    """Samples the next tokens of running requests under the token automaton.

    Args:
        vocabulary: The model's vocabulary.
        max_requests: The most running requests.
        device: Device of the logits.
    """

    def __init__(self, vocabulary: Vocabulary, max_requests: int, device: torch.device) -> None:
        super().__init__(max_requests)
        self._start_states = StartStates(vocabulary)
        self._automaton, self._position_decoder = self._start_states.automaton, self._start_states.position_decoder
        self._eos = vocabulary.eos_id
        self._disallowed = torch.from_numpy(~self._automaton.allowed).to(device)
        following = self._automaton.to_done[self._automaton.next_state]
        self._max_remaining = np.where(self._automaton.allowed, following, 0).max(axis=1)
        self._moved_variable = np.full(len(self._automaton.only), _NO_VARIABLE)
        for column, variable in ({} if self._position_decoder is None else self._position_decoder.movers).items():
            self._moved_variable[self._automaton.entries[column] if column else self._automaton.end] = variable
        self._state = np.zeros(max_requests, dtype=np.int32)
        self._records, self._processed, self._last = (np.zeros(max_requests, dtype=np.int64) for _ in range(3))
        self._group_state = (
            np.empty((max_requests, 0))
            if self._position_decoder is None
            else self._position_decoder.unset(max_requests)
        )

    def add(self, row: int, request: BatchRequest, prompt: Sequence[int], written: Sequence[int]) -> None:
        """See the base class.

        Raises:
            GenerationError: The prompt breaks the grammar.
        """
        super().add(row, request, prompt, written)
        self._state[row], self._group_state[row : row + 1] = self._start_states.after(prompt)
        self._records[row] = self._processed[row] = 0
        self._last[row] = prompt[-1]

    def swap(self, first: int, second: int) -> None:
        """See the base class."""
        super().swap(first, second)
        rows, swapped = [first, second], [second, first]
        for array in (self._state, self._records, self._processed, self._last, self._group_state):
            array[rows] = array[swapped]

    def _advance(self, used: Rows) -> None:
        """Process the tokens that the engine has written since the last step."""
        while True:
            pending = np.array(
                [row for row in used if len(self._written[row]) > self._processed[row]],
                dtype=np.int64,
            )
            if not len(pending):
                return
            tokens = np.array([self._written[row][self._processed[row]] for row in pending], dtype=np.int64)
            before = self._state[pending]
            following = self._automaton.next_state[before, tokens]
            # Without constraints a request may leave the grammar.
            self._state[pending] = following = np.where(following < 0, before, following)
            self._records[pending] += (following == self._automaton.end) & (before != self._automaton.end)
            if self._position_decoder is not None:
                self._group_state[pending] = self._position_decoder.after(self._group_state[pending], tokens)
            self._last[pending] = tokens
            self._processed[pending] += 1

    def _masked(self, logits: torch.Tensor, rows: Rows, positions: Rows) -> torch.Tensor:
        """The logits with disallowed ids masked; EOS alone once a request has its most records."""
        width, device = self._disallowed.shape[1], logits.device
        logits = logits[:, :width]
        if self._request(rows[0]).constrained:
            disallowed = self._disallowed[torch.from_numpy(self._state[rows]).to(device)]
            logits = logits.masked_fill(self._disallowed_exactly(disallowed, rows, positions), -torch.inf)
        ended = torch.from_numpy(self._ended(rows)).to(device)
        if ended.any():
            logits = logits.masked_fill(ended[:, None], -torch.inf)
            logits[ended, self._eos] = 0.0
        return logits

    def _ended(self, rows: Rows) -> npt.NDArray[np.bool_]:
        most = np.array([self._request(row).max_records or _UNLIMITED for row in rows])
        return np.asarray(self._records[rows] >= most)

    def _disallowed_exactly(self, disallowed: torch.Tensor, rows: Rows, positions: Rows) -> torch.Tensor:
        """Mask of disallowed ids that also ends records in time and follows the group state."""
        states = self._state[rows]
        remaining = np.array([self._request(row).max_tokens for row in rows]) - positions
        forced = self._forced(rows)
        needs_exact = (
            (self._max_remaining[states] >= remaining) | (self._moved_variable[states] != _NO_VARIABLE) | (forced >= 0)
        )
        exact_rows = np.flatnonzero(needs_exact)
        if len(exact_rows):
            exact = self._disallowed_rows(rows[exact_rows], remaining[exact_rows], forced[exact_rows])
            disallowed[torch.from_numpy(exact_rows).to(disallowed.device)] = torch.from_numpy(exact).to(
                disallowed.device
            )
        return disallowed

    def _forced(self, rows: Rows) -> Rows:
        """The id that follows from the group state, ``[rows]``; -1 for none."""
        forced = np.full(len(rows), -1, dtype=np.int64)
        if self._position_decoder is not None:
            for column in self._position_decoder.columns:
                is_here = self._state[rows] == self._automaton.entries[column]
                if is_here.any():
                    rows_here = rows[is_here]
                    forced[is_here] = self._position_decoder.ids(
                        column, self._group_state[rows_here], self._last[rows_here]
                    )
        return forced

    def _disallowed_rows(self, rows: Rows, remaining: Rows, forced: Rows) -> npt.NDArray[np.bool_]:
        following = self._automaton.next_state[self._state[rows]]
        disallowed = following < 0
        late = disallowed | (self._automaton.to_done[following] >= remaining[:, None])
        ids = np.arange(following.shape[1])
        for variable in np.unique(self._moved_variable[self._state[rows]]):
            if variable != _NO_VARIABLE and self._position_decoder is not None:
                is_here = self._moved_variable[self._state[rows]] == variable
                if variable == TIME:  # An explicit number of records says how far time goes.
                    is_here &= np.array([self._request(row).max_records is None for row in rows])
                late[is_here] |= self._position_decoder.out_of_range(
                    int(variable), self._group_state[rows[is_here]], ids
                )
        # A limit below the shortest record cannot be met: such completions are truncated.
        disallowed = np.where(late.all(axis=1, keepdims=True), disallowed, late)
        is_forced = forced >= 0
        disallowed[is_forced] = ids[None, :] != forced[is_forced][:, None]
        return np.asarray(disallowed)
