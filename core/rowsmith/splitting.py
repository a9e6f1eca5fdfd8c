"""Setting rows apart that no model sees: the holdout."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rowsmith.config import DataConfig
from rowsmith.errors import DataError
from rowsmith.seeds import Seeds

__all__ = ["MIN_TRAIN_ROWS", "split_holdout"]

MIN_TRAIN_ROWS = 10


def split_holdout(rows: int, data: DataConfig, seeds: Seeds) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Choose the rows to train on and the rows to keep for evaluation.

    Args:
        rows: Rows of the table.
        data: How many to hold out; a holdout that is a file takes none from the table.
        seeds: Randomness by stage.

    Returns:
        Row numbers of both parts, each in table order.

    Raises:
        DataError: Too few rows are left to train on.
    """
    count = holdout_count(rows, data)
    if rows - count < MIN_TRAIN_ROWS:
        raise DataError(
            f"the table has {rows} rows, {count} of them held out: at least {MIN_TRAIN_ROWS} are needed to learn "
            "from. Give more rows, or lower data.holdout."
        )
    order = seeds.generator("holdout").permutation(rows)
    return np.sort(order[count:]), np.sort(order[:count])


def holdout_count(rows: int, data: DataConfig) -> int:
    """How many rows of the table are held out."""
    if isinstance(data.holdout, str):
        return 0
    if isinstance(data.holdout, int) and data.holdout >= 1:
        return data.holdout
    return min(int(rows * data.holdout), data.max_holdout)
