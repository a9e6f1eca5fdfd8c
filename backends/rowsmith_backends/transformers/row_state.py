"""State of the rows of a batch during decoding: unfinished rows, and the buffer of completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from attrs import define, frozen

from rowsmith.randomness.draws import Draws
from rowsmith_backends.sampling.decoded import Decoded

__all__ = ["ActiveRows", "CompletionBuffer"]


@define(eq=False)
class ActiveRows:
    """Unfinished rows of a batch.

    Attributes:
        rows: ``[n]`` indices of the rows in the batch.
        cache: KV cache, one entry for each row.
        attention_mask: ``[n, tokens]`` attention mask, tokens to come included; None if nothing is padded.
        position_ids: ``[n, 1]`` position of the next token.
        num_processed: Tokens processed so far, padding included.
        steps: Tokens drawn so far.
        matchers: Grammar state of each row; None for a finished one. Empty without a grammar.
        finished: ``[n]`` whether a row is finished.
    """

    rows: npt.NDArray[np.int64]
    cache: Any
    attention_mask: torch.Tensor | None
    position_ids: torch.Tensor
    num_processed: int
    matchers: list[Any]
    finished: npt.NDArray[np.bool_]
    steps: int = 0

    def uniforms(self, forced: npt.NDArray[np.int64], draws: Draws) -> npt.NDArray[np.float64]:
        """A uniform for each row, keyed by its position.

        Args:
            forced: ``[batch]`` number of forced ids.
            draws: Uniforms of all rows of the batch.

        Returns:
            ``[n]`` float64 in [0, 1).
        """
        counts = forced[self.rows]
        uniforms = np.empty(len(counts), dtype=np.float64)
        for count in np.unique(counts).tolist():
            has_count = counts == count
            uniforms[has_count] = draws.take(self.rows[has_count]).uniform(count + self.steps)
        return uniforms

    def replicate(self, owners: npt.NDArray[np.int64], starts: Sequence[Any]) -> None:
        """Replicate KV cache and grammar state from the starts to the rows.

        Args:
            owners: ``[n]`` the start of each row.
            starts: Grammar state of each start; empty without a grammar.
        """
        self._select(owners)
        pairs = zip(owners.tolist(), self.finished, strict=True)
        self.matchers = (
            [None if is_finished else starts[owner].deep_copy() for owner, is_finished in pairs] if starts else []
        )

    def compact(self) -> None:
        """Drop finished rows."""
        remaining = np.flatnonzero(~self.finished)
        self._select(remaining)
        self.rows, self.finished = self.rows[remaining], self.finished[remaining]
        self.matchers = [self.matchers[row] for row in remaining] if self.matchers else []

    def _select(self, selected: npt.NDArray[np.int64]) -> None:
        if len(selected) == len(self.position_ids) and (selected == np.arange(len(selected))).all():
            return
        indices = torch.from_numpy(selected).to(self.position_ids.device)
        self.cache.batch_select_indices(indices)
        self.position_ids = self.position_ids[indices]
        self.attention_mask = None if self.attention_mask is None else self.attention_mask[indices]


@frozen(kw_only=True, eq=False)
class CompletionBuffer:
    """Token ids of the completions so far.

    Attributes:
        ids: ``[batch, tokens]`` int32, as for ``Decoded``.
        lengths: ``[batch]`` int32 tokens of each row.
        finished: ``[batch]`` whether a row ended before its limit.
        records: ``[batch]`` whole records; counted only without a grammar.
    """

    ids: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    finished: npt.NDArray[np.bool_]
    records: npt.NDArray[np.int64]

    def newest(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The latest token of some rows."""
        tokens: npt.NDArray[np.int64] = self.ids[rows, self.lengths[rows] - 1].astype(np.int64)
        return tokens

    def completions(self, rows: npt.NDArray[np.int64]) -> Decoded:
        """The completions of some rows, at least one."""
        longest = int(self.lengths[rows].max())
        return Decoded(
            rows=rows, ids=self.ids[rows, :longest], lengths=self.lengths[rows], finished=self.finished[rows]
        )
