"""Rows that decide when training ends: neither trained on, nor part of the holdout that judges the result."""

from __future__ import annotations

from attrs import frozen

from rowsmith.config import TrainingConfig
from rowsmith.errors import DataError
from rowsmith.sequences.grouping import Ints
from rowsmith.table.table import Table

__all__ = ["StoppingRows", "stopping_count"]

_ENOUGH_ROWS = 200
_ENOUGH_GROUPS = 20
_MOST_ROWS = 1_000
_LEAST_SHARE = 5
"""At most one in so many rows makes up for a small ``training.validation_ratio``."""
_FEWEST_ROWS = 15
_FEWEST_GROUPS = 4


@frozen(eq=False, kw_only=True)
class StoppingRows:
    """Rows that decide when training ends, beside those to train on.

    Attributes:
        rows: Their numbers in the table as read; int64 ``[rows]``.
        table: The rows, as read.
        trained: The rows to train on, as read.
    """

    rows: Ints
    table: Table
    trained: Table

    @classmethod
    def of(cls, table: Table, trained: Ints, rows: Ints) -> StoppingRows:
        """Both parts of a table.

        Args:
            table: The table as read.
            trained: Numbers of the rows to train on.
            rows: Numbers of the rows that decide.

        Raises:
            DataError: There are none that decide.
        """
        if not len(rows):
            raise DataError(
                "training.stopping needs whole groups that are not trained on, and every group is larger than "
                "training.validation_ratio asks for: raise that, or leave training.stopping at 'loss'."
            )
        return cls(rows=rows, table=table.take(rows), trained=table.take(trained))

    @property
    def note(self) -> str:
        """What the user should know of them."""
        return f"{len(self.rows):,} rows are not trained on either: they decide when training ends"


def stopping_count(rows: int, training: TrainingConfig, groups: int | None = None) -> int:
    """How many rows are to decide when training ends.

    The share of ``training.validation_ratio``, at most 1,000 rows; but at least 200 rows, or about 20 groups, as far
    as these are no more than a fifth of the table: fewer say little.

    Args:
        rows: Rows that are not held out.
        training: The training settings.
        groups: Number of their groups; None for plain tables.

    Raises:
        DataError: There are too few rows or groups.
    """
    if groups is not None and groups < _FEWEST_GROUPS:
        only = "a single group or series" if groups == 1 else f"{groups} groups"
        raise DataError(
            f"training.stopping compares whole groups that are not trained on with new ones, and the table has {only} "
            f"for training; at least {_FEWEST_GROUPS} are needed. Leave training.stopping at 'loss'."
        )
    if rows < _FEWEST_ROWS:
        raise DataError(
            f"training.stopping needs rows that are not trained on, and there are {rows} rows for training; at least "
            f"{_FEWEST_ROWS} are needed. Give more rows, or leave training.stopping at 'loss'."
        )
    enough = _ENOUGH_ROWS if groups is None else max(_ENOUGH_ROWS, _ENOUGH_GROUPS * rows // groups)
    return max(min(int(rows * training.validation_ratio), _MOST_ROWS), min(enough, rows // _LEAST_SHARE), 1)
