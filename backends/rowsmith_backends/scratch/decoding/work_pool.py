"""Work that falls apart into smaller work, done by several threads, its results in an order that never varies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Generic, TypeVar

import torch
from attrs import field, frozen

__all__ = ["Done", "walk"]

Work = TypeVar("Work")
Result = TypeVar("Result")


@frozen(kw_only=True)
class Done(Generic[Work, Result]):
    """What became of a piece of work.

    Attributes:
        results: What it gave, in order.
        left: The pieces that the rest of it fell into, in order.
    """

    results: Sequence[Result] = ()
    left: Sequence[Work] = field(default=())


def walk(root: Work, visit: Callable[[Work], Done[Work, Result]], workers: int) -> Iterator[Result]:
    """Do a piece of work and all that it falls into.

    The first piece has the machine to itself, with all the threads that torch takes; those that it falls into are
    done side by side, each with one. Small products gain more from that than from sharing each of them.

    Args:
        root: The first piece.
        visit: Does a piece, in any thread.
        workers: Pieces that are done at the same time.

    Yields:
        The results, those of a piece before those of what it fell into, and in order, whatever was done first.
    """
    done = visit(root)
    yield from done.results
    if workers < 2 or len(done.left) < 2:
        yield from _alone(deque(done.left), visit)
        return
    line: deque[Work | Future[Done[Work, Result]]] = deque(done.left)
    with _single_threaded(workers) as pool:
        while line:
            _start_first(line, visit, pool, workers)
            first = line.popleft()
            assert isinstance(first, Future)
            done = first.result()
            line.extendleft(reversed(done.left))
            # Whoever takes the results may take his time.
            _start_first(line, visit, pool, workers)
            yield from done.results


def _alone(line: deque[Work], visit: Callable[[Work], Done[Work, Result]]) -> Iterator[Result]:
    # Pieces leave the line as they are done, and with them the memory that they hold.
    while line:
        done = visit(line.popleft())
        line.extendleft(reversed(done.left))
        yield from done.results


def _start_first(
    line: deque[Work | Future[Done[Work, Result]]],
    visit: Callable[[Work], Done[Work, Result]],
    pool: ThreadPoolExecutor,
    workers: int,
) -> None:
    """Start the first pieces, as many as there are workers; the others hold memory only once they are started."""
    for place in range(min(workers, len(line))):
        piece = line[place]
        if not isinstance(piece, Future):
            line[place] = pool.submit(visit, piece)


@contextmanager
def _single_threaded(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads in each of which torch computes without others."""
    usual, all_started = torch.get_num_threads(), Barrier(workers + 1)
    with ThreadPoolExecutor(workers, thread_name_prefix="rowsmith-decoding") as pool:
        for _ in range(workers):
            pool.submit(_begin, all_started)
        all_started.wait()
        # The number is each thread's own, but for threads that are yet to begin.
        torch.set_num_threads(usual)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(all_started: Barrier) -> None:
    # A thread takes the usual number when it first asks, whatever was set before.
    torch.get_num_threads()
    torch.set_num_threads(1)
    all_started.wait()
