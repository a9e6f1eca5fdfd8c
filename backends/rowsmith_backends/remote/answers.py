"""What a completions endpoint answers, read and checked."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from rowsmith.errors import GenerationError
from rowsmith.generation.requests import CompletionBlock, Decode, FinishReason
from rowsmith_backends.sampling.bundle_tokens import BundleTokens

__all__ = ["Answer", "Asked", "answer_block", "read_answer", "read_scores"]

# A token may be a byte that the server writes as an escaped character, and is told up to four times with its place.
_ESCAPED, _TOLD_TOKEN, _TOLD_ANSWER = 24, 256, 1 << 18
# Some servers write special tokens out.
_LONGEST_SPECIAL = 32
_STOPPED = ("stop", "eos", "eos_token", "stop_sequence")


@frozen
class Asked:
    """What a server was asked for, which bounds what it may answer.

    Attributes:
        prompt: The prompt's token ids.
        most: The most tokens that may be written.
        vocabulary_size: One more than the largest token id.
        longest: The most bytes of a token.
    """

    prompt: Sequence[int]
    most: int
    vocabulary_size: int
    longest: int

    @classmethod
    def of(cls, tokens: BundleTokens, prompt: Sequence[int], most: int) -> Asked:
        """A request for a completion by the model that has these tokens."""
        return cls(prompt, most, tokens.size, tokens.longest)

    @property
    def most_bytes(self) -> int:
        """The most bytes of an answer, whatever it tells of prompt and completion."""
        return _TOLD_ANSWER + (len(self.prompt) + self.most) * (_TOLD_TOKEN + _ESCAPED * self.longest)

    @property
    def most_characters(self) -> int:
        """The most characters of a completion."""
        return (self.most + 1) * max(self.longest, _LONGEST_SPECIAL)


@frozen(kw_only=True)
class Answer:
    """The completion of one request.

    Attributes:
        text: Its text, without special tokens.
        finish_reason: Why it ended.
        num_tokens: Its length in tokens.
        ids: Its token ids; None where the server keeps them to itself.
        log_probs: Log-probability of each token; None unless asked for.
    """

    text: str
    finish_reason: FinishReason
    num_tokens: int | None
    ids: tuple[int, ...] | None = None
    log_probs: tuple[float, ...] | None = None


def read_answer(said: Mapping[str, Any], asked: Asked, who: str) -> Answer:
    """Read what the server said about one prompt.

    Args:
        said: The answer.
        asked: What it was asked for.
        who: The server, in messages.

    Raises:
        GenerationError: The answer is malformed, or more than was asked for; or the server reads other tokens than
            the model was trained with.
    """
    prompt = asked.prompt
    usage, choice = said.get("usage"), _choice(said, who)
    counted = _whole(usage.get("prompt_tokens")) if isinstance(usage, Mapping) else None
    read = choice.get("prompt_token_ids")
    if (counted is not None and counted != len(prompt)) or (isinstance(read, list) and read != list(prompt)):
        raise GenerationError(
            f"{who} reads other tokens than the model was trained with: {counted} for a prompt of {len(prompt)}. It "
            "must serve this very model with its tokenizer, and add no tokens"
        )
    text, ids, reason = choice.get("text"), choice.get("token_ids"), choice.get("finish_reason")
    if not isinstance(text, str) or not (ids is None or _are_ids(ids, asked.vocabulary_size)):
        raise _malformed(who)
    counted = _whole(usage.get("completion_tokens")) if isinstance(usage, Mapping) else None
    _check_length(text, ids, counted, asked, who)
    finish = FinishReason.STOP if reason in _STOPPED else FinishReason.ABORT
    return Answer(
        text=text,
        finish_reason=FinishReason.LENGTH if reason == "length" else finish,
        num_tokens=counted if ids is None else len(ids),
        ids=None if ids is None else tuple(ids),
    )


def read_scores(said: Mapping[str, Any], start: int, count: int, who: str) -> tuple[float, ...]:
    """Log-probabilities of some tokens of a prompt that was echoed.

    Args:
        said: The answer.
        start: The first token.
        count: How many.
        who: The server, in messages.

    Raises:
        GenerationError: They are not there.
    """
    scores = _choice(said, who).get("logprobs")
    found = scores.get("token_logprobs") if isinstance(scores, Mapping) else None
    wanted = found[start : start + count] if isinstance(found, list) else []
    if len(wanted) != count or not all(map(_is_score, wanted)):
        raise GenerationError(f"{who} does not tell the log-probabilities of a prompt; do without log_probs")
    return tuple(map(float, wanted))


def answer_block(answers: Sequence[tuple[int, Answer]], decode: Decode) -> CompletionBlock:
    """Some answers as a block.

    Args:
        answers: Request ids and what was answered; token ids in all of them or in none.
        decode: Turns token ids into text.
    """
    lengths = np.array([answer.num_tokens or 0 for _, answer in answers], dtype=np.int32)
    ids = log_probs = None
    if all(answer.ids is not None for _, answer in answers):
        ids = np.zeros((len(answers), int(lengths.max())), dtype=np.int32)
        for row, (_, answer) in enumerate(answers):
            ids[row, : lengths[row]] = answer.ids or ()
    if ids is not None and all(answer.log_probs is not None for _, answer in answers):
        log_probs = np.full(ids.shape, np.nan, dtype=np.float32)
        for row, (_, answer) in enumerate(answers):
            log_probs[row, : lengths[row]] = answer.log_probs or ()
    return CompletionBlock(
        request_ids=np.array([request_id for request_id, _ in answers], dtype=np.int64),
        lengths=lengths,
        finish_reasons=[answer.finish_reason for _, answer in answers],
        ids=ids,
        texts=None if ids is not None else [answer.text for _, answer in answers],
        decode=decode,
        log_probs=log_probs,
    )


def _choice(said: Mapping[str, Any], who: str) -> Mapping[str, Any]:
    choices = said.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], Mapping):
        raise _malformed(who)
    return choices[0]


def _are_ids(ids: object, size: int) -> bool:
    return isinstance(ids, list) and all(type(each) is int and 0 <= each < size for each in ids)


def _check_length(text: str, ids: Sequence[int] | None, counted: int | None, asked: Asked, who: str) -> None:
    """Refuse more than was asked for, before anything is made of it."""
    told = [] if ids is None else [len(ids)]
    told += [] if counted is None else [counted]
    wrong = next((each for each in told if not 0 <= each <= asked.most), None)
    if wrong is None and len(text) <= asked.most_characters:
        return
    found = f"{len(text):,} characters" if wrong is None else f"{_shown(wrong)} tokens"
    raise GenerationError(
        f"{who} answered with {found} where {asked.most:,} tokens were asked for. It must heed max_tokens and count "
        "what it writes; see that backend.options.url is the address of an OpenAI-compatible completions endpoint"
    )


def _shown(number: int) -> str:
    return f"{number:,}" if abs(number) < 10**12 else "a number beyond all bounds of"


def _is_score(value: object) -> bool:
    """Whether a value is a finite number that a float holds."""
    return type(value) in (int, float) and -sys.float_info.max <= value <= sys.float_info.max  # type: ignore[operator]


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def _malformed(who: str) -> GenerationError:
    return GenerationError(
        f"{who} gave an answer that is no completion of one prompt. See that backend.options.url is the address of an "
        "OpenAI-compatible completions endpoint"
    )
