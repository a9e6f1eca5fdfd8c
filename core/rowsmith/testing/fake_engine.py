"""An engine without a model: a function answers each request. For tests of loops and backends.

Every character is one token, its id the character's code point, so that counts are easy to foresee.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from attrs import field, frozen

from rowsmith.generation.requests import CompletionBlock, CompletionRequest, Engine, FinishReason, SamplingParams

__all__ = ["FakeEngine", "Reply"]


@frozen(kw_only=True)
class Reply:
    """One answer in full.

    Attributes:
        text: The completion's text; None decodes the ids.
        ids: The completion's token ids; None makes them from the text.
        finish_reason: Why it ended.
        request_id: The request it claims to answer; None is the one that was asked.
    """

    text: str | None = None
    ids: Sequence[int] | None = None
    finish_reason: FinishReason = FinishReason.STOP
    request_id: int | None = None


def _decode(ids: Sequence[int]) -> str:
    return "".join(map(chr, ids))


Answer = str | Sequence[int] | Reply | None


@frozen(kw_only=True)
class _Row:
    request_id: int
    ids: list[int]
    finish_reason: FinishReason = field()


class FakeEngine(Engine):
    """Answers each request by calling a function.

    Args:
        handler: Gives the text, the token ids or the whole ``Reply`` of a request; None leaves it
            unanswered. What it raises comes out of the engine.
        block_size: Completions in a block.
        order: Puts the requests of a call in the order in which they are answered; None leaves it.
        texts_only: Whether blocks hold texts and no ids, as from a text-only server.
        max_num_prompts: See ``Engine``.
        capabilities: See ``Engine``.
        sampling_options: See ``Engine``.

    Attributes:
        requests: Every request received, in order.
        params: The sampling parameters of the latest call.
        num_answered: Completions that were taken from the engine.
        num_calls: Calls of ``complete``.
        num_starts: Calls of ``start``.
        num_stops: Calls of ``stop``.
        aborted: Whether a call was closed before all of it was taken.
    """

    def __init__(
        self,
        handler: Callable[[CompletionRequest], Answer],
        *,
        block_size: int = 1,
        order: Callable[[Sequence[CompletionRequest]], Sequence[CompletionRequest]] | None = None,
        texts_only: bool = False,
        max_num_prompts: int | None = None,
        capabilities: frozenset[str] = frozenset(),
        sampling_options: frozenset[str] = frozenset(),
    ) -> None:
        self.max_num_prompts = max_num_prompts
        self.capabilities = capabilities
        self.sampling_options = sampling_options
        self.requests: list[CompletionRequest] = []
        self.params: SamplingParams | None = None
        self.num_answered = 0
        self.num_calls = 0
        self.num_starts = 0
        self.num_stops = 0
        self.aborted = False
        self._handler = handler
        self._block_size = block_size
        self._order = order
        self._texts_only = texts_only

    def start(self) -> None:
        """Count the call."""
        self.num_starts += 1

    def stop(self) -> None:
        """Count the call."""
        self.num_stops += 1

    def count_tokens(self, text: str) -> int:
        """The number of characters."""
        return len(text)

    def complete(self, requests: Sequence[CompletionRequest], params: SamplingParams) -> Iterator[CompletionBlock]:
        """Answer the requests in blocks.

        Args:
            requests: What to complete.
            params: Stored for the test to look at.

        Yields:
            The answers.
        """
        self.num_calls += 1
        self.params = params
        self.requests.extend(requests)
        ordered = self._order(requests) if self._order is not None else requests
        try:
            for start in range(0, len(ordered), self._block_size):
                rows = [row for request in ordered[start : start + self._block_size] for row in self._answer(request)]
                if rows:
                    self.num_answered += len(rows)
                    yield self._block(rows)
        except GeneratorExit:
            self.aborted = True
            raise

    def _answer(self, request: CompletionRequest) -> list[_Row]:
        answer = self._handler(request)
        if answer is None:
            return []
        if isinstance(answer, str):
            answer = Reply(text=answer)
        elif not isinstance(answer, Reply):
            answer = Reply(ids=answer)
        ids = [ord(character) for character in answer.text or ""] if answer.ids is None else list(answer.ids)
        name = request.request_id if answer.request_id is None else answer.request_id
        return [_Row(request_id=name, ids=ids, finish_reason=answer.finish_reason)]

    def _block(self, rows: Sequence[_Row]) -> CompletionBlock:
        lengths = np.asarray([len(row.ids) for row in rows], dtype=np.int32)
        ids = np.zeros((len(rows), int(lengths.max())), dtype=np.int32)
        for index, row in enumerate(rows):
            ids[index, : len(row.ids)] = row.ids
        return CompletionBlock(
            request_ids=np.asarray([row.request_id for row in rows], dtype=np.int64),
            lengths=lengths,
            finish_reasons=tuple(row.finish_reason for row in rows),
            ids=None if self._texts_only else ids,
            texts=tuple(_decode(row.ids) for row in rows) if self._texts_only else None,
            decode=None if self._texts_only else _decode,
        )
