"""An engine that fails on demand, around one that works."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from rowsmith.generation.requests import CompletionBlock, CompletionRequest, Engine, SamplingParams

__all__ = ["FaultyEngine"]


class FaultyEngine(Engine):
    """Passes on the answers of a started engine, and fails on the way.

    Starting and stopping it leaves the inner engine as it is.

    Args:
        engine: A started engine.
        fails_after: Blocks after which a call fails; None for never.
        error: What it fails with.
        most_requests: Calls with more requests run out of memory; None for no such limit.

    Attributes:
        num_calls: Calls of ``complete``.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        fails_after: int | None = None,
        error: Exception | None = None,
        most_requests: int | None = None,
    ) -> None:
        self.capabilities = engine.capabilities
        self.max_num_prompts = engine.max_num_prompts
        self.sampling_options = engine.sampling_options
        self.vocabulary = engine.vocabulary
        self.num_calls = 0
        self._engine = engine
        self._fails_after = fails_after
        self._error = error or RuntimeError("injected")
        self._most_requests = most_requests

    def start(self) -> None:
        """Do nothing: the inner engine is started."""

    def stop(self) -> None:
        """Do nothing."""

    def count_tokens(self, text: str) -> int:
        """As the inner engine counts."""
        return self._engine.count_tokens(text)

    def complete(self, requests: Sequence[CompletionRequest], params: SamplingParams) -> Iterator[CompletionBlock]:
        """Complete requests until it fails."""
        self.num_calls += 1
        if self._most_requests is not None and len(requests) > self._most_requests:
            raise MemoryError("injected")
        if self._fails_after == 0:
            raise self._error
        blocks = self._engine.complete(requests, params)
        with contextlib.closing(blocks):  # type: ignore[type-var]
            for number, block in enumerate(blocks, start=1):
                yield block
                if number == self._fails_after:
                    raise self._error
