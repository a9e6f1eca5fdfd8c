"""Worker pool for work items that split into smaller ones; results come in a fixed order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Generic, TypeVar

import torch
from attrs import field, frozen

__all__ = ["WorkResult", "process_in_order"]

Work = TypeVar("Work")
Result = TypeVar("Result")


@frozen(kw_only=True)
class WorkResult(Generic[Work, Result]):
    """Outcome of one work item.

    Attributes:
        results: Its results, in order.
        remaining: The items that its remainder was split into, in order.
    """

    results: Sequence[Result] = ()
    remaining: Sequence[Work] = field(default=())


def process_in_order(root: Work, process: Callable[[Work], WorkResult[Work, Result]], workers: int) -> Iterator[Result]:
    """Process a work item and all items that it splits into.

    The first item runs alone, with all threads of torch; the later ones run in parallel, with one thread each. Small
    matrix products gain more from that than from several threads each.

    Args:
        root: The first item.
        process: Processes one item, in any thread.
        workers: Items that are processed in parallel.

    Yields:
        The results in depth-first order, whichever item finishes first.
    """
    result = process(root)
    yield from result.results
    if workers < 2 or len(result.remaining) < 2:
        yield from _process_sequentially(deque(result.remaining), process)
        return
    queue: deque[Work | Future[WorkResult[Work, Result]]] = deque(result.remaining)
    with _single_threaded(workers) as pool:
        while queue:
            _submit_first(queue, process, pool, workers)
            first = queue.popleft()
            assert isinstance(first, Future)
            result = first.result()
            queue.extendleft(reversed(result.remaining))
            # The consumer may be slow, so workers run ahead.
            _submit_first(queue, process, pool, workers)
            yield from result.results


def _process_sequentially(queue: deque[Work], process: Callable[[Work], WorkResult[Work, Result]]) -> Iterator[Result]:
    # Items leave the queue as they finish, which frees their memory.
    while queue:
        result = process(queue.popleft())
        queue.extendleft(reversed(result.remaining))
        yield from result.results


def _submit_first(
    queue: deque[Work | Future[WorkResult[Work, Result]]],
    process: Callable[[Work], WorkResult[Work, Result]],
    pool: ThreadPoolExecutor,
    workers: int,
) -> None:
    """Submit the first items, one for each worker; an item takes memory only once it runs."""
    for index in range(min(workers, len(queue))):
        item = queue[index]
        if not isinstance(item, Future):
            queue[index] = pool.submit(process, item)


@contextmanager
def _single_threaded(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A thread pool in which torch uses one thread per worker."""
    default, all_started = torch.get_num_threads(), Barrier(workers + 1)
    with ThreadPoolExecutor(workers, thread_name_prefix="rowsmith-decoding") as pool:
        for _ in range(workers):
            pool.submit(_start_thread, all_started)
        all_started.wait()
        # The setting is per thread, and is also the default of threads that start later.
        torch.set_num_threads(default)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def _start_thread(all_started: Barrier) -> None:
    # The first query resets a thread to the default number, so query before setting it.
    torch.get_num_threads()
    torch.set_num_threads(1)
    all_started.wait()
