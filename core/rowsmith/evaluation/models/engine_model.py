"""Any generation engine as a model under evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rowsmith.errors import EvaluationError
from rowsmith.evaluation.models.model import (
    COLUMN_ORDERS,
    GENERATE,
    LOG_PROBS,
    LanguageModel,
    PromptBatch,
    Sampling,
    ScoreBatch,
    TokenScores,
)
from rowsmith.generation.requests import CompletionRequest, Engine, SamplingParams

__all__ = ["EngineLanguageModel"]

_NEEDED = frozenset({"forced-tokens", "log-probs"})


class EngineLanguageModel(LanguageModel):
    """A started engine: it continues prompts, and scores tokens if it can force them and report log-probabilities.

    Args:
        engine: The engine.
        block_size: The most tokens of prompt and completion.
        prefix_ids: Ids before every text, at least one for scoring.
        eos_id: The id that ends a completion.
        fingerprint: Hash of its weights.
        encoding: Its tokenizer; None if evaluations bring their own.
        constrained: Whether continuations are under the grammar of records, as a columnar model is sampled.
        column_orders: Whether the model reads the columns of a record in any order.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        block_size: int,
        prefix_ids: Sequence[int],
        eos_id: int,
        fingerprint: str,
        encoding: Any = None,
        constrained: bool = False,
        column_orders: bool = False,
    ) -> None:
        self.engine = engine
        self.block_size = block_size
        self.prefix_ids = tuple(prefix_ids)
        self.encoding = encoding
        scores = engine.capabilities.issuperset(_NEEDED)
        orders = {COLUMN_ORDERS} if column_orders else set()
        self.capabilities = frozenset({GENERATE, *orders, *({LOG_PROBS} if scores else ())})
        self._constrained = constrained
        self._eos_id = eos_id
        self._fingerprint = fingerprint

    @property
    def fingerprint(self) -> str:
        """Hash of the weights."""
        return self._fingerprint

    def score(self, batch: ScoreBatch) -> TokenScores:
        """Score sequences as completions that are forced, of the prefix or else of their first token.

        The prefix is prompt and never forced: it may hold the id that ends a completion. Its tokens get no scores.
        """
        rows = batch.rows()
        begins = [self._begin(row) for row in rows]
        requests = [
            CompletionRequest(number, tuple(row[:begin]), max_tokens=len(row) - begin, forced_ids=tuple(row[begin:]))
            for number, (row, begin) in enumerate(zip(rows, begins, strict=True))
        ]
        params = SamplingParams(temperature=1.0, constrained=False, log_probs=True)
        found = np.full((len(requests), batch.ids.shape[1] - 1), np.nan)
        for block in self.engine.complete(requests, params):
            if block.log_probs is None:
                raise EvaluationError(f"{type(self.engine).__name__} gave no log-probabilities, which it declares")
            for row, request_id in enumerate(block.request_ids.tolist()):
                forced, first = list(requests[request_id].forced_ids), begins[request_id] - 1
                if block.row_ids(row) != forced:
                    raise EvaluationError(f"{type(self.engine).__name__} did not write the tokens that were forced")
                found[request_id, first : first + len(forced)] = block.log_probs[row, : len(forced)]
        if any(np.isnan(found[number, begin - 1 : len(rows[number]) - 1]).any() for number, begin in enumerate(begins)):
            raise EvaluationError(f"{type(self.engine).__name__} left out log-probabilities of some tokens")
        return TokenScores(log_probs=found)

    def _begin(self, row: Sequence[int]) -> int:
        """How many tokens of a sequence are prompt: those of the prefix where it has it, or one."""
        size = len(self.prefix_ids)
        return size if 0 < size < len(row) and tuple(row[:size]) == self.prefix_ids else 1

    def generate(self, batch: PromptBatch, sampling: Sampling) -> Sequence[Sequence[int]]:
        """Continue prompts; requests carry the numbers of the prompts, which draws are keyed by."""
        requests = [
            self._continued(key, row, limit)
            for key, row, limit in zip(batch.keys.tolist(), batch.rows(), batch.limits.tolist(), strict=True)
        ]
        params = SamplingParams(
            temperature=sampling.temperature, top_p=sampling.top_p, seed=sampling.seed, constrained=self._constrained
        )
        given = {request.request_id: len(request.forced_ids) for request in requests}
        found: dict[int, list[int]] = {}
        for block in self.engine.complete(requests, params):
            for row, request_id in enumerate(block.request_ids.tolist()):
                ids = block.row_ids(row)
                if ids is None:
                    raise EvaluationError(f"{type(self.engine).__name__} gives text and no token ids")
                found[request_id] = [each for each in ids[given[request_id] :] if each != self._eos_id]
        missing = [request.request_id for request in requests if request.request_id not in found]
        if missing:
            raise EvaluationError(f"{type(self.engine).__name__} left out the continuation of prompt {missing[0]}")
        return [found[request.request_id] for request in requests]

    def _continued(self, key: int, row: Sequence[int], limit: int) -> CompletionRequest:
        """The request of a prompt; under the grammar, which reads forced ids, what follows the prefix is forced."""
        if not self._constrained:
            return CompletionRequest(key, tuple(row), max_tokens=limit)
        begin = len(self.prefix_ids)
        return CompletionRequest(
            key, tuple(row[:begin]), max_tokens=len(row) - begin + limit, forced_ids=tuple(row[begin:])
        )

    def close(self) -> None:
        """Stop the engine."""
        self.engine.stop()
