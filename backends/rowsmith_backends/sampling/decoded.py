"""Completions as token ids: the output of every decoder in this process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

__all__ = ["Decoded", "joined"]


@frozen(kw_only=True, eq=False)
class Decoded:
    """Completions of some rows.

    Attributes:
        rows: ``[rows]`` int64 indices of the rows in ``draws``.
        ids: ``[rows, tokens]`` int32, right padded with the pad id.
        lengths: ``[rows]`` int32; EOS is counted.
        finished: ``[rows]`` whether a row ended before its limit of tokens.
        log_weights: ``[rows]`` float64 log of the importance weight of each row under conditions; None without any.
    """

    rows: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    finished: npt.NDArray[np.bool_]
    log_weights: npt.NDArray[np.float64] | None = None


def joined(parts: Sequence[Decoded], rows: npt.NDArray[np.int64], pad: int) -> Decoded:
    """Some rows of several parts.

    Args:
        parts: The parts.
        rows: Indices into the rows of all parts, one after the other.
        pad: The id that fills rows up.

    Returns:
        Those rows, in that order; ``rows`` of the result are these indices.
    """
    longest = max((part.ids.shape[1] for part in parts), default=0)
    ids = np.concatenate(
        [np.pad(part.ids, ((0, 0), (0, longest - part.ids.shape[1])), constant_values=pad) for part in parts]
    )[rows]
    lengths, finished = (
        np.concatenate([getattr(part, name) for part in parts])[rows] for name in ("lengths", "finished")
    )
    return Decoded(rows=rows, ids=ids, lengths=lengths, finished=finished)
