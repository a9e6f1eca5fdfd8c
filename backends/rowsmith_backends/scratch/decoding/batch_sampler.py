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
from rowsmith_backends.scratch.decoding.record_constraints import RecordConstraints

__all__ = ["AutomatonBatchSampler", "StartStates"]

_UNLIMITED = np.iinfo(np.int64).max


class StartStates:
    """Computes the states in which completions of a columnar model start.

    Args:
        vocabulary: The model's vocabulary.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.constraints = RecordConstraints.of(vocabulary)
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
        return self.constraints.start(records)


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
        self._constraints = self._start_states.constraints
        self._automaton = self._constraints.automaton
        self._eos = vocabulary.eos_id
        self._disallowed = torch.from_numpy(~self._automaton.allowed).to(device)
        following = self._automaton.to_done[self._automaton.next_state]
        self._max_remaining = np.where(self._automaton.allowed, following, 0).max(axis=1)
        self._moves_variable = np.zeros(len(self._automaton.only), dtype=np.bool_)
        self._moves_variable[[*self._constraints.moved_variable]] = True
        self._state = np.zeros(max_requests, dtype=np.int32)
        self._records, self._processed, self._last = (np.zeros(max_requests, dtype=np.int64) for _ in range(3))
        self._group_state = self._constraints.unset(max_requests)

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
            self._group_state[pending] = self._constraints.next_group_state(self._group_state[pending], tokens)
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
        no_choice = np.full(len(rows), -1, dtype=np.int64)
        forced = self._constraints.determined(states, self._group_state[rows], self._last[rows], no_choice)
        needs_exact = (self._max_remaining[states] >= remaining) | self._moves_variable[states] | (forced >= 0)
        exact_rows = np.flatnonzero(needs_exact)
        if len(exact_rows):
            exact = self._disallowed_rows(rows[exact_rows], remaining[exact_rows], forced[exact_rows])
            disallowed[torch.from_numpy(exact_rows).to(disallowed.device)] = torch.from_numpy(exact).to(
                disallowed.device
            )
        return disallowed

    def _disallowed_rows(self, rows: Rows, remaining: Rows, forced: Rows) -> npt.NDArray[np.bool_]:
        return self._constraints.disallowed(
            self._state[rows],
            self._group_state[rows],
            np.arange(self._disallowed.shape[1]),
            remaining=remaining,
            forced=forced,
            # An explicit number of records says how far time goes.
            time_is_bounded=np.array([self._request(row).max_records is None for row in rows]),
        )
