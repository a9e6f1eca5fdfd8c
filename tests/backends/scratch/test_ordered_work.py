"""Work in several threads, whose results come in the order of one."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rowsmith_backends.scratch.decoding.work_pool import WorkResult, process_in_order

Tree = tuple[int, list["Tree"]]
trees = st.recursive(
    st.tuples(st.integers(0, 2), st.just([])),
    lambda inner: st.tuples(st.integers(0, 2), st.lists(inner, max_size=4)),
    max_leaves=20,
)


def visit(tree: Tree) -> WorkResult[Tree, int]:
    number, remaining = tree
    time.sleep(number / 2_000)
    return WorkResult(results=[number] * number, remaining=remaining)


def in_order(tree: Tree) -> list[int]:
    return [tree[0]] * tree[0] + [number for part in tree[1] for number in in_order(part)]


@given(trees, st.integers(1, 4))
def test_results_come_in_the_order_of_the_work(tree: Tree, workers: int) -> None:
    assert list(process_in_order(tree, visit, workers)) == in_order(tree)


def test_pieces_are_done_side_by_side_each_with_one_thread_of_torch() -> None:
    usual, both, seen = torch.get_num_threads(), threading.Barrier(2, timeout=20), []

    def meet(number: int) -> WorkResult[int, int]:
        if number == 0:
            return WorkResult(remaining=[1, 2])
        both.wait()
        seen.append(torch.get_num_threads())
        return WorkResult(results=[number])

    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    try:
        torch.set_num_threads(3)
        assert list(process_in_order(0, meet, 2)) == [1, 2]
        assert seen == [1, 1]
        assert torch.get_num_threads() == 3
        thread.start()
        thread.join()
        assert later == [3]
    finally:
        torch.set_num_threads(usual)


@pytest.mark.parametrize("workers", [1, 3])
def test_what_a_piece_raises_comes_after_the_results_before_it(workers: int) -> None:
    def fail(number: int) -> WorkResult[int, int]:
        if number == 5:
            raise MemoryError("no room")
        return WorkResult(results=[number], remaining=[] if number else [1, 2, 5, 6, 7, 8])

    found = process_in_order(0, fail, workers)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(MemoryError, match="no room"):
        next(found)


@pytest.mark.parametrize("workers", [1, 3])
def test_who_has_enough_ends_the_work(workers: int) -> None:
    begun: list[int] = []

    def count(number: int) -> WorkResult[int, int]:
        begun.append(number)
        return WorkResult(results=[number], remaining=range(1, 100) if number == 0 else [])

    found = process_in_order(0, count, workers)
    assert [next(found) for _ in range(4)] == [0, 1, 2, 3]
    found.close()
    assert len(begun) <= 4 + workers
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rowsmith-decoding")]
