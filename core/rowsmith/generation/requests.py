"""Requests to an engine and its answers: the one primitive that an inference engine implements.

An engine turns requests (token ids) into blocks of completions, in any order, keyed by request id.
It knows nothing of records, targets or stopping: the shared loop does.
"""

from __future__ import annotations

import abc
import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from rowsmith.errors import ParameterError

if TYPE_CHECKING:
    from rowsmith.vocabulary import Vocabulary

__all__ = [
    "REPETITION_PENALTY",
    "AllowedValues",
    "Completion",
    "CompletionBlock",
    "CompletionRequest",
    "Engine",
    "FinishReason",
    "SamplingParams",
]

REPETITION_PENALTY = "repetition_penalty"
"""Sampling option by which tokens of prompt and completion so far become less likely, as in transformers."""

Decode = Callable[[Sequence[int]], str]


class FinishReason(enum.StrEnum):
    """Why a completion ended."""

    STOP = "stop"
    LENGTH = "length"
    ABORT = "abort"


@frozen(kw_only=True)
class AllowedValues:
    """Values that a condition leaves to columns of the model's records.

    Records are drawn from the distribution of those that meet the condition, not only masked: of several weighted
    candidates, one is chosen.

    Attributes:
        columns: The allowed values of each restricted column, spelled; None among them allows null. Of an open
            column, any text allows all texts.
        candidates: How many candidates are drawn for each completion.
    """

    columns: Mapping[str, tuple[str | None, ...]]
    candidates: int = 16


@frozen(kw_only=True)
class SamplingParams:
    """How completions are drawn.

    Attributes:
        temperature: 0 takes the most likely token every time.
        top_p: Share of probability mass that is retained, in (0, 1].
        max_new_tokens: Longest completion in tokens; None leaves it to the engine.
        constrained: Whether completions must follow the grammar of the records.
        seed: Seed of the draws; a draw depends on it, the request id and the position alone.
        log_probs: Whether completions include the log-probabilities of their tokens.
        allowed: Values that a condition leaves; None without one. Only for engines that can ``conditions``.
        extra: Options of one engine, by name (see ``Engine.sampling_options``).
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int | None = None
    constrained: bool = True
    seed: int = 0
    log_probs: bool = False
    allowed: AllowedValues | None = None
    extra: Mapping[str, Any] = field(factory=dict)

    @property
    def repetition_penalty(self) -> float:
        """How much less likely tokens of prompt and completion so far become; 1 for not at all."""
        return float(self.extra.get(REPETITION_PENALTY, 1.0))


@frozen
class CompletionRequest:
    """One prompt to be completed.

    Attributes:
        request_id: Names the completion; unique while a backend lives.
        prompt_ids: Token ids of the prompt.
        max_tokens: Longest completion for this request; None means ``SamplingParams.max_new_tokens``.
        forced_ids: Token ids that the completion begins with; they are part of it.
        max_records: The most records of the completion; None for as many as the model writes.
        given: Values of some closed columns of the record, spelled, None for null; values that the model does not write
            are left to it. Only for engines that can ``conditions``, with ``SamplingParams.allowed``.
    """

    request_id: int
    prompt_ids: tuple[int, ...]
    max_tokens: int | None = None
    forced_ids: tuple[int, ...] = ()
    max_records: int | None = None
    given: tuple[tuple[str, str | None], ...] = ()


@frozen
class Completion:
    """The completion of one request.

    Attributes:
        text: The text, special tokens left out.
        finish_reason: Why it ended; None if unknown.
        num_tokens: Its length in tokens, special tokens included; None if unknown.
        ids: Its token ids, where the engine gives them.
        decode: Turns token ids into text; needed to assign tokens to records.
    """

    text: str
    finish_reason: FinishReason | None = None
    num_tokens: int | None = None
    ids: Sequence[int] | None = None
    decode: Decode | None = None


@frozen(kw_only=True, eq=False)
class CompletionBlock:
    """Some completions, in any order.

    Attributes:
        request_ids: The request of each row: int64[n].
        ids: Token ids, right padded: int32[n, t]; None for engines that only give text.
        lengths: Number of tokens of each row: int32[n].
        finish_reasons: Why each row ended: n of them.
        texts: Text of each row, where the engine has it; otherwise it is decoded on demand.
        decode: Turns token ids into text, special tokens left out.
        log_probs: Natural logarithm of the probability that the model gives each token after those before it, at
            temperature 1 and without grammar or ``top_p``: float32[n, t], nan for padding; None unless requested.
        candidates: Effective number of candidates of each row under a condition, 0 where none could be chosen:
            float32[n]; None without one.
        log_weights: Natural logarithm of the mean weight of the candidates of each row, which estimates the probability
            of what is given and allowed: float64[n]; None without a condition.

    Raises:
        ParameterError: The parts differ in length, or there is no way to get at the text.
    """

    request_ids: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int32]
    finish_reasons: Sequence[FinishReason | str]
    ids: npt.NDArray[np.int32] | None = None
    texts: Sequence[str] | None = None
    decode: Decode | None = None
    log_probs: npt.NDArray[np.float32] | None = None
    candidates: npt.NDArray[np.float32] | None = None
    log_weights: npt.NDArray[np.float64] | None = None

    def __attrs_post_init__(self) -> None:
        parts = {
            "lengths": self.lengths,
            "finish_reasons": self.finish_reasons,
            "ids": self.ids,
            "texts": self.texts,
            "log_probs": self.log_probs,
            "candidates": self.candidates,
            "log_weights": self.log_weights,
        }
        sizes = {name: len(part) for name, part in parts.items() if part is not None}
        wrong = {name: size for name, size in sizes.items() if size != len(self.request_ids)}
        if wrong:
            raise ParameterError(
                f"completion block of {len(self.request_ids)} requests has parts of other sizes: {wrong}"
            )
        if self.texts is None and (self.ids is None or self.decode is None):
            raise ParameterError("a completion block needs texts, or ids and decode")

    def __len__(self) -> int:
        return len(self.request_ids)

    def row_ids(self, row: int) -> list[int] | None:
        """Token ids of one row without padding; None when the engine gave none."""
        if self.ids is None:
            return None
        ids: list[int] = self.ids[row, : self.lengths[row]].tolist()
        return ids

    def text(self, row: int) -> str:
        """Text of one row, decoded now unless the engine gave it."""
        if self.texts is not None:
            return self.texts[row]
        if self.decode is None:
            raise ParameterError("a completion block needs texts, or ids and decode")
        return self.decode(self.row_ids(row) or ())

    def completion(self, row: int) -> Completion:
        """One row by itself."""
        return Completion(
            text=self.text(row),
            finish_reason=FinishReason(self.finish_reasons[row]),
            num_tokens=int(self.lengths[row]),
            ids=self.row_ids(row),
            decode=self.decode,
        )


class Engine(abc.ABC):
    """An inference engine: prompts in, completions out.

    Attributes:
        capabilities: What the engine can do beyond text in and text out: ``seed``, ``constrained``,
            ``forced-tokens``, ``log-probs``, ``conditions``.
        max_num_prompts: Requests it takes in one call; None leaves the size to the loop.
        sampling_options: Names it understands in ``SamplingParams.extra``.
        vocabulary: What its token ids mean, for a columnar model; None for every other one.
    """

    capabilities: frozenset[str] = frozenset()
    max_num_prompts: int | None = None
    sampling_options: frozenset[str] = frozenset()
    vocabulary: Vocabulary | None = None

    @abc.abstractmethod
    def start(self) -> None:
        """Load the model and take what is needed to run it."""

    @abc.abstractmethod
    def complete(self, requests: Sequence[CompletionRequest], params: SamplingParams) -> Iterator[CompletionBlock]:
        """Complete every request once.

        Args:
            requests: What to complete.
            params: How to draw.

        Yields:
            Blocks that together hold each request exactly once, in any order. Closing the iterator
            aborts what has not been yielded.
        """

    @abc.abstractmethod
    def stop(self) -> None:
        """Release the model; safe to call at any time, any number of times."""

    @abc.abstractmethod
    def count_tokens(self, text: str) -> int:
        """Number of tokens that ``text`` takes, no special tokens added."""
