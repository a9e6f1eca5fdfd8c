"""Token sampling under the record grammar, for any tokenizer, inside an engine with continuous batching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rowsmith_backends.grammar.record_grammar import RecordGrammar
from rowsmith_backends.sampling.slot_draws import SlotRequest, Slots, SlotSampler

__all__ = ["GrammarSlotSampler"]


class GrammarSlotSampler(SlotSampler):
    """Samples the next tokens of running requests under the record grammar.

    Args:
        max_requests: The most running requests.
        grammar: Says which tokens may follow.
        bos_id: The token before the first record.
    """

    def __init__(self, max_requests: int, grammar: RecordGrammar, bos_id: int) -> None:
        super().__init__(max_requests)
        self._grammar = grammar
        self._bos_id = bos_id
        self._matchers: list[Any] = [None] * max_requests
        self._processed = np.zeros(max_requests, dtype=np.int64)

    def add(self, slot: int, request: SlotRequest, prompt: Sequence[int], written: Sequence[int]) -> None:
        """See the base class.

        Raises:
            GenerationError: The forced ids break the grammar.
        """
        super().add(slot, request, prompt, written)
        self._processed[slot] = 0
        self._matchers[slot] = None
        if request.constrained:
            start = len(prompt) - request.forced
            self._matchers[slot] = self._grammar.matcher(
                list(prompt)[start:],
                follows=self._grammar.schema.step is not None and prompt[start - 1] != self._bos_id,
                most_records=request.max_records,
            )

    def remove(self, slot: int) -> None:
        """See the base class."""
        super().remove(slot)
        self._matchers[slot] = None

    def swap(self, first: int, second: int) -> None:
        """See the base class."""
        super().swap(first, second)
        self._matchers[first], self._matchers[second] = self._matchers[second], self._matchers[first]
        self._processed[[first, second]] = self._processed[[second, first]]

    def _advance(self, used: Slots) -> None:
        active = [slot for slot in used.tolist() if self._matchers[slot] is not None]
        while pending := [slot for slot in active if len(self._written[slot]) > self._processed[slot]]:
            tokens = [self._written[slot][self._processed[slot]] for slot in pending]
            self._grammar.advance([self._matchers[slot] for slot in pending], tokens)
            self._processed[pending] += 1

    def _masked(self, logits: torch.Tensor, slots: Slots, positions: Slots) -> torch.Tensor:
        if not self._request(slots[0]).constrained:
            return logits
        allowed = self._grammar.allowed([self._matchers[slot] for slot in slots.tolist()], logits.device)
        return logits.masked_fill(~allowed, -torch.inf)
