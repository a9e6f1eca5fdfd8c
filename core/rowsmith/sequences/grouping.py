"""Which rows form a group.

A run numbers the groups once, by value, when it sorts its table. All later steps use these numbers:
holdout, transforms and tokenizing keep the order of rows. Records without group columns show their groups themselves,
because the first record of each group has no step.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from rowsmith.errors import DataError
from rowsmith.table.columns import Codes, combine_codes

__all__ = ["Ints", "group_bounds", "group_numbers", "groups_begun_by"]

Ints = npt.NDArray[np.int64]

_MOST_NAMED = 5


def group_numbers(codes: Mapping[str, Codes], rows: int, setting: str) -> Ints:
    """The number of each row's group, counted from 0 by first appearance.

    Args:
        codes: For each column, the code of each row's value, -1 for null. Without columns, all rows are one group.
        rows: Number of rows.
        setting: The setting that names the columns, for messages.

    Returns:
        int64 ``[rows]``.

    Raises:
        DataError: A value is missing.
    """
    for name, each in codes.items():
        _check_present(each, name, setting)
    return combine_codes(codes.values(), rows)


def groups_begun_by(first: npt.NDArray[np.bool_]) -> Ints:
    """The number of each row's group, of rows sorted by group.

    Args:
        first: Which rows are the first of a group, bool ``[rows]``; row 0 is always first.

    Returns:
        int64 ``[rows]``, counted from 0.
    """
    numbers = np.cumsum(first, dtype=np.int64)
    return numbers - numbers[:1]


def group_bounds(groups: Ints) -> tuple[Ints, Ints]:
    """Where each group begins and where it ends, exclusive.

    Args:
        groups: Group numbers of rows sorted by group ``[rows]``.

    Returns:
        Two int64 arrays ``[groups]``.
    """
    starts = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1))
    return starts.astype(np.int64), np.append(starts[1:], len(groups))[: len(starts)].astype(np.int64)


def _check_present(codes: Codes, name: str, setting: str) -> None:
    missing = np.flatnonzero(codes < 0)
    if not len(missing):
        return
    rows = ", ".join(str(row + 1) for row in missing[:_MOST_NAMED])
    more = f" and {len(missing) - _MOST_NAMED:,} more" if len(missing) > _MOST_NAMED else ""
    raise DataError(
        f"column {name!r} has no value in row{'s' if len(missing) > 1 else ''} {rows}{more} (rows count from 1), so "
        f"the group of these rows is unknown. Fill in the values, remove the rows, or name another column "
        f"as {setting}."
    )
