"""Completions as token ids: the output of every decoder in this process."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import frozen

__all__ = ["Decoded"]


@frozen(kw_only=True, eq=False)
class Decoded:
    """Completions of some rows.

    Attributes:
        rows: ``[rows]`` int64 indices of the rows in ``draws``.
        ids: ``[rows, tokens]`` int32, right padded with the pad id.
        lengths: ``[rows]`` int32; EOS is counted.
        finished: ``[rows]`` whether a row ended before its limit of tokens.
    """

    rows: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    finished: npt.NDArray[np.bool_]
