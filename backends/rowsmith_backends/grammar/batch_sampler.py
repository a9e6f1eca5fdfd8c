"""Token sampling under the record grammar, for any tokenizer, inside an engine with continuous batching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rowsmith_backends.grammar.record_grammar import RecordGrammar
from rowsmith_backends.sampling.batch_sampler import BatchRequest, BatchSampler, Rows

__all__ = ["GrammarBatchSampler"]


class GrammarBatchSampler(BatchSampler):
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

    def add(self, row: int, request: BatchRequest, prompt: Sequence[int], written: Sequence[int]) -> None:
        """See the base class.

        Raises:
            GenerationError: The forced ids break the grammar.
        """
        super().add(row, request, prompt, written)
        self._processed[row] = 0
        self._matchers[row] = None
        if request.constrained:
            start = len(prompt) - request.forced
            self._matchers[row] = self._grammar.matcher(
                list(prompt)[start:],
                follows=self._grammar.schema.step is not None and prompt[start - 1] != self._bos_id,
                most_records=request.max_records,
            )

    def remove(self, row: int) -> None:
        """See the base class."""
        super().remove(row)
        self._matchers[row] = None

    def swap(self, first: int, second: int) -> None:
        """See the base class."""
        super().swap(first, second)
        self._matchers[first], self._matchers[second] = self._matchers[second], self._matchers[first]
        self._processed[[first, second]] = self._processed[[second, first]]

    def _advance(self, used: Rows) -> None:
        active = [row for row in used.tolist() if self._matchers[row] is not None]
        while pending := [row for row in active if len(self._written[row]) > self._processed[row]]:
            tokens = [self._written[row][self._processed[row]] for row in pending]
            self._grammar.advance([self._matchers[row] for row in pending], tokens)
            self._processed[pending] += 1

    def _masked(self, logits: torch.Tensor, rows: Rows, positions: Rows) -> torch.Tensor:
        if not self._request(rows[0]).constrained:
            return logits
        allowed = self._grammar.allowed([self._matchers[row] for row in rows.tolist()], logits.device)
        return logits.masked_fill(~allowed, -torch.inf)
