"""Evaluations by perplexity: of texts, and of continuations to choose among."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsmith.errors import EvaluationError
from rowsmith.evaluation.models.evaluation import Evaluation, all_samples
from rowsmith.evaluation.models.executor import CHUNK_SIZE, ScoredTokens, ScoreRequest
from rowsmith.evaluation.models.model import M
from rowsmith.evaluation.models.texts import encode, encode_batch

if TYPE_CHECKING:
    from rowsmith.evaluation.models.inference import InferenceJob

__all__ = ["PerplexityComparisonEvaluation", "PerplexityEvaluation"]

# Candidates whose mean log-likelihoods differ by less, in nats, are tied: the same sums in another order.
_TIE = 1e-6


class PerplexityEvaluation(Evaluation):
    """Evaluation that computes dataset perplexity and returns 1/ppl (higher is better).

    Runs a blockwise forward pass like EncodingEvaluation, computes the mean negative log-likelihood over all
    non-padding tokens, and returns 1/perplexity. The first token of a text counts where the model has a token that
    begins texts.
    """

    @abstractmethod
    def get(self, indx: int) -> str:
        """Get input string at index."""

    def __call__(
        self, inference: InferenceJob[Any, M], encoding: Any, chunk_size: int = CHUNK_SIZE, **kwargs: Any
    ) -> float:
        """Run evaluation.

        Args:
            inference: InferenceJob instance for running inference.
            encoding: Tokenizer with encode_batch methods.
            chunk_size: Number of batches between two reports of progress (default 200).
            **kwargs: Not used.

        Returns:
            1/perplexity (higher is better): exp of the mean log-likelihood of the tokens of all texts.

        Raises:
            EvaluationError: No token has a probability.
        """
        requests = [ScoreRequest(ids) for ids in encode_batch(encoding, all_samples(self))]
        scored = inference.executor.score(requests, chunk_size=chunk_size)
        count = sum(each.count for each in scored)
        if not count:
            raise EvaluationError(f"the texts of the evaluation {self.name!r} have no token that can be scored")
        return float(np.exp(-sum(each.nll for each in scored) / count))


class PerplexityComparisonEvaluation(Evaluation):
    """Evaluation using perplexity comparison for multiple-choice tasks."""

    @abstractmethod
    def get(self, indx: int) -> tuple[str, list[str], int]:
        """Get sample at index.

        Returns:
            (prefix, list_of_continuations, correct_index).
        """

    def __call__(
        self, inference: InferenceJob[Any, M], encoding: Any, chunk_size: int = CHUNK_SIZE, **kwargs: Any
    ) -> float:
        """Run evaluation.

        Prefix and continuation are encoded together, as in training. All continuations of a sample are scored from the
        same position: where the first of them departs from the tokens of the prefix.

        Args:
            inference: InferenceJob instance for running inference.
            encoding: Tokenizer with encode/encode_batch methods.
            chunk_size: Number of batches between two reports of progress (default 200).
            **kwargs: Not used.

        Returns:
            Accuracy score: of a sample, 1 if the correct continuation has the lowest perplexity; if k continuations
            share the lowest, 1/k for each of them.

        Raises:
            EvaluationError: A sample has no continuation, an empty one, or a wrong index.
        """
        samples = [_checked(number, sample) for number, sample in enumerate(all_samples(self))]
        joined = encode_batch(encoding, [prefix + each for prefix, options, _ in samples for each in options])
        requests: list[ScoreRequest] = []
        for prefix, options, _ in samples:
            ids = joined[len(requests) : len(requests) + len(options)]
            start = min(_common(encode(encoding, prefix), each) for each in ids)
            requests += [ScoreRequest(each[start:], each[:start]) for each in ids]
        scored = inference.executor.score(requests, chunk_size=chunk_size)
        means = [_mean(each) for each in scored]
        right, done = 0.0, 0
        for _, options, correct in samples:
            right += _credit(means[done : done + len(options)], correct)
            done += len(options)
        return right / len(samples)


def _checked(number: int, sample: tuple[str, list[str], int]) -> tuple[str, list[str], int]:
    prefix, options, correct = sample
    if not options or not all(options):
        raise EvaluationError(
            f"sample {number} has {'an empty' if options else 'no'} continuation; give each some text"
        )
    if not 0 <= correct < len(options):
        raise EvaluationError(f"sample {number} has {len(options)} continuations and {correct} as the correct one")
    return prefix, list(options), correct


def _common(prefix: Sequence[int], ids: Sequence[int]) -> int:
    """How many ids both begin with; at least one id is left to be scored."""
    most = min(len(prefix), len(ids) - 1)
    return next((index for index in range(most) if prefix[index] != ids[index]), most)


def _mean(scored: ScoredTokens) -> float:
    if not scored.count:
        raise EvaluationError(
            "a continuation without prefix has one token, and the model has no token that begins a text; give a prefix"
        )
    return scored.nll / scored.count


def _credit(means: Sequence[float], correct: int) -> float:
    lowest = min(means)
    tied = [index for index, mean in enumerate(means) if mean - lowest <= _TIE or mean == lowest]
    return 1 / len(tied) if correct in tied else 0.0
