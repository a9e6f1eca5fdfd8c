"""Contract of models under evaluation: log-probabilities of given tokens, and continuations of prompts.

A backend that can do either declares it by a capability word and gives a ``LanguageModel`` from its method
``language_model``. A model sees padded batches only; the executor makes them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.errors import EvaluationError

__all__ = [
    "COLUMN_ORDERS",
    "GENERATE",
    "LOG_PROBS",
    "MOMENTS",
    "PREDICTIONS",
    "LanguageModel",
    "M",
    "PromptBatch",
    "ProvidesLanguageModel",
    "Sampling",
    "ScoreBatch",
    "TokenScores",
]

LOG_PROBS = "logprobs"
"""Capability: log-probabilities of given tokens."""

PREDICTIONS = "predictions"
"""Capability: the likeliest token at each position of given tokens."""

GENERATE = "generate"
"""Capability: continuations of prompts."""

MOMENTS = "moments"
"""Capability: mean and standard deviation of the log-probability over the tokens allowed at each position."""

COLUMN_ORDERS = "column-orders"
"""Capability: records whose columns are in any order; without it, records have the one order of the model's schema."""

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@frozen(kw_only=True, eq=False)
class ScoreBatch:
    """Sequences to be scored together.

    Attributes:
        ids: Token ids, padded with 0 on the right: int64 ``[rows, tokens]``.
        lengths: Tokens of each row, at least 2: int64 ``[rows]``.
    """

    ids: Ids
    lengths: Ids

    def rows(self) -> list[list[int]]:
        """The rows without padding."""
        return [row[:length].tolist() for row, length in zip(self.ids, self.lengths, strict=True)]


@frozen(kw_only=True, eq=False)
class TokenScores:
    """Scores of a ``ScoreBatch``; values in padding are not read.

    Attributes:
        log_probs: Natural logarithm of the probability of each token but the first, given those before it, at
            temperature 1: ``[rows, tokens - 1]``.
        predicted: The likeliest id at the same positions, the lowest of several: ``[rows, tokens - 1]``; None of models
            without the capability ``predictions``.
        legal: Logarithm of the share of the probability that the grammar of records allows at the same positions;
            None for models without one, or whose log-probabilities are already under it.
        means: Mean of the log-probability at the same positions, over the tokens that the grammar of records allows,
            by their probability: minus the entropy in nats. None of models without the capability ``moments``.
        deviations: Its standard deviation over the same tokens; 0 where one token is certain.
    """

    log_probs: npt.NDArray[np.floating[Any]]
    predicted: npt.NDArray[np.integer[Any]] | None = None
    legal: npt.NDArray[np.floating[Any]] | None = None
    means: npt.NDArray[np.floating[Any]] | None = None
    deviations: npt.NDArray[np.floating[Any]] | None = None


@frozen(kw_only=True, eq=False)
class PromptBatch:
    """Prompts to be continued together.

    Attributes:
        ids: Token ids, padded with 0 on the left: int64 ``[rows, tokens]``.
        lengths: Tokens of each prompt, at least 1: int64 ``[rows]``.
        limits: The most tokens of each continuation, at least 1: int64 ``[rows]``.
        keys: The number of each prompt; draws depend on it and the seed alone: int64 ``[rows]``.
    """

    ids: Ids
    lengths: Ids
    limits: Ids
    keys: Ids

    def rows(self) -> list[list[int]]:
        """The prompts without padding."""
        width = self.ids.shape[1]
        return [row[width - length :].tolist() for row, length in zip(self.ids, self.lengths, strict=True)]


@frozen(kw_only=True)
class Sampling:
    """How continuations are drawn.

    Attributes:
        temperature: Divides the logits; 0 takes the likeliest token.
        top_p: Restricts sampling to the likeliest tokens whose probability reaches this share, in (0, 1].
        seed: Seed of the draws.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


class LanguageModel(ABC):
    """A causal language model, as evaluations see it.

    Attributes:
        capabilities: What it can do: ``logprobs``, ``predictions``, ``generate``, ``moments``, ``column-orders``.
        block_size: The most tokens of one sequence.
        prefix_ids: Ids before every text, such as BOS; the first token of a text is scored after them. Empty for
            models without: then the first token of a text has no probability.
        encoding: Its tokenizer, with ``encode``, ``encode_batch`` and ``decode_batch``; None if it has none.
    """

    capabilities: frozenset[str] = frozenset()
    block_size: int
    prefix_ids: tuple[int, ...] = ()
    encoding: Any = None

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the weights: results of another model do not count as this one's."""

    def score(self, batch: ScoreBatch) -> TokenScores:
        """Score sequences; required of models with the capability ``logprobs``.

        Args:
            batch: The sequences.

        Returns:
            Log-probability at each position but the first, and prediction with the capability ``predictions``.
        """
        raise EvaluationError(f"{type(self).__name__} cannot score tokens; evaluate with another backend")

    def generate(self, batch: PromptBatch, sampling: Sampling) -> Sequence[Sequence[int]]:
        """Continue prompts; required of models with the capability ``generate``.

        Args:
            batch: The prompts.
            sampling: How to draw.

        Returns:
            The ids of each continuation without prompt and end token, at most its limit.
        """
        raise EvaluationError(f"{type(self).__name__} cannot continue prompts; evaluate with another backend")

    def reference(self) -> LanguageModel | None:
        """The same model without what it has learned from the table: its base without the adapter; None if none."""
        return None

    def close(self) -> None:  # noqa: B027
        """Unload the model; safe to call any number of times."""


@runtime_checkable
class ProvidesLanguageModel(Protocol):
    """A generation backend whose model can be evaluated."""

    def language_model(self) -> LanguageModel:
        """The trained model, loaded."""


M = TypeVar("M", bound=LanguageModel)
"""The model of an inference job."""
