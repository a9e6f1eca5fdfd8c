"""Prefix tree of rows in decoding: rows that begin with the same tokens share a prefix.

A prefix is computed once for all its rows. A tree of more prefixes than one forward step should take is split into
independent parts.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import define, evolve

__all__ = ["PrefixTree"]

_MAX_DISTINCT_SHARE = 0.5


@define(eq=False)
class PrefixTree:
    """Unfinished rows and the prefixes that they share.

    Attributes:
        position: Tokens drawn so far.
        cache: KV cache of the prefixes.
        shared: Whether the KV cache is shared with other parts of a split tree, until the next forward step.
        cache_indices: ``[prefixes]`` the entry of each prefix in the KV cache; None if they are in order.
        inputs: ``[prefixes, tokens]`` token ids that the model has not processed.
        states: ``[prefixes]`` automaton states.
        records: ``[prefixes]`` whole records so far.
        group_state: ``[prefixes, variables]`` group position states; no variables for independent records.
        rows: ``[rows]`` row numbers, ordered by prefix.
        prefixes: ``[rows]`` the prefix of each row, ascending.
    """

    position: int
    cache: Any
    shared: bool
    cache_indices: npt.NDArray[np.int64] | None
    inputs: npt.NDArray[np.int64]
    states: npt.NDArray[np.int32]
    records: npt.NDArray[np.int64]
    group_state: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]
    prefixes: npt.NDArray[np.int64]

    def split(self, max_rows: int) -> list[PrefixTree]:
        """Split the tree into parts of at most ``max_rows`` rows, or of one prefix.

        A part never has more prefixes than rows, so few parts are split again, and the KV cache of the whole tree is
        held once, not once for each depth.
        """
        count, rows = len(self.states), len(self.rows)
        rows_per_part = -(-rows // -(-rows // max_rows))
        first_row = np.searchsorted(self.prefixes, np.arange(count + 1))
        bounds = [0]
        while bounds[-1] < count:
            full = int(np.searchsorted(first_row, first_row[bounds[-1]] + rows_per_part, side="right")) - 1
            bounds.append(max(full, bounds[-1] + 1))
        return [self._part(start, stop) for start, stop in pairwise(bounds)]

    def _part(self, start: int, stop: int) -> PrefixTree:
        low, high = np.searchsorted(self.prefixes, [start, stop])
        return evolve(
            self,
            shared=True,
            cache_indices=np.arange(start, stop) if self.cache_indices is None else self.cache_indices[start:stop],
            inputs=self.inputs[start:stop],
            states=self.states[start:stop],
            records=self.records[start:stop],
            group_state=self.group_state[start:stop],
            rows=self.rows[low:high],
            prefixes=self.prefixes[low:high] - start,
        )

    def branch(self, tokens: npt.NDArray[np.int64]) -> tuple[PrefixTree, npt.NDArray[np.int64]]:
        """Extend the prefixes by the next token of each row.

        Args:
            tokens: ``[rows]`` the next token of each row.

        Returns:
            The tree with a prefix for each distinct pair of prefix and token, and the last token of each.
        """
        if len(self.states) == len(self.rows):
            return self, tokens
        order, is_new = _distinct(self.prefixes * (tokens.max() + 1) + tokens)
        parents = self.prefixes[order][is_new]
        tree = evolve(
            self,
            cache_indices=parents if self.cache_indices is None else self.cache_indices[parents],
            states=self.states[parents],
            records=self.records[parents],
            group_state=self.group_state[parents],
            rows=self.rows[order],
            prefixes=np.cumsum(is_new) - 1,
        )
        return tree, tokens[order][is_new]

    def without(self, ended: npt.NDArray[np.bool_]) -> PrefixTree:
        """The tree without the prefixes that have ended, ``[prefixes]``."""
        if not ended.any():
            return self
        alive = ~ended
        rows = alive[self.prefixes]
        return evolve(
            self,
            cache_indices=np.flatnonzero(alive) if self.cache_indices is None else self.cache_indices[alive],
            inputs=self.inputs[alive],
            states=self.states[alive],
            records=self.records[alive],
            group_state=self.group_state[alive],
            rows=self.rows[rows],
            prefixes=(np.cumsum(alive) - 1)[self.prefixes[rows]],
        )


def _distinct(keys: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """An order that groups equal keys, and whether each key in it starts a new group.

    If most keys differ, every key gets a group of its own: the little that could be shared is not worth copying the
    KV cache of all prefixes at each further token.
    """
    order = np.argsort(keys, kind="stable")
    is_new = np.diff(keys[order], prepend=-1) != 0
    return order, is_new if is_new.mean() < _MAX_DISTINCT_SHARE else np.ones(len(keys), dtype=np.bool_)
