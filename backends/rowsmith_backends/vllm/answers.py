"""Completions of vLLM, as blocks in the order of the requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from attrs import frozen

from rowsmith.generation.requests import CompletionBlock, CompletionRequest, Decode, FinishReason
from rowsmith_backends.vllm.messages import CompletionRows

__all__ = ["OrderedCompletions"]


@frozen
class _Completion:
    ids: list[int]
    reason: FinishReason
    log_probs: list[float] | None = None


class OrderedCompletions:
    """Collects completions and releases them in the order of their requests.

    Args:
        requests: The requests; each says how long its completion may be.
        decode: Turns token ids into text.
        eos_id: The token after the last record.
        includes_forced: Whether the completions of vLLM include the forced ids.
    """

    def __init__(
        self, requests: Sequence[CompletionRequest], decode: Decode, eos_id: int, *, includes_forced: bool
    ) -> None:
        self._requests = requests
        self._decode = decode
        self._eos_id = eos_id
        self._includes_forced = includes_forced
        self._pending: dict[int, _Completion] = {}
        self._next = 0

    def add_forced(self, index: int) -> None:
        """Add the completion of a request whose forced ids are all of it."""
        request = self._requests[index]
        self._pending[index] = self._completion(index, list(request.forced_ids[: request.max_tokens]), False, None)

    def add(self, rows: CompletionRows, indices: Sequence[int]) -> None:
        """Add completions.

        Args:
            rows: The completions.
            indices: ``[prompts]`` the index of each prompt's request.
        """
        ends = np.cumsum(rows.lengths)
        for row, prompt in enumerate(rows.indices.tolist()):
            index, token_range = indices[prompt], slice(ends[row] - rows.lengths[row], ends[row])
            forced = () if self._includes_forced else self._requests[index].forced_ids
            log_probs = None if rows.log_probs is None else rows.log_probs[token_range].tolist()
            self._pending[index] = self._completion(
                index, [*forced, *rows.ids[token_range].tolist()], bool(rows.stopped[row]), log_probs
            )

    def _completion(self, index: int, ids: list[int], stopped: bool, log_probs: list[float] | None) -> _Completion:
        max_records = self._requests[index].max_records
        if max_records is not None and self._decode(ids).count("\n") >= max_records:
            # The last record ends the completion; the EOS that vLLM needs to stop is dropped.
            ids = ids[:-1] if ids[-1] == self._eos_id else ids
            stopped = True
        reason = FinishReason.STOP if stopped else FinishReason.LENGTH
        return _Completion(ids, reason, None if log_probs is None else log_probs[: len(ids)])

    def ready(self) -> Iterator[CompletionBlock]:
        """Release the completions whose predecessors are all there."""
        start = self._next
        while self._next in self._pending:
            self._next += 1
        if self._next > start:
            yield self._block(range(start, self._next))

    def flush(self) -> Iterator[CompletionBlock]:
        """Release all completions collected so far, despite gaps."""
        if self._pending:
            yield self._block(sorted(self._pending))

    def _block(self, indices: Sequence[int]) -> CompletionBlock:
        completions = [self._pending.pop(index) for index in indices]
        lengths = np.array([len(completion.ids) for completion in completions], dtype=np.int32)
        shape = len(completions), int(lengths.max())
        ids, log_probs = np.zeros(shape, dtype=np.int32), np.full(shape, np.nan, dtype=np.float32)
        for row, completion in enumerate(completions):
            ids[row, : lengths[row]] = completion.ids
            log_probs[row, : lengths[row]] = completion.log_probs or np.nan
        return CompletionBlock(
            request_ids=np.array([self._requests[index].request_id for index in indices], dtype=np.int64),
            lengths=lengths,
            finish_reasons=[completion.reason for completion in completions],
            ids=ids,
            decode=self._decode,
            log_probs=log_probs if any(completion.log_probs is not None for completion in completions) else None,
        )
