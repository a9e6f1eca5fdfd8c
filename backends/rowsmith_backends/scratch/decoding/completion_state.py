"""Starts of completions, and the buffer of their token ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith_backends.sampling.decoded import Decoded
from rowsmith_backends.scratch.decoding.prefix_tree import PrefixTree

__all__ = ["CompletionBuffer", "CompletionStart"]


@frozen(kw_only=True)
class CompletionStart:
    """Start of a completion.

    Attributes:
        prompt: Token ids before the completion, whole records included.
        records: The part of the prompt that is records.
        forced: First ids of the completion, given instead of drawn.
    """

    prompt: tuple[int, ...]
    records: tuple[int, ...] = ()
    forced: tuple[int, ...] = ()


@frozen(kw_only=True, eq=False)
class CompletionBuffer:
    """Token ids of the completions of all rows; each part of the tree writes its own rows.

    Attributes:
        ids: ``[rows, tokens]`` int32, right padded.
        lengths: ``[rows]`` int32 tokens of each row.
        finished: ``[rows]`` whether a row has ended.
        prompts: Token ids of the prompts.
        owners: ``[rows]`` the prompt of each row.
        log_weights: ``[rows]`` float64 log of the probability of the allowed values, summed over the conditions so far.
    """

    ids: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    finished: npt.NDArray[np.bool_]
    prompts: list[tuple[int, ...]]
    owners: npt.NDArray[np.int64]
    log_weights: npt.NDArray[np.float64]

    @classmethod
    def empty(
        cls, prefixes: npt.NDArray[np.int64], starts: Sequence[CompletionStart], limit: int, pad: int
    ) -> CompletionBuffer:
        """A buffer that holds the forced ids alone."""
        forced = len(starts[0].forced)
        ids = np.full((len(prefixes), limit), pad, dtype=np.int32)
        ids[:, :forced] = np.array([start.forced for start in starts], dtype=np.int32)[prefixes, :limit]
        return cls(
            ids=ids,
            lengths=np.full(len(prefixes), min(forced, limit), dtype=np.int32),
            finished=np.zeros(len(prefixes), dtype=np.bool_),
            prompts=[start.prompt for start in starts],
            owners=prefixes,
            log_weights=np.zeros(len(prefixes)),
        )

    def histories(self, tree: PrefixTree) -> list[list[int]]:
        """Prompt and completion so far of each prefix of a tree."""
        rows = tree.rows[np.searchsorted(tree.prefixes, np.arange(len(tree.states)))]
        written = self.ids[rows, : tree.position].tolist()
        return [[*self.prompts[self.owners[row]], *ids] for row, ids in zip(rows.tolist(), written, strict=True)]

    def completions(self, rows: npt.NDArray[np.int64]) -> list[Decoded]:
        """The completions of finished rows; an empty list for no rows."""
        if not len(rows):
            return []
        lengths = self.lengths[rows]
        ids = self.ids[rows, : int(lengths.max())]
        return [
            Decoded(
                rows=rows, ids=ids, lengths=lengths, finished=self.finished[rows], log_weights=self.log_weights[rows]
            )
        ]
