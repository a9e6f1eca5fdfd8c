"""Drawing tokens of records, of any tokenizer, inside an engine that batches requests by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rowsmith_backends.grammar.record_grammar import RecordGrammar
from rowsmith_backends.sampling.slot_draws import SlotDraws, SlotRequest, Slots

__all__ = ["GrammarDraws"]


class GrammarDraws(SlotDraws):
    """The requests under way, each with its state of the grammar.

    Args:
        slots: The most requests under way.
        grammar: Tells which tokens may follow.
        bos_id: The token before the first record.
    """

    def __init__(self, slots: int, grammar: RecordGrammar, bos_id: int) -> None:
        super().__init__(slots)
        self._grammar = grammar
        self._bos_id = bos_id
        self._matchers: list[Any] = [None] * slots
        self._read = np.zeros(slots, dtype=np.int64)

    def enter(self, slot: int, request: SlotRequest, prompt: Sequence[int], written: Sequence[int]) -> None:
        """See the base class.

        Raises:
            GenerationError: The forced ids break the grammar.
        """
        super().enter(slot, request, prompt, written)
        self._read[slot] = 0
        self._matchers[slot] = None
        if request.constrained:
            start = len(prompt) - request.forced
            self._matchers[slot] = self._grammar.matcher(
                list(prompt)[start:],
                follows=self._grammar.schema.step is not None and prompt[start - 1] != self._bos_id,
                most_records=request.max_records,
            )

    def leave(self, slot: int) -> None:
        """See the base class."""
        super().leave(slot)
        self._matchers[slot] = None

    def swap(self, first: int, second: int) -> None:
        """See the base class."""
        super().swap(first, second)
        self._matchers[first], self._matchers[second] = self._matchers[second], self._matchers[first]
        self._read[[first, second]] = self._read[[second, first]]

    def _catch_up(self, used: Slots) -> None:
        going = [slot for slot in used.tolist() if self._matchers[slot] is not None]
        while behind := [slot for slot in going if len(self._written[slot]) > self._read[slot]]:
            tokens = [self._written[slot][self._read[slot]] for slot in behind]
            self._grammar.advance([self._matchers[slot] for slot in behind], tokens)
            self._read[behind] += 1

    def _masked(self, logits: torch.Tensor, slots: Slots, positions: Slots) -> torch.Tensor:
        if not self._request(slots[0]).constrained:
            return logits
        allowed = self._grammar.allowed([self._matchers[slot] for slot in slots.tolist()], logits.device)
        return logits.masked_fill(~allowed, -torch.inf)
