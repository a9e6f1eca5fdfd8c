"""Evaluations by accuracy: of continuations, and of the likeliest next tokens."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from rowsmith.errors import ParameterError
from rowsmith.evaluation.models.evaluation import Evaluation, all_samples
from rowsmith.evaluation.models.executor import CHUNK_SIZE, ScoreRequest
from rowsmith.evaluation.models.model import M, Sampling
from rowsmith.evaluation.models.texts import decode_batch, encode_batch

if TYPE_CHECKING:
    from rowsmith.evaluation.models.inference import InferenceJob

__all__ = ["EncodingEvaluation", "RolloutEvaluation"]


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
        pairs = all_samples(self)
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
        xs = all_samples(self)
        requests = [ScoreRequest(ids) for ids in encode_batch(encoding, xs)]
        scored = inference.executor.score(requests, predictions=True, chunk_size=chunk_size)
        predictions = decode_batch(encoding, [each.predicted[each.predicted >= 0].tolist() for each in scored])
        return float(self.score(xs, predictions))


def _check_sampling(temperature: float, top_p: float) -> None:
    if not 0 <= temperature < float("inf"):
        raise ParameterError(f"temperature is {temperature}; give a number of at least 0, where 0 is greedy")
    if not 0 < top_p <= 1:
        raise ParameterError(f"top_p is {top_p}; give a number above 0 and at most 1")
