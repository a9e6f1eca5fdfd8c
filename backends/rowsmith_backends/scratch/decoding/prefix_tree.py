"""Rows that are being decoded, as the leaves of a tree: those that have begun with the same tokens share a node.

A node is computed once, whatever the number of its rows. A tree of more nodes than one step of the model should
take is cut between nodes, into parts that know nothing of each other.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import define, evolve

__all__ = ["Tree"]

_WORTH_SHARING = 0.5


@define(eq=False)
class Tree:
    """Rows that go on, and the nodes that they share.

    Attributes:
        position: Tokens drawn so far.
        memory: What the model keeps of earlier tokens.
        shared: Whether trees that were cut from the same one have the same memory; until they read on.
        slots: ``[nodes]`` where in the memory the past of each node is; None where each has its own, in order.
        inputs: ``[nodes, tokens]`` ids that the model has not read.
        states: ``[nodes]`` automaton states.
        records: ``[nodes]`` whole records so far.
        group_positions: ``[nodes, tracks]`` the position state of each group; no tracks where records stand alone.
        rows: ``[rows]`` row numbers, in the order of their nodes.
        nodes: ``[rows]`` the node of each row, ascending.
    """

    position: int
    memory: Any
    shared: bool
    slots: npt.NDArray[np.int64] | None
    inputs: npt.NDArray[np.int64]
    states: npt.NDArray[np.int32]
    records: npt.NDArray[np.int64]
    group_positions: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]
    nodes: npt.NDArray[np.int64]

    def cut(self, most: int) -> list[Tree]:
        """The tree in parts of at most so many rows, or of one node.

        As no step of a part then takes more nodes than that, hardly a part is cut again, and the memory of the whole
        tree is kept once, not at every depth.
        """
        count, rows = len(self.states), len(self.rows)
        share = -(-rows // -(-rows // most))
        first = np.searchsorted(self.nodes, np.arange(count + 1))
        bounds = [0]
        while bounds[-1] < count:
            full = int(np.searchsorted(first, first[bounds[-1]] + share, side="right")) - 1
            bounds.append(max(full, bounds[-1] + 1))
        return [self._part(start, stop) for start, stop in pairwise(bounds)]

    def _part(self, start: int, stop: int) -> Tree:
        first, last = np.searchsorted(self.nodes, [start, stop])
        return evolve(
            self,
            shared=True,
            slots=np.arange(start, stop) if self.slots is None else self.slots[start:stop],
            inputs=self.inputs[start:stop],
            states=self.states[start:stop],
            records=self.records[start:stop],
            group_positions=self.group_positions[start:stop],
            rows=self.rows[first:last],
            nodes=self.nodes[first:last] - start,
        )

    def branched(self, tokens: npt.NDArray[np.int64]) -> tuple[Tree, npt.NDArray[np.int64]]:
        """The tree with a node for each distinct token after each node, and the tokens of these.

        Args:
            tokens: ``[rows]`` the next token of each row.
        """
        if len(self.states) == len(self.rows):
            return self, tokens
        order, fresh = _distinct(self.nodes * (tokens.max() + 1) + tokens)
        parents = self.nodes[order][fresh]
        tree = evolve(
            self,
            slots=parents if self.slots is None else self.slots[parents],
            states=self.states[parents],
            records=self.records[parents],
            group_positions=self.group_positions[parents],
            rows=self.rows[order],
            nodes=np.cumsum(fresh) - 1,
        )
        return tree, tokens[order][fresh]

    def without(self, ended: npt.NDArray[np.bool_]) -> Tree:
        """The tree without some nodes: ``[nodes]``."""
        if not ended.any():
            return self
        alive = ~ended
        rows = alive[self.nodes]
        return evolve(
            self,
            slots=np.flatnonzero(alive) if self.slots is None else self.slots[alive],
            inputs=self.inputs[alive],
            states=self.states[alive],
            records=self.records[alive],
            group_positions=self.group_positions[alive],
            rows=self.rows[rows],
            nodes=(np.cumsum(alive) - 1)[self.nodes[rows]],
        )


def _distinct(keys: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """An order that brings equal keys together, and where in it another key begins.

    Once most keys differ, each is taken for a key of its own: what little could be shared is not worth
    copying the memory of all nodes at every further token.
    """
    order = np.argsort(keys, kind="stable")
    fresh = np.diff(keys[order], prepend=-1) != 0
    return order, fresh if fresh.mean() < _WORTH_SHARING else np.ones(len(keys), dtype=np.bool_)
