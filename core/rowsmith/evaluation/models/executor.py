"""The executor of evaluations: the only code that batches, pads, orders, distributes and retries requests.

1. Each process takes every ``world_size``-th request.
2. Its requests are sorted by length and batched by a token budget; padding is on the right for scoring, where causal
   attention never sees it, and on the left for generation.
3. When memory runs out, the budget is halved and the batch is done again.
4. Results carry the number of their request; all processes gather all of them, each exactly once, in request order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from attrs import define, field, frozen, validators

from rowsmith.config.defaults import BACKEND
from rowsmith.errors import EvaluationError, ParameterError
from rowsmith.evaluation.models.exchange import Exchange, SingleProcess
from rowsmith.evaluation.models.model import GENERATE, LOG_PROBS, PREDICTIONS, M, PromptBatch, Sampling, ScoreBatch
from rowsmith.evaluation.models.windows import Window, windows_of
from rowsmith.interruption import StopRequest
from rowsmith.storage.out_of_memory import is_out_of_memory

__all__ = ["CHUNK_SIZE", "Executor", "ScoreRequest", "ScoredTokens"]

CHUNK_SIZE = 200
"""Batches between two reports of progress."""

MAX_ROWS = 64
MAX_TOKENS = 1 << 14

_SCORES = ("log_probs", "predicted", "legal", "means", "deviations")

_logger = logging.getLogger(__name__)

R = TypeVar("R")

_Parts = dict[str, npt.NDArray[Any]]
"""The scores of the tokens that a window scores, by the names of ``ScoredTokens``."""


@frozen
class ScoreRequest:
    """A sequence whose tokens are scored.

    Attributes:
        ids: The tokens to score.
        context: The tokens before them, which are not scored.
    """

    ids: tuple[int, ...]
    context: tuple[int, ...] = ()


@frozen(eq=False)
class ScoredTokens:
    """Scores of one request.

    Attributes:
        ids: The scored tokens: int64 ``[n]``.
        log_probs: Their natural log-probabilities, float64 ``[n]``; nan for a first token without any before it.
        predicted: The likeliest id at each position: int64 ``[n]``; -1 where there is none.
        legal: Logarithm of the share of the probability that the grammar of records allows at each position, float64
            ``[n]``; 0 for models without one.
        means: Mean of the log-probability over the tokens allowed at each position, float64 ``[n]``; nan of models
            without the capability ``moments``.
        deviations: Its standard deviation, float64 ``[n]``; nan where ``means`` is.
    """

    ids: npt.NDArray[np.int64]
    log_probs: npt.NDArray[np.float64]
    predicted: npt.NDArray[np.int64]
    legal: npt.NDArray[np.float64]
    means: npt.NDArray[np.float64]
    deviations: npt.NDArray[np.float64]

    @classmethod
    def unscored(cls, ids: Sequence[int]) -> ScoredTokens:
        """Tokens whose scores are unknown."""
        return cls(
            ids=np.array(ids, dtype=np.int64),
            log_probs=np.full(len(ids), np.nan),
            predicted=np.full(len(ids), -1, dtype=np.int64),
            legal=np.zeros(len(ids)),
            means=np.full(len(ids), np.nan),
            deviations=np.full(len(ids), np.nan),
        )

    def part(self, start: int, stop: int) -> ScoredTokens:
        """The scores of some of the tokens."""
        return ScoredTokens(self.ids[start:stop], *(getattr(self, name)[start:stop] for name in _SCORES))

    @property
    def nll(self) -> float:
        """Sum of the negative log-likelihoods, in nats."""
        return -float(np.nansum(self.log_probs))

    @property
    def count(self) -> int:
        """Number of tokens that have a probability."""
        return int(np.isfinite(self.log_probs).sum() + np.isneginf(self.log_probs).sum())


@define(kw_only=True, eq=False)
class Executor(Generic[M]):
    """Runs the requests of evaluations on one model.

    Attributes:
        model: The model.
        max_rows: The most sequences of a batch.
        max_tokens: The most tokens of a batch, padding included; one sequence is always taken.
        exchange: The processes that work together.
        progress: Called after each chunk with the number of finished requests and of all of them.
        stop: Whether the evaluation was asked to end; looked at after each chunk.
        num_truncated: Prompts that lost their beginning, since they fill the block.
        num_halvings: How often the token budget was halved.
    """

    model: M
    max_rows: int = field(default=MAX_ROWS, validator=validators.ge(1))
    max_tokens: int = field(default=MAX_TOKENS, validator=validators.ge(1))
    exchange: Exchange = field(factory=SingleProcess)
    progress: Callable[[int, int], None] = lambda done, total: None
    stop: StopRequest = field(factory=StopRequest)
    num_truncated: int = 0
    num_halvings: int = 0

    def score(
        self, requests: Sequence[ScoreRequest], *, predictions: bool = False, chunk_size: int = CHUNK_SIZE
    ) -> list[ScoredTokens]:
        """Score sequences of any length; those longer than the block in windows, each token once.

        Args:
            requests: The sequences.
            predictions: Whether predictions are needed.
            chunk_size: Batches between two reports of progress; the scores do not depend on it.

        Returns:
            The scores of each request, in order.

        Raises:
            EvaluationError: The model cannot score, memory runs out for a single sequence, or a process failed.
        """
        self._require(PREDICTIONS if predictions else LOG_PROBS)
        prefixed = [self._prefixed(request) for request in requests]
        windows = [
            window
            for number, (ids, first) in enumerate(prefixed)
            for window in windows_of(number, ids, first, self.model.block_size)
        ]
        scores = self._distributed(
            [len(window.ids) for window in windows],
            lambda rows: self._score([windows[row] for row in rows]),
            chunk_size,
        )
        return _joined(requests, windows, scores)

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        max_new_tokens: int,
        sampling: Sampling | None = None,
        chunk_size: int = CHUNK_SIZE,
    ) -> list[list[int]]:
        """Continue prompts.

        A prompt that fills the block loses its beginning, never its end; ``num_truncated`` counts such prompts.

        Args:
            prompts: Token ids of each prompt; the model's prefix is added.
            max_new_tokens: The most tokens of a continuation, at least 1.
            sampling: How to draw; by default greedily. A draw depends on the seed and the prompt's number alone.
            chunk_size: Batches between two reports of progress; the continuations do not depend on it.

        Returns:
            The ids of each continuation without prompt and end token, in order.

        Raises:
            EvaluationError: The model cannot generate, a prompt is empty, memory runs out for a single prompt, or a
                process failed.
            ParameterError: ``max_new_tokens`` is below 1.
        """
        self._require(GENERATE)
        if max_new_tokens < 1:
            raise ParameterError(f"max_new_tokens is {max_new_tokens}; give a whole number of at least 1")
        sampling = sampling or Sampling()
        fitted = [self._fitted(number, prompt, max_new_tokens) for number, prompt in enumerate(prompts)]

        def work(rows: Sequence[int]) -> list[list[int]]:
            batch = _prompt_batch(rows, [fitted[row] for row in rows])
            made = self.model.generate(batch, sampling)
            return [list(ids[:limit]) for ids, limit in zip(made, batch.limits.tolist(), strict=True)]

        return self._distributed([len(ids) + limit for ids, limit in fitted], work, chunk_size)

    def _require(self, capability: str) -> None:
        if capability not in self.model.capabilities:
            able = ", ".join(sorted(self.model.capabilities)) or "nothing"
            raise EvaluationError(
                f"the evaluation needs {capability!r}, and {type(self.model).__name__} declares {able}; evaluate with "
                f"a backend that declares it, such as {BACKEND}"
            )

    def _prefixed(self, request: ScoreRequest) -> tuple[tuple[int, ...], int]:
        """A sequence with the model's prefix, and the position of its first scored token."""
        context, prefix = request.context, self.model.prefix_ids
        if prefix and (*context, *request.ids)[: len(prefix)] != prefix:
            context = (*prefix, *context)
        return (*context, *request.ids), len(context)

    def _fitted(self, number: int, prompt: Sequence[int], max_new_tokens: int) -> tuple[tuple[int, ...], int]:
        """A prompt with the model's prefix, truncated to the block, and the most tokens of its continuation."""
        prefix, block = self.model.prefix_ids, self.model.block_size
        ids = tuple(prompt)
        if ids[: len(prefix)] == prefix:
            ids = ids[len(prefix) :]
        room = block - len(prefix)
        if len(ids) >= room:
            self.num_truncated += 1
            ids = ids[len(ids) - max(1, room - min(max_new_tokens, max(1, room // 2))) :]
        ids = (*prefix, *ids)
        if not ids:
            raise EvaluationError(f"prompt {number} has no tokens, and the model has no token that begins a text")
        return ids, min(max_new_tokens, block - len(ids))

    def _score(self, windows: Sequence[Window]) -> list[_Parts]:
        lengths = np.array([len(window.ids) for window in windows], dtype=np.int64)
        ids = np.zeros((len(windows), int(lengths.max())), dtype=np.int64)
        for row, window in enumerate(windows):
            ids[row, : len(window.ids)] = window.ids
        scores = self.model.score(ScoreBatch(ids=ids, lengths=lengths))
        known = {name: found for name in _SCORES if (found := getattr(scores, name)) is not None}
        # Windows outlive the batch: copies let its padding go.
        return [
            {name: found[row, window.scored - 1 : len(window.ids) - 1].copy() for name, found in known.items()}
            for row, window in enumerate(windows)
        ]

    def _distributed(
        self, sizes: Sequence[int], work: Callable[[Sequence[int]], Sequence[R]], chunk_size: int
    ) -> list[R]:
        """Do this process's share of some requests, and gather the results of all."""
        if chunk_size < 1:
            raise ParameterError(f"chunk_size is {chunk_size}; give a whole number of at least 1")
        found: list[tuple[int, R]] = []
        failure: Exception | None = None
        try:
            found = list(self._own_share(sizes, work, chunk_size))
        except Exception as error:
            # The others wait for this process: they get its error, and fail as well.
            failure = error
        message = None if failure is None else f"{type(failure).__name__}: {failure}"
        gathered: list[Any] = self.exchange.gather((found, message))
        if failure is not None:
            raise failure
        for rank, (_, text) in enumerate(gathered):
            if text is not None:
                raise EvaluationError(f"process {rank} of the evaluation failed: {text}")
        return _in_order([pair for pairs, _ in gathered for pair in pairs], len(sizes))

    def _own_share(
        self, sizes: Sequence[int], work: Callable[[Sequence[int]], Sequence[R]], chunk_size: int
    ) -> Iterator[tuple[int, R]]:
        own = sorted(range(self.exchange.rank, len(sizes), self.exchange.world_size), key=lambda row: sizes[row])
        done = batches = 0
        while done < len(own):
            rows = self._next_batch(own[done:], sizes)
            made = self._attempt(rows, work)
            if made is None:
                continue
            if len(made) != len(rows):
                raise EvaluationError(f"{type(self.model).__name__} gave {len(made)} results for {len(rows)} requests")
            yield from zip(rows, made, strict=True)
            done, batches = done + len(rows), batches + 1
            if batches % chunk_size == 0 or done == len(own):
                self.progress(done, len(own))
                self.stop.check()

    def _next_batch(self, rows: Sequence[int], sizes: Sequence[int]) -> Sequence[int]:
        """The shortest of the remaining requests, as many as the budget allows."""
        count = 1
        # Sorted by size, so that the last row of a batch is its longest.
        while count < min(len(rows), self.max_rows) and sizes[rows[count]] * (count + 1) <= self.max_tokens:
            count += 1
        return rows[:count]

    def _attempt(self, rows: Sequence[int], work: Callable[[Sequence[int]], Sequence[R]]) -> Sequence[R] | None:
        """The results of a batch; None if memory ran out and a smaller batch is to be tried."""
        try:
            return work(rows)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            failure = error.with_traceback(None)  # whose frames keep the memory
        if len(rows) == 1:
            raise EvaluationError(
                f"memory ran out for request {rows[0]} by itself: {failure}. Evaluate on a device with more memory, or "
                "shorter texts."
            ) from failure
        self.num_halvings += 1
        self.max_rows = max(1, len(rows) // 2)
        _logger.warning("memory ran out with %d sequences at a time; going on with %d", len(rows), self.max_rows)
        return None


def _prompt_batch(keys: Sequence[int], prompts: Sequence[tuple[tuple[int, ...], int]]) -> PromptBatch:
    lengths = np.array([len(ids) for ids, _ in prompts], dtype=np.int64)
    width = int(lengths.max())
    padded = np.zeros((len(prompts), width), dtype=np.int64)
    for row, (ids, _) in enumerate(prompts):
        padded[row, width - len(ids) :] = ids
    limits = np.array([limit for _, limit in prompts], dtype=np.int64)
    return PromptBatch(ids=padded, lengths=lengths, limits=limits, keys=np.array(keys, dtype=np.int64))


def _in_order(pairs: Sequence[tuple[int, R]], count: int) -> list[R]:
    by_number = dict(pairs)
    if len(pairs) != len(by_number) or by_number.keys() != set(range(count)):
        raise EvaluationError(f"{len(pairs)} results of {len(by_number)} requests came back; {count} were made")
    return [by_number[number] for number in range(count)]


def _joined(
    requests: Sequence[ScoreRequest], windows: Sequence[Window], scores: Sequence[_Parts]
) -> list[ScoredTokens]:
    joined = [ScoredTokens.unscored(request.ids) for request in requests]
    for window, parts in zip(windows, scores, strict=True):
        for name, found in parts.items():
            getattr(joined[window.number], name)[window.target : window.target + len(found)] = found
    return joined
