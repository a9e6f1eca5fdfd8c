"""What vLLM answered, as blocks of completions in the order of the requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from attrs import frozen

from rowsmith.generation.requests import CompletionBlock, CompletionRequest, Decode, FinishReason
from rowsmith_backends.vllm.messages import Rows

__all__ = ["Answers"]


@frozen
class _Answer:
    ids: list[int]
    reason: FinishReason
    log_probs: list[float] | None = None


class Answers:
    """The answers to some requests, held until those before them have come.

    Args:
        requests: The requests; each says how long its completion may be.
        decode: Turns token ids into text.
        eos_id: The token after the last record.
        whole: Whether forced ids are in what vLLM gives.
    """

    def __init__(self, requests: Sequence[CompletionRequest], decode: Decode, eos_id: int, *, whole: bool) -> None:
        self._requests = requests
        self._decode = decode
        self._eos_id = eos_id
        self._whole = whole
        self._held: dict[int, _Answer] = {}
        self._next = 0

    def cut(self, place: int) -> None:
        """Answer a request whose forced ids are the whole completion."""
        request = self._requests[place]
        self._held[place] = self._answer(place, list(request.forced_ids[: request.max_tokens]), False, None)

    def add(self, rows: Rows, places: Sequence[int]) -> None:
        """Take some answers.

        Args:
            rows: The answers.
            places: The place among the requests of each prompt that was asked.
        """
        ends = np.cumsum(rows.lengths)
        for row, asked in enumerate(rows.places.tolist()):
            place, own = places[asked], slice(ends[row] - rows.lengths[row], ends[row])
            forced = () if self._whole else self._requests[place].forced_ids
            log_probs = None if rows.log_probs is None else rows.log_probs[own].tolist()
            self._held[place] = self._answer(
                place, [*forced, *rows.ids[own].tolist()], bool(rows.stopped[row]), log_probs
            )

    def _answer(self, place: int, ids: list[int], stopped: bool, log_probs: list[float] | None) -> _Answer:
        most = self._requests[place].max_records
        if most is not None and self._decode(ids).count("\n") >= most:
            # The last record ends the completion; what vLLM needs to stop is no part of it.
            ids = ids[:-1] if ids[-1] == self._eos_id else ids
            stopped = True
        reason = FinishReason.STOP if stopped else FinishReason.LENGTH
        return _Answer(ids, reason, None if log_probs is None else log_probs[: len(ids)])

    def ready(self) -> Iterator[CompletionBlock]:
        """The answers that all before have come."""
        start = self._next
        while self._next in self._held:
            self._next += 1
        if self._next > start:
            yield self._block(range(start, self._next))

    def rest(self) -> Iterator[CompletionBlock]:
        """All answers that are there."""
        if self._held:
            yield self._block(sorted(self._held))

    def _block(self, places: Sequence[int]) -> CompletionBlock:
        answers = [self._held.pop(place) for place in places]
        lengths = np.array([len(answer.ids) for answer in answers], dtype=np.int32)
        shape = len(answers), int(lengths.max())
        ids, log_probs = np.zeros(shape, dtype=np.int32), np.full(shape, np.nan, dtype=np.float32)
        for row, answer in enumerate(answers):
            ids[row, : lengths[row]] = answer.ids
            log_probs[row, : lengths[row]] = answer.log_probs or np.nan
        return CompletionBlock(
            request_ids=np.array([self._requests[place].request_id for place in places], dtype=np.int64),
            lengths=lengths,
            finish_reasons=[answer.reason for answer in answers],
            ids=ids,
            decode=self._decode,
            log_probs=log_probs if any(answer.log_probs is not None for answer in answers) else None,
        )
