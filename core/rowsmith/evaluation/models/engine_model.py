"""Any generation engine as a model under evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rowsmith.errors import EvaluationError
from rowsmith.evaluation.models.model import (
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
    ) -> None:
        self.engine = engine
        self.block_size = block_size
        self.prefix_ids = tuple(prefix_ids)
        self.encoding = encoding
        scores = engine.capabilities.issuperset(_NEEDED)
        self.capabilities = frozenset({GENERATE, LOG_PROBS} if scores else {GENERATE})
        self._eos_id = eos_id
        self._fingerprint = fingerprint

    @property
    def fingerprint(self) -> str:
        """Hash of the weights."""
        return self._fingerprint

    def score(self, batch: ScoreBatch) -> TokenScores:
        """Score sequences as completions of their first token that are forced."""
        requests = [
            CompletionRequest(number, (row[0],), max_tokens=len(row) - 1, forced_ids=tuple(row[1:]))
            for number, row in enumerate(batch.rows())
        ]
        params = SamplingParams(temperature=1.0, constrained=False, log_probs=True)
        found = np.full((len(requests), batch.ids.shape[1] - 1), np.nan)
        for block in self.engine.complete(requests, params):
            if block.log_probs is None:
                raise EvaluationError(f"{type(self.engine).__name__} gave no log-probabilities, which it declares")
            for row, request_id in enumerate(block.request_ids.tolist()):
                forced = list(requests[request_id].forced_ids)
                if block.row_ids(row) != forced:
                    raise EvaluationError(f"{type(self.engine).__name__} did not write the tokens that were forced")
                found[request_id, : len(forced)] = block.log_probs[row, : len(forced)]
        if any(np.isnan(found[request.request_id, : len(request.forced_ids)]).any() for request in requests):
            raise EvaluationError(f"{type(self.engine).__name__} left out log-probabilities of some tokens")
        return TokenScores(log_probs=found)

    def generate(self, batch: PromptBatch, sampling: Sampling) -> Sequence[Sequence[int]]:
        """Continue prompts; requests carry the numbers of the prompts, which draws are keyed by."""
        rows = zip(batch.keys.tolist(), batch.rows(), batch.limits.tolist(), strict=True)
        requests = [CompletionRequest(key, tuple(row), max_tokens=limit) for key, row, limit in rows]
        params = SamplingParams(
            temperature=sampling.temperature, top_p=sampling.top_p, seed=sampling.seed, constrained=False
        )
        found: dict[int, list[int]] = {}
        for block in self.engine.complete(requests, params):
            for row, request_id in enumerate(block.request_ids.tolist()):
                ids = block.row_ids(row)
                if ids is None:
                    raise EvaluationError(f"{type(self.engine).__name__} gives text and no token ids")
                found[request_id] = [each for each in ids if each != self._eos_id]
        missing = [request.request_id for request in requests if request.request_id not in found]
        if missing:
            raise EvaluationError(f"{type(self.engine).__name__} left out the continuation of prompt {missing[0]}")
        return [found[request.request_id] for request in requests]

    def close(self) -> None:
        """Stop the engine."""
        self.engine.stop()
