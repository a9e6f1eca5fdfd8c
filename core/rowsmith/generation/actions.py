"""What happens to the rows of a batch after parsing: inverse transforms, then the user's constraints.

A data action is ``fn(rows, accepted) -> (valid, rejected)``. Rows carry a hidden column that names
each record; whatever comes back is matched by it, so that no row is lost, doubled or made up. A
callable of one argument gets an ordinary frame and returns the rows to retain, changed as it likes:
they are matched by their index, or in order if it is a new one. The function gets a frame of its
own: changes to it reach no other code.
"""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from attrs import frozen

from rowsmith.errors import DataError, PluginContractError

if TYPE_CHECKING:
    from rowsmith.table.schema import TableSchema

__all__ = [
    "RECORD_ID",
    "REJECT_REASON",
    "Accepted",
    "ActionOutcome",
    "ColumnActions",
    "ColumnOutcome",
    "DataActionsFn",
    "describe",
    "rejected_record_to_error",
    "run_actions",
]

RECORD_ID = "__rowsmith_record_id__"
"""Hidden column that names each record on its way through data actions."""

REJECT_REASON = "__rowsmith_reject_reason__"
"""Optional column of the rejected rows: why, in words."""

DataActionsFn = Callable[..., Any]
"""``fn(rows, accepted) -> (valid, rejected)``, or ``fn(rows) -> valid``."""


class Accepted:
    """The rows accepted so far, batch by batch, for reading; nothing is copied or joined.

    Args:
        frames: Gives the accepted frames each time it is called.
    """

    def __init__(self, frames: Callable[[], Iterable[pd.DataFrame]]) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return sum(len(frame) for frame in self._frames())

    def __iter__(self) -> Iterator[pd.DataFrame]:
        for frame in self._frames():
            yield frame.copy(deep=False)

    def columns(self, name: str) -> Iterator[pd.Series[Any]]:
        """One column of the accepted rows, a series for each batch.

        Args:
            name: The column.

        Raises:
            KeyError: An accepted frame has no such column.
        """
        for frame in self:
            yield frame[name]


@frozen
class ActionOutcome:
    """What data actions made of a batch.

    Attributes:
        valid: Accepted rows, without hidden columns.
        rejected: The error of each rejected row, by its position in the batch.
        retained: The position in the batch of each accepted row.
    """

    valid: pd.DataFrame
    rejected: dict[int, tuple[str, str]]
    retained: Sequence[int] = ()


@frozen(eq=False)
class ColumnOutcome:
    """What column actions made of a batch.

    Attributes:
        valid: Accepted rows, as a spelled table.
        rejected: Why each rejected row was, by its position in the batch.
    """

    valid: pa.Table
    rejected: dict[int, str]


class ColumnActions(abc.ABC):
    """A data action that also takes spelled tables, so that no frame need be made of a batch.

    Both ways must give the same rows.
    """

    @abc.abstractmethod
    def __call__(self, rows: pd.DataFrame, accepted: Accepted) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The way of every data action, with frames."""

    @abc.abstractmethod
    def on_columns(self, columns: pa.Table, record_ids: npt.NDArray[np.int64]) -> ColumnOutcome:
        """The same with a spelled table.

        Args:
            columns: A row for each record.
            record_ids: The hidden id of each row: int64[n].
        """

    def on_series(
        self, columns: pa.Table, record_ids: npt.NDArray[np.int64], timed: Callable[[pa.Table, TableSchema], pa.Table]
    ) -> ColumnOutcome:
        """The same with records whose times are known.

        Args:
            columns: A row for each record, series after series.
            record_ids: The hidden id of each row: int64[n].
            timed: Puts the times into a table that has the time column as the transforms give it back, given its
                schema.
        """
        return self.on_columns(columns, record_ids)

    @abc.abstractmethod
    def to_frame(self, columns: pa.Table) -> pd.DataFrame:
        """The frame of a spelled table of valid rows."""


def rejected_record_to_error(record: dict[str, Any]) -> tuple[str, str]:
    """The error of a record that data actions rejected.

    Args:
        record: The record; its hidden reason is used where there is one, its cells never are.

    Returns:
        ``(detailed, summary)``, both the same: a reason is used as it is at either level of detail.
    """
    reason = record.get(REJECT_REASON)
    stated = isinstance(reason, str) and reason.strip()
    message = f"Rejected by the data actions: {reason}" if stated else "Rejected by the data actions"
    return message, message


def run_actions(
    fn: DataActionsFn, frame: pd.DataFrame, accepted: Accepted, first_id: int = 0, *, grouped: bool = False
) -> ActionOutcome:
    """Apply a data action to the valid rows of a batch, and check what it returns.

    Args:
        fn: The data action.
        frame: The rows; left as they are.
        accepted: Rows accepted before.
        first_id: Record id of the first row; ids count up from it.
        grouped: Whether rows belong together, so that it must be known which of them were left out.

    Returns:
        The accepted rows, and the errors of the rejected ones.

    Raises:
        PluginContractError: The answer is no frame or pair of frames, lacks the hidden column, holds
            an id twice or one that is unknown, or leaves an id out; or an action of one argument returns more rows
            than it was given, or of grouped rows fewer with a new index.
        DataError: A column of the table has the name of the hidden one.
    """
    if RECORD_ID in frame.columns:
        raise DataError(f"the column name {RECORD_ID!r} is reserved; give that column of the table another name")
    rows = frame.reset_index(drop=True)
    if _takes_accepted(fn):
        rows[RECORD_ID] = np.arange(first_id, first_id + len(frame), dtype=np.int64)
        locate = partial(_positions, fn, first_id, len(frame))
        valid, rejected = _as_pair(fn, fn(rows, accepted))
    else:
        locate = partial(_index_positions, fn, frame, grouped)
        valid, rejected = _as_pair(fn, fn(rows))
    retained = locate("valid", valid)
    errors = _errors(fn, rejected, retained, locate, len(frame))
    hidden = [name for name in (RECORD_ID, REJECT_REASON) if name in valid.columns]
    return ActionOutcome(valid.drop(columns=hidden).reset_index(drop=True), errors, retained)


def _takes_accepted(fn: DataActionsFn) -> bool:
    """Whether a data action takes two arguments; one with a default counts only when it is named ``accepted``."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        return True
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return True
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) > 1 and (
        positional[1].default is inspect.Parameter.empty or positional[1].name == "accepted"
    )


def describe(fn: DataActionsFn) -> str:
    """The full name of a data action, for messages."""
    module = getattr(fn, "__module__", None) or type(fn).__module__
    return f"{module}.{getattr(fn, '__qualname__', type(fn).__qualname__)}"


def _breach(fn: DataActionsFn, what: str) -> PluginContractError:
    return PluginContractError(f"data action {describe(fn)} {what}")


def _as_pair(fn: DataActionsFn, answer: Any) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    if isinstance(answer, pd.DataFrame):
        return answer, None
    valid, rejected = answer if isinstance(answer, tuple) and len(answer) == 2 else (None, None)
    if not isinstance(valid, pd.DataFrame) or not isinstance(rejected, pd.DataFrame):
        raise _breach(
            fn, f"returned {type(answer).__name__}; it must return the valid rows, or (valid, rejected) frames"
        )
    return valid, rejected


def _positions(fn: DataActionsFn, first_id: int, size: int, part: str, frame: pd.DataFrame) -> Sequence[int]:
    """Positions in the batch of the rows of a returned frame."""
    if not len(frame):
        return []
    if RECORD_ID not in frame.columns:
        raise _breach(fn, f"returned {part} rows without the hidden column {RECORD_ID!r}; rows must keep it")
    positions = [_position(cell, first_id, size) for cell in frame[RECORD_ID].tolist()]
    unknown = positions.count(-1)
    if unknown:
        raise _breach(fn, f"returned {unknown} {part} rows whose record id is not of this batch; it cannot add rows")
    if len(set(positions)) < len(positions):
        raise _breach(
            fn, f"returned {len(positions) - len(set(positions))} record ids more than once among the {part} rows"
        )
    return positions


def _index_positions(
    fn: DataActionsFn, given: pd.DataFrame, grouped: bool, part: str, frame: pd.DataFrame
) -> Sequence[int]:
    """Positions of the rows of a frame without the hidden column: by its index, or in order if that is a new one."""
    count, size = len(frame), len(given)
    if count > size:
        raise _breach(fn, f"returned {count} {part} rows for {size}; it cannot add rows")
    labels = frame.index.tolist()
    known = all(type(label) is int and 0 <= label < size for label in labels)
    if known and len(set(labels)) < count:
        raise _breach(fn, f"returned {count - len(set(labels))} rows more than once among the {part} rows")
    in_order = list(range(count))
    unclear = not known or (labels == in_order and not _same_cells(frame, given.head(count)))
    if grouped and count < size and unclear:
        raise _breach(
            fn,
            f"returned {count} of {size} rows with a new index, which does not show which groups lost rows; keep the "
            f"index, or take a second argument, accepted, and keep the column {RECORD_ID!r}",
        )
    return labels if known else in_order


def _same_cells(frame: pd.DataFrame, given: pd.DataFrame) -> bool:
    shared = [name for name in frame.columns if name in given.columns]
    return bool(shared) and frame[shared].reset_index(drop=True).equals(given[shared].reset_index(drop=True))


def _position(cell: Any, first_id: int, size: int) -> int:
    known = isinstance(cell, int | float) and cell == cell and first_id <= cell < first_id + size and cell == int(cell)
    return int(cell) - first_id if known else -1


def _errors(
    fn: DataActionsFn,
    rejected: pd.DataFrame | None,
    retained: Sequence[int],
    locate: Callable[[str, pd.DataFrame], Sequence[int]],
    size: int,
) -> dict[int, tuple[str, str]]:
    left = set(range(size)).difference(retained)
    if rejected is None:
        return {position: rejected_record_to_error({}) for position in sorted(left)}
    positions = locate("rejected", rejected)
    both = len(set(positions)) - len(left.intersection(positions))
    if both:
        raise _breach(fn, f"returned {both} records both as valid and as rejected")
    lost = len(left) - len(positions)
    if lost:
        raise _breach(fn, f"lost {lost} of {size} records: each must come back as valid or as rejected")
    reasons = rejected[REJECT_REASON].tolist() if REJECT_REASON in rejected.columns else [None] * len(positions)
    pairs = sorted(zip(positions, reasons, strict=True), key=lambda pair: pair[0])
    return {position: rejected_record_to_error({REJECT_REASON: reason}) for position, reason in pairs}
