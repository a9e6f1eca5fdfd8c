"""Where the completions of a batch stand while they are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from attrs import define, frozen

from rowsmith.randomness.draws import Draws
from rowsmith_backends.sampling.decoded import Decoded

__all__ = ["Page", "Rows"]


@define(eq=False)
class Rows:
    """Completions that go on.

    Attributes:
        rows: ``[n]`` their places in the batch.
        cache: What the model keeps of earlier tokens, a row for each.
        seen: ``[n, tokens]`` which tokens are no padding, those to come included; None when none is.
        places: ``[n, 1]`` the position of the next token.
        read: Tokens read so far, padding included.
        steps: Tokens drawn so far.
        matchers: The grammar's state of each; None where it has ended. Empty without a grammar.
        ended: ``[n]`` whether it has ended.
    """

    rows: npt.NDArray[np.int64]
    cache: Any
    seen: torch.Tensor | None
    places: torch.Tensor
    read: int
    matchers: list[Any]
    ended: npt.NDArray[np.bool_]
    steps: int = 0

    def uniforms(self, forced: npt.NDArray[np.int64], draws: Draws) -> npt.NDArray[np.float64]:
        """A number for each row, by its own position.

        Args:
            forced: ``[batch]`` how many ids are forced.
            draws: Uniforms of all rows of the batch.
        """
        counts = forced[self.rows]
        found = np.empty(len(counts), dtype=np.float64)
        for count in np.unique(counts).tolist():
            here = counts == count
            found[here] = draws.take(self.rows[here]).uniform(count + self.steps)
        return found

    def spread(self, owners: npt.NDArray[np.int64], starts: Sequence[Any]) -> None:
        """Give each row a memory and a state of its own.

        Args:
            owners: ``[n]`` the start of each.
            starts: The grammar's state at each start; empty without a grammar.
        """
        self._select(owners)
        pairs = zip(owners.tolist(), self.ended, strict=True)
        self.matchers = [None if over else starts[owner].deep_copy() for owner, over in pairs] if starts else []

    def compact(self) -> None:
        """Leave out the rows that have ended."""
        keep = np.flatnonzero(~self.ended)
        self._select(keep)
        self.rows, self.ended = self.rows[keep], self.ended[keep]
        self.matchers = [self.matchers[row] for row in keep] if self.matchers else []

    def _select(self, kept: npt.NDArray[np.int64]) -> None:
        if len(kept) == len(self.places) and (kept == np.arange(len(kept))).all():
            return
        indices = torch.from_numpy(kept).to(self.places.device)
        self.cache.batch_select_indices(indices)
        self.places = self.places[indices]
        self.seen = None if self.seen is None else self.seen[indices]


@frozen(kw_only=True, eq=False)
class Page:
    """What was written so far.

    Attributes:
        ids: ``[batch, tokens]`` int32, as for ``Decoded``.
        lengths: ``[batch]`` int32.
        finished: ``[batch]`` whether the end came before the limit.
        records: ``[batch]`` whole records, where there is no grammar to count them.
    """

    ids: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    finished: npt.NDArray[np.bool_]
    records: npt.NDArray[np.int64]

    def newest(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The latest token of some rows."""
        found: npt.NDArray[np.int64] = self.ids[rows, self.lengths[rows] - 1].astype(np.int64)
        return found

    def completions(self, rows: npt.NDArray[np.int64]) -> Decoded:
        """What some rows hold, at least one of them."""
        longest = int(self.lengths[rows].max())
        return Decoded(
            rows=rows, ids=self.ids[rows, :longest], lengths=self.lengths[rows], finished=self.finished[rows]
        )
