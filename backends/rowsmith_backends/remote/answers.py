"""Responses of a completions endpoint: parsing and validation."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from rowsmith.errors import GenerationError
from rowsmith.generation.requests import CompletionBlock, Decode, FinishReason
from rowsmith_backends.sampling.bundle_tokens import BundleTokens

__all__ = ["Completion", "ResponseLimits", "completion_block", "parse_completion", "parse_log_probs"]

# A token may be a byte that is sent as an escaped character, and is reported up to four times with its position.
_BYTES_PER_ESCAPE, _BYTES_PER_REPORTED_TOKEN, _BYTES_PER_RESPONSE = 24, 256, 1 << 18
# Some servers write special tokens out.
_LONGEST_SPECIAL = 32
_STOP_REASONS = ("stop", "eos", "eos_token", "stop_sequence")


@frozen
class ResponseLimits:
    """Limits of the response to one request.

    Attributes:
        prompt: Token ids of the prompt.
        max_tokens: The most tokens of the completion.
        vocabulary_size: One more than the largest token id.
        max_token_bytes: The most bytes of a token.
    """

    prompt: Sequence[int]
    max_tokens: int
    vocabulary_size: int
    max_token_bytes: int

    @classmethod
    def of(cls, tokens: BundleTokens, prompt: Sequence[int], max_tokens: int) -> ResponseLimits:
        """Limits of a completion by the model with these tokens."""
        return cls(prompt, max_tokens, tokens.size, tokens.max_token_bytes)

    @property
    def max_bytes(self) -> int:
        """The most bytes of a response, whatever it repeats of prompt and completion."""
        return _BYTES_PER_RESPONSE + (len(self.prompt) + self.max_tokens) * (
            _BYTES_PER_REPORTED_TOKEN + _BYTES_PER_ESCAPE * self.max_token_bytes
        )

    @property
    def max_characters(self) -> int:
        """The most characters of a completion."""
        return (self.max_tokens + 1) * max(self.max_token_bytes, _LONGEST_SPECIAL)


@frozen(kw_only=True)
class Completion:
    """The completion of one request.

    Attributes:
        text: Its text, without special tokens.
        finish_reason: Why it ended.
        num_tokens: Its length in tokens.
        ids: Its token ids; None if the server does not return them.
        log_probs: Log-probability of each token; None unless requested.
    """

    text: str
    finish_reason: FinishReason
    num_tokens: int | None
    ids: tuple[int, ...] | None = None
    log_probs: tuple[float, ...] | None = None


def parse_completion(response: Mapping[str, Any], limits: ResponseLimits, server: str) -> Completion:
    """Parse the response to one prompt.

    Args:
        response: The response, parsed as JSON.
        limits: Limits of the response.
        server: Name of the server in messages.

    Raises:
        GenerationError: The response is malformed or exceeds its limits, or the server tokenizes the prompt in another
            way than the model was trained with.
    """
    prompt = limits.prompt
    usage, choice = response.get("usage"), _choice(response, server)
    num_reported = _as_int(usage.get("prompt_tokens")) if isinstance(usage, Mapping) else None
    read = choice.get("prompt_token_ids")
    if (num_reported is not None and num_reported != len(prompt)) or (isinstance(read, list) and read != list(prompt)):
        raise GenerationError(
            f"{server} reads other tokens than the model was trained with: {num_reported} for a prompt of "
            f"{len(prompt)}. It must serve this very model with its tokenizer, and add no tokens"
        )
    text, ids, reason = choice.get("text"), choice.get("token_ids"), choice.get("finish_reason")
    if not isinstance(text, str) or not (ids is None or _are_ids(ids, limits.vocabulary_size)):
        raise _malformed(server)
    num_reported = _as_int(usage.get("completion_tokens")) if isinstance(usage, Mapping) else None
    _check_length(text, ids, num_reported, limits, server)
    stop_or_abort = FinishReason.STOP if reason in _STOP_REASONS else FinishReason.ABORT
    return Completion(
        text=text,
        finish_reason=FinishReason.LENGTH if reason == "length" else stop_or_abort,
        num_tokens=num_reported if ids is None else len(ids),
        ids=None if ids is None else tuple(ids),
    )


def parse_log_probs(response: Mapping[str, Any], start: int, count: int, server: str) -> tuple[float, ...]:
    """Log-probabilities of some tokens of an echoed prompt.

    Args:
        response: The response, parsed as JSON.
        start: Index of the first token.
        count: Number of tokens.
        server: Name of the server in messages.

    Raises:
        GenerationError: The response has none.
    """
    scores = _choice(response, server).get("logprobs")
    found = scores.get("token_logprobs") if isinstance(scores, Mapping) else None
    wanted = found[start : start + count] if isinstance(found, list) else []
    if len(wanted) != count or not all(map(_is_score, wanted)):
        raise GenerationError(f"{server} does not return the log-probabilities of a prompt; do without log_probs")
    return tuple(map(float, wanted))


def completion_block(completions: Sequence[tuple[int, Completion]], decode: Decode) -> CompletionBlock:
    """Join completions to a block.

    Args:
        completions: Request ids and completions; token ids in all of them or in none.
        decode: Turns token ids into text.
    """
    lengths = np.array([completion.num_tokens or 0 for _, completion in completions], dtype=np.int32)
    ids = log_probs = None
    if all(completion.ids is not None for _, completion in completions):
        ids = np.zeros((len(completions), int(lengths.max())), dtype=np.int32)
        for row, (_, completion) in enumerate(completions):
            ids[row, : lengths[row]] = completion.ids or ()
    if ids is not None and all(completion.log_probs is not None for _, completion in completions):
        log_probs = np.full(ids.shape, np.nan, dtype=np.float32)
        for row, (_, completion) in enumerate(completions):
            log_probs[row, : lengths[row]] = completion.log_probs or ()
    return CompletionBlock(
        request_ids=np.array([request_id for request_id, _ in completions], dtype=np.int64),
        lengths=lengths,
        finish_reasons=[completion.finish_reason for _, completion in completions],
        ids=ids,
        texts=None if ids is not None else [completion.text for _, completion in completions],
        decode=decode,
        log_probs=log_probs,
    )


def _choice(response: Mapping[str, Any], server: str) -> Mapping[str, Any]:
    choices = response.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], Mapping):
        raise _malformed(server)
    return choices[0]


def _are_ids(ids: object, size: int) -> bool:
    return isinstance(ids, list) and all(type(each) is int and 0 <= each < size for each in ids)


def _check_length(
    text: str, ids: Sequence[int] | None, num_reported: int | None, limits: ResponseLimits, server: str
) -> None:
    """Reject a completion that exceeds its limits, before it is processed."""
    counts = [] if ids is None else [len(ids)]
    counts += [] if num_reported is None else [num_reported]
    out_of_range = next((each for each in counts if not 0 <= each <= limits.max_tokens), None)
    if out_of_range is None and len(text) <= limits.max_characters:
        return
    found = f"{len(text):,} characters" if out_of_range is None else f"{_shown(out_of_range)} tokens"
    raise GenerationError(
        f"{server} answered with {found} where {limits.max_tokens:,} tokens were asked for. It must heed max_tokens "
        "and count what it writes; see that backend.options.url is the address of an OpenAI-compatible completions "
        "endpoint"
    )


def _shown(number: int) -> str:
    return f"{number:,}" if abs(number) < 10**12 else "a number beyond all bounds of"


def _is_score(value: object) -> bool:
    """Whether a value is a finite number that a float holds."""
    return type(value) in (int, float) and -sys.float_info.max <= value <= sys.float_info.max  # type: ignore[operator]


def _as_int(value: object) -> int | None:
    return value if type(value) is int else None


def _malformed(server: str) -> GenerationError:
    return GenerationError(
        f"{server} gave an answer that is no completion of one prompt. See that backend.options.url is the address of "
        "an OpenAI-compatible completions endpoint"
    )
