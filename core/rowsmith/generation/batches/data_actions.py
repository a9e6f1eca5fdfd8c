"""Batches on their way through data actions and into one table, as frames or as columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from rowsmith.generation.actions import (
    REJECT_REASON,
    Accepted,
    ActionOutcome,
    ColumnActions,
    DataActionsFn,
    describe,
    rejected_record_to_error,
    run_actions,
)
from rowsmith.generation.batches.batch import Batch
from rowsmith.generation.batches.groups import owners
from rowsmith.generation.batches.rows import RowStore, check_columns, joined

__all__ = ["apply_actions", "check_batch", "join_columns"]


def check_batch(batch: Batch, names: Sequence[str]) -> None:
    """Refuse the rows of a processor that lack a column of the output.

    Raises:
        PluginContractError: Columns are missing.
    """
    frame = batch.to_dataframe()
    if frame is not None:
        check_columns(list(frame.columns), names, "the processor")


def join_columns(batches: Sequence[Batch], store: RowStore, most: int | None) -> pa.Table | None:
    """The rows of batches as one spelled table, once data actions were applied to them.

    Args:
        batches: The batches, in order.
        store: Holds the rows of released batches.
        most: Most rows; None for all.

    Returns:
        The table; None when there are no rows, or when data actions gave some of them as a frame.
    """
    found = [batch for batch in batches if batch.num_valid_records]
    if not found or not all(batch.actions_applied and batch.by_columns for batch in found):
        return None
    num_stored = sum(batch.store is store for batch in found)
    if all(batch.store is store for batch in found[:num_stored]):
        table = joined([*store.tables(), *(batch.columns() for batch in found[num_stored:])])
    else:
        table = joined([batch.columns() for batch in found])
    return table if most is None else table.slice(0, most)


def apply_actions(batch: Batch, actions: DataActionsFn, accepted: Accepted, first_id: int, names: Sequence[str]) -> int:
    """Apply data actions to the valid records of a batch; the batch has their rows from then on.

    Args:
        batch: The batch; it stays as it is without valid records, or if actions were applied to it before.
        actions: The data actions.
        accepted: Rows accepted before.
        first_id: Record id of the first record; ids count up from it.
        names: Columns that the rows must have.

    Returns:
        How many record ids were used.

    Raises:
        PluginContractError: The data actions break their contract, or rows lack a column.
    """
    if batch.actions_applied:
        return 0
    if isinstance(actions, ColumnActions):
        columns = batch.columns()
        if columns is not None:
            return _apply_to_columns(batch, columns, actions, first_id, names)
    frame = batch.to_dataframe()
    if frame is None:
        return 0
    outcome = run_actions(actions, frame, accepted, first_id, grouped=batch.grouped)
    if not outcome.valid.empty:
        check_columns(list(outcome.valid.columns), names, f"data action {describe(actions)}")
    batch.replace_rows(_regrouped(batch, outcome), outcome.rejected)
    return len(frame)


def _regrouped(batch: Batch, outcome: ActionOutcome) -> pd.DataFrame:
    """The accepted rows, those of a group adjacent whatever order the data actions gave them in."""
    if not batch.grouped:
        return outcome.valid
    groups = owners(batch.group_sizes, outcome.retained)
    return outcome.valid.iloc[np.argsort(groups, kind="stable")].reset_index(drop=True)


def _apply_to_columns(
    batch: Batch, columns: pa.Table, actions: ColumnActions, first_id: int, names: Sequence[str]
) -> int:
    count: int = columns.num_rows
    outcome = actions.on_columns(columns, np.arange(first_id, first_id + count, dtype=np.int64))
    if outcome.valid.num_rows:
        check_columns(outcome.valid.column_names, names, f"data action {describe(actions)}")
    errors = {row: rejected_record_to_error({REJECT_REASON: reason}) for row, reason in outcome.rejected.items()}
    batch.replace_columns(outcome.valid, actions.to_frame, errors)
    return count
