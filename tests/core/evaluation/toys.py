"""A model that is a table of logits, a tokenizer of letters, and evaluations written from the document alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rowsmith.evaluation import (
    EncodingEvaluation,
    ExecutionSpec,
    InferenceJob,
    LanguageModel,
    PerplexityComparisonEvaluation,
    PerplexityEvaluation,
    PromptBatch,
    RolloutEvaluation,
    Sampling,
    ScoreBatch,
    TokenScores,
)
from rowsmith.randomness.draws import Draws

LETTERS = "abcdefgh"
BEGIN, END = len(LETTERS), len(LETTERS) + 1
WIDTH = len(LETTERS) + 2


class Letters:
    """One token a letter; only what the document names."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def encode(self, text: str) -> list[int]:
        self.called.append("encode")
        return [LETTERS.index(letter) for letter in text]

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        self.called.append("encode_batch")
        return [[LETTERS.index(letter) for letter in text] for text in texts]

    def decode_batch(self, sequences: list[list[int]]) -> list[str]:
        self.called.append("decode_batch")
        return ["".join(LETTERS[i] for i in ids if i < len(LETTERS)) for ids in sequences]


class BigramModel(LanguageModel):
    """The next token depends on the last one alone, by a table of logits ``[tokens, tokens]``."""

    capabilities = frozenset({"logprobs", "predictions", "generate"})

    def __init__(self, logits: Any, *, block_size: int = 64, prefix: bool = True) -> None:
        self.logits = np.asarray(logits, dtype=np.float64)
        self.log_probs = self.logits - np.log(np.exp(self.logits).sum(-1, keepdims=True))
        self.block_size = block_size
        self.prefix_ids = (BEGIN,) if prefix else ()
        self.encoding = Letters()
        self.batches: list[tuple[int, int]] = []
        self.rows: list[list[int]] = []
        self.limits: list[int] = []
        self.sampling: list[Sampling] = []

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.logits.tobytes()).hexdigest()

    def score(self, batch: ScoreBatch) -> TokenScores:
        assert batch.ids.shape[1] <= self.block_size
        self.batches.append(batch.ids.shape)
        self.rows += batch.rows()
        before, after = batch.ids[:, :-1], batch.ids[:, 1:]
        return TokenScores(log_probs=self.log_probs[before, after], predicted=self.logits[before].argmax(-1))

    def generate(self, batch: PromptBatch, sampling: Sampling) -> Sequence[Sequence[int]]:
        self.batches.append(batch.ids.shape)
        self.limits += batch.limits.tolist()
        self.sampling.append(sampling)
        self.rows += batch.rows()
        return [
            self._continued(row[-1], limit, key, sampling)
            for row, limit, key in zip(batch.rows(), batch.limits.tolist(), batch.keys.tolist(), strict=True)
        ]

    def _continued(self, last: int, limit: int, key: int, sampling: Sampling) -> list[int]:
        made: list[int] = []
        while len(made) < limit:
            if sampling.temperature == 0:
                last = int(self.logits[last].argmax())
            else:
                share = np.exp(self.logits[last] / sampling.temperature)
                uniform = Draws(sampling.seed, np.array([key])).uniform(len(made))[0]
                last = int(np.searchsorted(np.cumsum(share / share.sum()), uniform, side="right"))
            if last == END:
                break
            made.append(last)
        return made


def chain(strength: float = 50.0, **options: Any) -> BigramModel:
    """``a b c d ...``, then the end; the letter after each is nearly certain."""
    logits = np.zeros((WIDTH, WIDTH))
    for index in range(len(LETTERS)):
        logits[index, index + 1 if index + 1 < len(LETTERS) else END] = strength
    logits[BEGIN, 0] = strength
    return BigramModel(logits, **options)


def random_model(seed: int = 0, **options: Any) -> BigramModel:
    """Any table of logits."""
    return BigramModel(np.random.default_rng(seed).normal(size=(WIDTH, WIDTH)), **options)


def uniform_model(**options: Any) -> BigramModel:
    """Every token is as likely as any other."""
    return BigramModel(np.zeros((WIDTH, WIDTH)), **options)


def job(model: LanguageModel, **options: Any) -> InferenceJob[None, Any]:
    """An inference job of a model."""
    return InferenceJob(model, None, ExecutionSpec(**options))


class Rollout(RolloutEvaluation):
    """A rollout as the document has it."""

    def __init__(self, samples: Sequence[tuple[str, str]], limit: int | None = None) -> None:
        self.samples, self.limit = samples, limit
        self.seen: list[str] = []

    @property
    def name(self) -> str:
        return "rollout"

    def __len__(self) -> int:
        return len(self.samples)

    def get(self, indx: int) -> tuple[str, str]:
        return self.samples[indx]

    def clean(self, y_hat: str) -> str:
        self.seen.append(y_hat)
        return y_hat.strip()

    def max_new_tokens(self, inference: InferenceJob[Any, Any]) -> int:
        return super().max_new_tokens(inference) if self.limit is None else self.limit


class Encoding(EncodingEvaluation):
    """A next-token evaluation as the document has it."""

    def __init__(self, texts: Sequence[str], cleaning: Callable[[str], str] = str) -> None:
        self.texts, self.cleaning = texts, cleaning
        self.seen: list[str] = []

    @property
    def name(self) -> str:
        return "encoding"

    def __len__(self) -> int:
        return len(self.texts)

    def get(self, indx: int) -> str:
        return self.texts[indx]

    def clean(self, y_hat: str) -> str:
        self.seen.append(y_hat)
        return self.cleaning(y_hat)


class Perplexity(PerplexityEvaluation):
    """A perplexity as the document has it."""

    def __init__(self, texts: Sequence[str], name: str = "perplexity") -> None:
        self.texts, self.called = texts, name

    @property
    def name(self) -> str:
        return self.called

    def __len__(self) -> int:
        return len(self.texts)

    def get(self, indx: int) -> str:
        return self.texts[indx]


class Choice(PerplexityComparisonEvaluation):
    """Multiple choice as the document has it."""

    def __init__(self, samples: Sequence[tuple[str, list[str], int]]) -> None:
        self.samples = samples

    @property
    def name(self) -> str:
        return "choice"

    def __len__(self) -> int:
        return len(self.samples)

    def get(self, indx: int) -> tuple[str, list[str], int]:
        return self.samples[indx]
