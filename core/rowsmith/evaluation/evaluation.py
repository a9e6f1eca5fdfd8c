"""Evaluations of a model: what is asked of it, and how the answers become one score."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import field, frozen

from rowsmith.errors import EvaluationError, ParameterError
from rowsmith.evaluation.executor import CHUNK_SIZE, ScoredTokens, ScoreRequest
from rowsmith.evaluation.model import M, Sampling
from rowsmith.evaluation.texts import decode_batch, encode, encode_batch

if TYPE_CHECKING:
    from rowsmith.evaluation.inference import InferenceJob

__all__ = [
    "EncodingEvaluation",
    "Evaluation",
    "ModelScore",
    "PerplexityComparisonEvaluation",
    "PerplexityEvaluation",
    "RolloutEvaluation",
]

# Candidates whose mean log-likelihoods differ by less, in nats, are tied: the same sums in another order.
_TIE = 1e-6


@frozen(kw_only=True)
class ModelScore:
    """A score with what it rests on.

    Attributes:
        value: The score.
        n: Number of samples.
        interval: 95 % confidence interval; None if unknown.
        baseline: The score without a model, such as of always saying the most frequent value; None if there is none.
        details: Further figures by name, such as a score a column: plain data, and no cell of a table.
    """

    value: float
    n: int
    interval: tuple[float, float] | None = None
    baseline: float | None = None
    details: Mapping[str, Any] = field(factory=dict)


class Evaluation(ABC):
    """Abstract base class for all evaluations."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of this evaluation."""

    def prefix(self) -> str:
        """Prefix for metrics from this evaluation: its name and an underscore."""
        return f"{self.name}_"

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples in this evaluation."""

    @abstractmethod
    def __call__(self, inference: InferenceJob[Any, M], encoding: Any, **kwargs: Any) -> float:
        """Run the evaluation and return a score.

        Args:
            inference: Runs the model.
            encoding: The tokenizer.
            **kwargs: Arguments of the kind of evaluation.
        """

    def measure(self, inference: InferenceJob[Any, M], encoding: Any, **kwargs: Any) -> ModelScore:
        """Run the evaluation and return its score with the number of samples, and details where it has some.

        Args:
            inference: Runs the model.
            encoding: The tokenizer.
            **kwargs: As for a call.
        """
        return ModelScore(value=self(inference, encoding, **kwargs), n=len(self))

    def fingerprint(self) -> str:
        """A hash of class, name and samples: saved results of other samples do not count as this evaluation's."""
        digest = hashlib.sha256(f"{type(self).__module__}.{type(self).__qualname__}/{self.name}/{len(self)}".encode())
        get = getattr(self, "get", None)
        if callable(get):
            for indx in range(len(self)):
                digest.update(b"\0" + repr(get(indx)).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    @staticmethod
    def find_accumulation_steps(
        dataset_size: int, max_batch_size: int, dp_replicate: int
    ) -> tuple[int, int] | tuple[None, None]:
        """Find batch size and accumulation steps that evenly divide dataset.

        Args:
            dataset_size: Total number of samples.
            max_batch_size: Maximum per-device batch size.
            dp_replicate: Data parallel replication factor.

        Returns:
            The largest such batch size and its accumulation steps, whose product with ``dp_replicate`` is
            ``dataset_size``; or (None, None) if there is none.

        Raises:
            ParameterError: ``dataset_size`` is negative, or another number is below 1.
        """
        if dataset_size < 0 or max_batch_size < 1 or dp_replicate < 1:
            raise ParameterError(
                f"dataset_size is {dataset_size}, max_batch_size {max_batch_size} and dp_replicate {dp_replicate}; "
                "give at least 0, 1 and 1"
            )
        if dataset_size == 0 or dataset_size % dp_replicate:
            return None, None
        share = dataset_size // dp_replicate
        batch_size = next(size for size in range(min(max_batch_size, share), 0, -1) if share % size == 0)
        return batch_size, share // batch_size


def _samples(evaluation: Any) -> list[Any]:
    """All samples of an evaluation.

    Raises:
        EvaluationError: There are none: no score can be given.
    """
    if len(evaluation) < 1:
        raise EvaluationError(f"the evaluation {evaluation.name!r} has no samples; give it at least one")
    return [evaluation.get(indx) for indx in range(len(evaluation))]


class RolloutEvaluation(Evaluation):
    """Evaluation using autoregressive generation."""

    def score(self, ys: list[str], y_hats: list[str]) -> float:
        """Compute score from generated results: the share of those that ``check`` accepts after ``clean``.

        Args:
            ys: Ground truth strings.
            y_hats: Generated results.

        Returns:
            Score (higher is better).
        """
        checked = [self.check(y, self.clean(y_hat)) for y, y_hat in zip(ys, y_hats, strict=True)]
        return sum(checked) / len(checked)

    def check(self, y: str, y_hat: str) -> bool:
        """Check if y_hat matches y.

        Args:
            y: Ground truth.
            y_hat: Generated result, cleaned.

        Returns:
            Whether y_hat matches y: whether they are equal.
        """
        return y == y_hat

    @abstractmethod
    def clean(self, y_hat: str) -> str:
        """Clean generated result before checking.

        Args:
            y_hat: Generated result, which can include the prompt.

        Returns:
            Cleaned/normalized result available for comparison.
        """

    @abstractmethod
    def get(self, indx: int) -> tuple[str, str]:
        """Get sample at index.

        Returns:
            (input_string, expected_output_string).
        """

    def max_new_tokens(self, inference: InferenceJob[Any, M]) -> int:
        """Maximum tokens to generate. Override in subclasses for shorter rollouts.

        Default is full block_size, but most evaluations only need ~10-100 tokens. Prompt and continuation together
        are at most block_size.
        """
        return inference.block_size

    def __call__(
        self,
        inference: InferenceJob[Any, M],
        encoding: Any,
        temperature: float = 0.0,
        top_p: float = 1.0,
        chunk_size: int = CHUNK_SIZE,
        **kwargs: Any,
    ) -> float:
        """Run evaluation.

        Args:
            inference: InferenceJob instance for running inference.
            encoding: Tokenizer with encode_batch/decode_batch methods.
            temperature: Sampling temperature (0.0 for greedy).
            top_p: Nucleus sampling threshold.
            chunk_size: Number of batches between two reports of progress (default 200).
            **kwargs: Not used.

        Returns:
            Evaluation score.
        """
        _check_sampling(temperature, top_p)
        pairs = _samples(self)
        prompts = encode_batch(encoding, [x for x, _ in pairs])
        made = inference.executor.generate(
            prompts,
            max_new_tokens=self.max_new_tokens(inference),
            sampling=Sampling(temperature=temperature, top_p=top_p, seed=inference.sampling_seed(self.name)),
            chunk_size=chunk_size,
        )
        texts = decode_batch(encoding, [(*prompt, *ids) for prompt, ids in zip(prompts, made, strict=True)])
        return float(self.score([y for _, y in pairs], texts))


class EncodingEvaluation(Evaluation):
    """Evaluation using next-token prediction accuracy."""

    def score(self, xs: list[str], y_hats: list[str]) -> float:
        """Compute score from input and model predictions: the share that ``check`` accepts after ``clean``.

        Args:
            xs: Input strings.
            y_hats: Model predictions (argmax of logits, shifted by 1).

        Returns:
            Score (higher is better).
        """
        checked = [self.check(x, self.clean(y_hat)) for x, y_hat in zip(xs, y_hats, strict=True)]
        return sum(checked) / len(checked)

    def check(self, x: str, y_hat: str) -> bool:
        """Check if prediction is correct given input.

        Args:
            x: Input string.
            y_hat: Model prediction (cleaned, decoded argmax).

        Returns:
            Whether prediction is correct: whether they are equal.
        """
        return x == y_hat

    @abstractmethod
    def clean(self, y_hat: str) -> str:
        """Clean model prediction before checking.

        Args:
            y_hat: Raw decoded model prediction.

        Returns:
            Cleaned/normalized result available for comparison.
        """

    @abstractmethod
    def get(self, indx: int) -> str:
        """Get input string at index."""

    def __call__(
        self, inference: InferenceJob[Any, M], encoding: Any, chunk_size: int = CHUNK_SIZE, **kwargs: Any
    ) -> float:
        """Run evaluation.

        The prediction of each token comes from the logits before it. The first token is predicted where the model has
        a token that begins texts; otherwise predictions begin with the second.

        Args:
            inference: InferenceJob instance for running inference.
            encoding: Tokenizer with encode_batch/decode_batch methods.
            chunk_size: Number of batches between two reports of progress (default 200).
            **kwargs: Not used.

        Returns:
            Evaluation score.
        """
        xs = _samples(self)
        requests = [ScoreRequest(ids) for ids in encode_batch(encoding, xs)]
        scored = inference.executor.score(requests, predictions=True, chunk_size=chunk_size)
        predictions = decode_batch(encoding, [each.predicted[each.predicted >= 0].tolist() for each in scored])
        return float(self.score(xs, predictions))


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
        requests = [ScoreRequest(ids) for ids in encode_batch(encoding, _samples(self))]
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
        samples = [_checked(number, sample) for number, sample in enumerate(_samples(self))]
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


def _check_sampling(temperature: float, top_p: float) -> None:
    if not 0 <= temperature < float("inf"):
        raise ParameterError(f"temperature is {temperature}; give a number of at least 0, where 0 is greedy")
    if not 0 < top_p <= 1:
        raise ParameterError(f"top_p is {top_p}; give a number above 0 and at most 1")


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
