"""Trees of rows that are cut, grow and lose nodes, beside what each row would tell by itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from rowsmith_backends.scratch.decoding.prefix_tree import Tree

# The node of each row, and whether it has ended, and its next token.
Rows = list[tuple[int, bool, int]]


def _rows() -> st.SearchStrategy[Rows]:
    return st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 4)), min_size=1, max_size=60)


def _tree(nodes: npt.NDArray[np.int64]) -> Tree:
    """A tree whose nodes are known by their states, and whose rows are numbered."""
    nodes = np.unique(nodes, return_inverse=True)[1].astype(np.int64)
    count = int(nodes[-1]) + 1
    return Tree(
        position=0,
        memory=None,
        shared=False,
        slots=None,
        inputs=np.arange(count)[:, None],
        states=np.arange(count, dtype=np.int32),
        records=np.zeros(count, dtype=np.int64),
        group_positions=np.empty((count, 0)),
        rows=np.arange(len(nodes)),
        nodes=nodes,
    )


def _pasts(tree: Tree) -> dict[int, int]:
    """Where in the memory the past of each row lies."""
    slots = np.arange(len(tree.states)) if tree.slots is None else tree.slots
    return dict(zip(tree.rows.tolist(), slots[tree.nodes].tolist(), strict=True))


@given(rows=_rows(), most=st.integers(1, 70))
def test_the_parts_of_a_tree_are_its_rows_none_more_than_a_step_takes_unless_one_node_has_more(rows, most):
    tree = _tree(np.sort([node for node, _, _ in rows]))
    parts = tree.cut(most)
    assert [row for part in parts for row in part.rows.tolist()] == tree.rows.tolist()
    assert {row: past for part in parts for row, past in _pasts(part).items()} == _pasts(tree)
    for part in parts:
        assert part.shared
        assert len(part.rows) <= most or len(part.states) == 1
        assert part.states.tolist() == part.slots.tolist() == part.inputs[:, 0].tolist()
        assert np.unique(part.nodes).tolist() == list(range(len(part.states)))


@given(rows=_rows(), most=st.integers(1, 70))
def test_rows_with_one_past_and_one_token_may_share_a_node_and_no_others_do(rows, most):
    tree = _tree(np.sort([node for node, _, _ in rows]))
    tokens = np.array([token for _, _, token in rows])
    for part in tree.cut(most):
        drawn = tokens[part.rows]
        grown, fresh = part.branched(drawn)
        assert sorted(grown.rows) == sorted(part.rows)
        assert _pasts(grown) == _pasts(part)
        assert fresh[grown.nodes].tolist() == tokens[grown.rows].tolist()
        assert grown.nodes.tolist() == sorted(grown.nodes)
        assert len(grown.states) >= len(set(zip(part.nodes.tolist(), drawn.tolist(), strict=True)))


@given(rows=_rows())
def test_nodes_that_have_ended_take_their_rows_with_them(rows):
    tree = _tree(np.sort([node for node, _, _ in rows]))
    ended = np.array([ended for _, ended, _ in rows] + [False] * len(tree.states))[: len(tree.states)]
    left = tree.without(ended)
    kept = {row: past for row, past in _pasts(tree).items() if not ended[past]}
    assert _pasts(left) == kept
    assert left.states.tolist() == np.flatnonzero(~ended).tolist()
