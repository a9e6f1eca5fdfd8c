"""Columnar models under evaluation: a softmax over the tokens that the order of columns allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from rowsmith.evaluation.models.model import COLUMN_ORDERS, PromptBatch, Sampling
from rowsmith.generation.requests import CompletionRequest, SamplingParams
from rowsmith.vocabulary import Vocabulary
from rowsmith_backends.scratch.column_loss import VocabularyParts
from rowsmith_backends.scratch.decoding.engine import ColumnarEngine
from rowsmith_backends.scratch.vocabulary_width import is_wide
from rowsmith_backends.transformers.language_model import Arrays, CausalLanguageModel

__all__ = ["ColumnarLanguageModel"]


class ColumnarLanguageModel(CausalLanguageModel):
    """A model with a columnar vocabulary.

    Log-probabilities are over all tokens, as it was trained, with the share that the order of columns allows beside
    them. A model of a wide vocabulary was trained over the tokens of one column at a time: then they are over those.
    Continuations are records, drawn as in generation. Their columns have one fixed order.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        vocabulary: Its tokens.
        engine: Draws its records; not started.
        **kwargs: As for ``CausalLanguageModel``.
    """

    capabilities = CausalLanguageModel.capabilities - {COLUMN_ORDERS}

    def __init__(
        self, model: Any, tokenizer: Any, vocabulary: Vocabulary, engine: ColumnarEngine, **kwargs: Any
    ) -> None:
        super().__init__(model, tokenizer, **kwargs)
        self.vocabulary = vocabulary
        self._engine = engine
        self._started = False
        self._allowed, self._column_of = _allowed_after(vocabulary)

    def _scores(self, logits: torch.Tensor, ids: torch.Tensor) -> Arrays:
        """See the base class; moments are over the tokens that the order of columns allows."""
        allowed = self._allowed.to(logits.device)[self._last_columns(ids[:, :-1]) + 1]
        masked = logits.masked_fill(~allowed, -torch.inf)
        under_grammar = super()._scores(masked, ids)
        if is_wide(self.vocabulary):
            return under_grammar
        total = logits.logsumexp(-1)
        chosen = logits.gather(-1, ids[:, 1:, None]).squeeze(-1) - total
        free = {"log_probs": chosen, "predicted": logits.argmax(-1), "legal": masked.logsumexp(-1) - total}
        return under_grammar | {name: tensor.cpu().numpy() for name, tensor in free.items()}

    def _last_columns(self, ids: torch.Tensor) -> torch.Tensor:
        """Column of the last column token at or before each position, ``[rows, tokens]``; -1 before the first."""
        columns = self._column_of.to(ids.device)[ids]
        positions = torch.arange(ids.shape[1], device=ids.device).expand_as(columns)
        newest = torch.where(columns >= 0, positions, 0).cummax(1).values
        return columns.gather(1, newest)

    def generate(self, batch: PromptBatch, sampling: Sampling) -> Sequence[Sequence[int]]:
        """Continue prompts by the rest of their record, under the grammar of records."""
        if not self._started:
            self._engine.start()
            self._started = True
        begin = len(self.prefix_ids)
        rows = zip(batch.keys.tolist(), batch.rows(), batch.limits.tolist(), strict=True)
        requests = {
            key: CompletionRequest(
                key, tuple(row[:begin]), max_tokens=len(row) - begin + limit, forced_ids=tuple(row[begin:])
            )
            for key, row, limit in rows
        }
        params = SamplingParams(temperature=sampling.temperature, top_p=sampling.top_p, seed=sampling.seed)
        found: dict[int, list[int]] = {}
        for block in self._engine.complete(list(requests.values()), params):
            for row, key in enumerate(block.request_ids.tolist()):
                ids = (block.row_ids(row) or [])[len(requests[key].forced_ids) :]
                found[key] = [each for each in ids if each != self.vocabulary.eos_id]
        return [found[key] for key in batch.keys.tolist()]

    def close(self) -> None:
        """Unload the model."""
        super().close()
        self._engine.stop()
        self._started = False


def _allowed_after(vocabulary: Vocabulary) -> tuple[torch.Tensor, torch.Tensor]:
    """Which ids may follow a token of each column, bool ``[1 + columns, ids]``, and the column of each id.

    The first row is for the start. After the last column of independent records only EOS may follow.
    """
    parts = VocabularyParts.of(vocabulary)
    bounds = torch.tensor((0, *parts.sizes)).cumsum(0).tolist()
    allowed = torch.zeros(len(parts.sizes), bounds[-1], dtype=torch.bool)
    for row in range(len(parts.sizes)):
        for part in parts.after(row - 1):
            allowed[row, bounds[part] : bounds[part + 1]] = True
    allowed[-1, vocabulary.eos_id] = True
    return allowed, parts.column_of
