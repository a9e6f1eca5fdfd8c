"""Retry in smaller portions when an engine runs out of memory."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Generator, Iterator, Sequence

import numpy as np
from attrs import define

from rowsmith.errors import GenerationError
from rowsmith.generation.requests import CompletionBlock, CompletionRequest, SamplingParams
from rowsmith.storage.out_of_memory import is_out_of_memory

__all__ = ["MOST_HALVINGS", "CompleteFn", "RetryingCompleter"]

CompleteFn = Callable[[Sequence[CompletionRequest], SamplingParams], Iterator[CompletionBlock]]
"""Completes requests: the method ``complete`` of an engine, or a replacement of it."""

MOST_HALVINGS = 8
"""How often a job makes its portions smaller before it gives up."""

_logger = logging.getLogger(__name__)


@define
class RetryingCompleter:
    """Requests the completions of one job.

    Draws are keyed by request, so completions do not depend on how requests are portioned.

    Attributes:
        engine_complete: Completes requests.
        portion: The most requests in a call; None for all of them.
        num_halvings: How often the portion was made smaller.
    """

    engine_complete: CompleteFn
    portion: int | None = None
    num_halvings: int = 0

    def complete(self, requests: Sequence[CompletionRequest], params: SamplingParams) -> Generator[CompletionBlock]:
        """Complete requests.

        Args:
            requests: What to complete.
            params: How to draw.

        Yields:
            What the engine yields; closing the iterator aborts what it has not yielded.

        Raises:
            GenerationError: Memory ran out repeatedly.
            Exception: Whatever else the engine raises.
        """
        left = list(requests)
        while left:
            now, failure = left[: self.portion], None
            answered: list[CompletionBlock] = []
            try:
                with _closing(self.engine_complete(now, params)) as blocks:
                    for block in blocks:
                        answered.append(block)
                        yield block
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                failure = error.with_traceback(None)  # whose frames hold the memory
            if failure is None:
                left = left[len(now) :]
            else:
                self._halve(len(now), failure)
                done = {i for block in answered for i in np.asarray(block.request_ids).tolist()}
                left = [request for request in left if request.request_id not in done]

    def _halve(self, size: int, error: Exception) -> None:
        self.num_halvings += 1
        if size == 1 or self.num_halvings > MOST_HALVINGS:
            raise GenerationError(
                f"memory ran out with {size} completions at a time, after {self.num_halvings - 1} smaller attempts: "
                f"{error}. Use a machine or device with more memory, or a smaller model."
            ) from error
        self.portion = size // 2
        _logger.warning("memory ran out with %d completions at a time; going on with %d", size, self.portion)


@contextlib.contextmanager
def _closing(blocks: Iterator[CompletionBlock]) -> Iterator[Iterator[CompletionBlock]]:
    """Abort what the engine has not yielded; failing to do so takes no row back."""
    try:
        yield blocks
    finally:
        close = getattr(blocks, "close", None)
        try:
            if close is not None:
                close()
        except Exception:
            _logger.warning("the engine failed while its remaining completions were aborted", exc_info=True)
