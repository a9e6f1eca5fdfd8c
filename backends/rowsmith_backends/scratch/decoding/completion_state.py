"""What completions go on from, and what was written of them so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith_backends.sampling.decoded import Decoded
from rowsmith_backends.scratch.decoding.prefix_tree import Tree

__all__ = ["Beginning", "Page"]


@frozen(kw_only=True)
class Beginning:
    """What a completion goes on from.

    Attributes:
        prompt: The ids before the completion, whole records among them.
        records: Those of them that are records.
        forced: First ids of the completion, given instead of drawn.
    """

    prompt: tuple[int, ...]
    records: tuple[int, ...] = ()
    forced: tuple[int, ...] = ()


@frozen(kw_only=True, eq=False)
class Page:
    """What was written of all rows; each tree writes its own rows.

    Attributes:
        ids: ``[rows, tokens]`` int32, right padded.
        lengths: ``[rows]`` int32.
        finished: ``[rows]`` whether a row has ended.
        prompts: What the rows go on from.
        owners: ``[rows]`` the prompt of each.
    """

    ids: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    finished: npt.NDArray[np.bool_]
    prompts: list[tuple[int, ...]]
    owners: npt.NDArray[np.int64]

    @classmethod
    def blank(cls, nodes: npt.NDArray[np.int64], beginnings: Sequence[Beginning], limit: int, pad: int) -> Page:
        """A page with what is forced and nothing else."""
        forced = len(beginnings[0].forced)
        ids = np.full((len(nodes), limit), pad, dtype=np.int32)
        ids[:, :forced] = np.array([beginning.forced for beginning in beginnings], dtype=np.int32)[nodes, :limit]
        return cls(
            ids=ids,
            lengths=np.full(len(nodes), min(forced, limit), dtype=np.int32),
            finished=np.zeros(len(nodes), dtype=np.bool_),
            prompts=[beginning.prompt for beginning in beginnings],
            owners=nodes,
        )

    def histories(self, tree: Tree) -> list[list[int]]:
        """What was read and written at each node of a tree, by the first of its rows."""
        rows = tree.rows[np.searchsorted(tree.nodes, np.arange(len(tree.states)))]
        written = self.ids[rows, : tree.position].tolist()
        return [[*self.prompts[self.owners[row]], *ids] for row, ids in zip(rows.tolist(), written, strict=True)]

    def completions(self, rows: npt.NDArray[np.int64]) -> list[Decoded]:
        """Rows that nothing is added to any more; none where there are none."""
        if not len(rows):
            return []
        lengths = self.lengths[rows]
        ids = self.ids[rows, : int(lengths.max())]
        return [Decoded(rows=rows, ids=ids, lengths=lengths, finished=self.finished[rows])]
