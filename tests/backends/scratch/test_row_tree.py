"""Trees of rows that are cut, grow and lose nodes, beside what each row would tell by itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from rowsmith_backends.scratch.decoding.prefix_tree import PrefixTree

# The node of each row, and whether it has ended, and its next token.
Rows = list[tuple[int, bool, int]]


def _rows() -> st.SearchStrategy[Rows]:
    return st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 4)), min_size=1, max_size=60)


def _tree(prefixes: npt.NDArray[np.int64]) -> PrefixTree:
    """A tree whose nodes are known by their states, and whose rows are numbered."""
    prefixes = np.unique(prefixes, return_inverse=True)[1].astype(np.int64)
    count = int(prefixes[-1]) + 1
    return PrefixTree(
        position=0,
        cache=None,
        shared=False,
        cache_indices=None,
        inputs=np.arange(count)[:, None],
        states=np.arange(count, dtype=np.int32),
        records=np.zeros(count, dtype=np.int64),
        group_state=np.empty((count, 0)),
        rows=np.arange(len(prefixes)),
        prefixes=prefixes,
    )


def _pasts(tree: PrefixTree) -> dict[int, int]:
    """Where in the memory the past of each row lies."""
    cache_indices = np.arange(len(tree.states)) if tree.cache_indices is None else tree.cache_indices
    return dict(zip(tree.rows.tolist(), cache_indices[tree.prefixes].tolist(), strict=True))


@given(rows=_rows(), max_rows=st.integers(1, 70))
def test_the_parts_of_a_tree_are_its_rows_none_more_than_a_step_takes_unless_one_node_has_more(rows, max_rows):
    tree = _tree(np.sort([prefix for prefix, _, _ in rows]))
    parts = tree.split(max_rows)
    assert [row for part in parts for row in part.rows.tolist()] == tree.rows.tolist()
    assert {row: past for part in parts for row, past in _pasts(part).items()} == _pasts(tree)
    for part in parts:
        assert part.shared
        assert len(part.rows) <= max_rows or len(part.states) == 1
        assert part.states.tolist() == part.cache_indices.tolist() == part.inputs[:, 0].tolist()
        assert np.unique(part.prefixes).tolist() == list(range(len(part.states)))


@given(rows=_rows(), max_rows=st.integers(1, 70))
def test_rows_with_one_past_and_one_token_may_share_a_node_and_no_others_do(rows, max_rows):
    tree = _tree(np.sort([prefix for prefix, _, _ in rows]))
    tokens = np.array([token for _, _, token in rows])
    for part in tree.split(max_rows):
        drawn = tokens[part.rows]
        extended, last_tokens = part.branch(drawn)
        assert sorted(extended.rows) == sorted(part.rows)
        assert _pasts(extended) == _pasts(part)
        assert last_tokens[extended.prefixes].tolist() == tokens[extended.rows].tolist()
        assert extended.prefixes.tolist() == sorted(extended.prefixes)
        assert len(extended.states) >= len(set(zip(part.prefixes.tolist(), drawn.tolist(), strict=True)))


@given(rows=_rows())
def test_nodes_that_have_ended_take_their_rows_with_them(rows):
    tree = _tree(np.sort([prefix for prefix, _, _ in rows]))
    ended = np.array([ended for _, ended, _ in rows] + [False] * len(tree.states))[: len(tree.states)]
    left = tree.without(ended)
    kept = {row: past for row, past in _pasts(tree).items() if not ended[past]}
    assert _pasts(left) == kept
    assert left.states.tolist() == np.flatnonzero(~ended).tolist()
