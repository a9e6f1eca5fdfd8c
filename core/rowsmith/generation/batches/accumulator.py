"""The batches of one job accumulated: how much is done, how many prompts come next, when to stop.

The accumulator applies one stopping policy and the rules on batches without valid records. It
never throws rows away: whatever ends a job, ``to_dataframe`` holds every valid record so far.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from rowsmith.errors import DataError
from rowsmith.generation.actions import Accepted, ColumnActions, DataActionsFn
from rowsmith.generation.batches import stopping_rules
from rowsmith.generation.batches.accounting import Accounting
from rowsmith.generation.batches.batch import Batch
from rowsmith.generation.batches.data_actions import apply_actions, check_batch, join_columns
from rowsmith.generation.batches.groups import Target
from rowsmith.generation.batches.rows import RowStore, join_frames
from rowsmith.generation.batches.sizing import (
    check_sizes,
    default_batch_size,
    default_budget,
    is_enough,
    next_batch_size,
)
from rowsmith.generation.status import GenerationStatus
from rowsmith.generation.stopping import DEFAULT_PATIENCE, StoppingPolicy

__all__ = ["GenerationBatches"]

_logger = logging.getLogger(__name__)


class GenerationBatches(Accounting):
    """Accumulator that tracks batches during generation.

    Args:
        target_num_records: Valid records wanted; None for no target.
        batches: Batches made before. They count, as they are: data actions and stopping rules are
            not applied to them again.
        max_num_prompts_per_batch: Most prompts in one call to the engine; None means a twentieth of
            the target (in groups where groups are wanted), at least 100 and at most 2000, or 100 without a target.
        invalid_fraction_threshold: With ``patience``, builds the patience policy.
        patience: With ``invalid_fraction_threshold``, builds the patience policy.
        data_actions_fn: Turns each batch's valid rows into accepted and rejected ones.
        policy: When to stop; replaces threshold and patience.
        columns: Columns that the rows must have; checked as soon as there are rows, not only when the table is
            built.
        max_num_prompts: Prompts after which the job ends short of its target; None means 100 for
            each record or group wanted and 20 full batches.
        target_num_groups: Valid groups wanted instead of records; None for no such target.
        grouped: Whether the result has whole groups, as it always has where a number of groups is wanted.
        clock: Seconds, for the elapsed time that policies see.

    For the sums and the status of the job see ``Accounting``.

    Attributes:
        stop_condition: What the policy counts bad batches with; None when it does not.
        batches: The batches so far.
        rows: Holds the rows of batches that are released.

    Raises:
        ParameterError: Threshold without patience or the reverse, or both beside a policy; a
            negative target; a batch size below 1.
    """

    def __init__(
        self,
        target_num_records: int | None = None,
        batches: list[Batch] | None = None,
        max_num_prompts_per_batch: int | None = None,
        invalid_fraction_threshold: float | None = None,
        patience: int | None = None,
        data_actions_fn: DataActionsFn | None = None,
        *,
        policy: StoppingPolicy | None = None,
        columns: Sequence[str] = (),
        max_num_prompts: int | None = None,
        target_num_groups: int | None = None,
        grouped: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_sizes(target_num_records, max_num_prompts_per_batch, max_num_prompts, target_num_groups)
        grouped = grouped or target_num_groups is not None
        chosen = stopping_rules.choose_policy(policy, invalid_fraction_threshold, patience)
        self.stop_condition = chosen.condition if chosen is not None else None
        super().__init__(
            target=Target(num_records=target_num_records, num_groups=target_num_groups, grouped=grouped),
            policy=chosen,
            patience=self.stop_condition.patience if self.stop_condition else DEFAULT_PATIENCE,
            clock=clock,
        )
        self.max_num_prompts_per_batch = max_num_prompts_per_batch or default_batch_size(self.target.wanted)
        self.max_num_prompts = max_num_prompts or default_budget(self.target.wanted, self.max_num_prompts_per_batch)
        self.data_actions_fn = data_actions_fn
        self._columns = tuple(columns)
        self.batches: list[Batch] = []
        self.rows = RowStore()
        self._next_record_id = 0
        for batch in batches or ():
            self.count(batch)

    @property
    def target_num_records(self) -> int | None:
        """Valid records wanted; None for no such target."""
        return self.target.num_records

    @property
    def target_met(self) -> bool:
        """Whether there is a target and as many valid records or groups."""
        return self.target.met(self.num_valid_records, self.num_valid_groups)

    @property
    def finished(self) -> bool:
        """Whether the job needs no further batch."""
        return self.target_met or self.status is not GenerationStatus.IN_PROGRESS

    def count(self, batch: Batch) -> None:
        """See the base class; the batch is one of ``batches`` from now on."""
        super().count(batch)
        self.batches.append(batch)

    def add_batch(self, batch: Batch) -> None:
        """Add a batch and update the status.

        A batch without any valid record ends the job, unless a patient policy is there to judge it;
        even then the very first batch ends it, except when all its completions were cut at their
        longest length and so had no chance of a whole record.

        Args:
            batch: The batch; its data actions are applied here.

        Raises:
            PluginContractError: The data actions break their contract or rows lack a column, and the batch
                is not added; or the policy breaks its contract.
        """
        self._apply_actions(batch)
        first = not self.batches
        self.count(batch)
        if self.finished:
            return
        stop = (
            stopping_rules.stop_without_records(batch, first, self._policy is not None and self._policy.patient)
            or self.policy_decision(batch)
            or stopping_rules.stop_over_budget(self.num_prompts, self.num_valid_records, self.max_num_prompts)
        )
        if stop is not None:
            self.end(stop)

    def get_next_num_prompts(self) -> int:
        """How many prompts the next batch should have; 0 when the target is met.

        Without a target, a full batch. Before the first batch, a small probe. Without a valid record so
        far, a full batch, or the probe again when the newest batch was cut at its longest length
        throughout. Otherwise what is missing, over the records (groups, where those are wanted) that a prompt
        gave so far, and a buffer.
        """
        return next_batch_size(
            self.max_num_prompts_per_batch,
            self.target.wanted,
            self.target.made(self.num_valid_records, self.num_valid_groups),
            self.num_prompts,
            bool(self.batches) and self.batches[-1].fully_length_truncated,
        )

    def would_suffice(self, batch: Batch) -> bool:
        """Whether a batch that is still being read should meet the target once it is added.

        Never so with groups: those that are read first may be the short ones, and the result must not favour them.
        """
        if self.target_num_records is None or self.target.grouped:
            return False
        missing = self.target_num_records - self.num_valid_records
        return is_enough(missing, batch.num_valid_records, self._totals.accepted_share(self.data_actions_fn is None))

    def job_complete(self) -> None:
        """Give the job its final status and log it: a met target is complete whatever else happened."""
        going = self.status is GenerationStatus.IN_PROGRESS
        if self.target_met or (going and self.target_num_records is None):
            self.status, self.stop_reason = GenerationStatus.COMPLETE, None
        elif going:
            self.status = GenerationStatus.INCOMPLETE
        self.log_status()

    def log_status(self) -> None:
        """Log the status of the job; it never raises, so no row is lost for a log line."""
        done = self.status in (GenerationStatus.COMPLETE, GenerationStatus.IN_PROGRESS)
        _logger.log(
            logging.INFO if done else logging.WARNING,
            "generation %s: %d valid %s of %s, %d invalid, %d prompts in %d batches%s",
            self.status.value.replace("_", " "),
            self.target.made(self.num_valid_records, self.num_valid_groups),
            "records" if self.target.num_groups is None else "groups",
            "any number" if self.target.wanted is None else self.target.wanted,
            self.target.made(self.num_invalid_records, self.num_invalid_groups),
            self.num_prompts,
            self.num_batches,
            f"; {self.stop_reason}" if self.stop_reason else "",
        )

    def log_batch(self) -> None:
        """Log progress and the errors of the newest batch, without cell text."""
        batch = self.batches[-1]
        _logger.info(
            "batch %d: %d valid and %d invalid records of %d prompts (%s); %d valid %s of %s so far",
            self.num_batches,
            batch.num_valid_records,
            batch.num_invalid_records,
            batch.num_prompts,
            batch.error_summary(),
            self.target.made(self.num_valid_records, self.num_valid_groups),
            "records" if self.target.num_groups is None else "groups",
            "any number" if self.target.wanted is None else self.target.wanted,
        )

    def num_rows_within(self, max_num_records: int | None) -> int | None:
        """How many rows, from the first, are the result; None for all.

        Args:
            max_num_records: The most rows; None for all. Groups are never cut: the one that reaches this number
                is the last, and where a number of groups is wanted there are never more.
        """
        sizes = [batch.group_sizes for batch in self.batches] if self.target.grouped else []
        return self.target.rows_within(np.concatenate([np.zeros(0, np.int64), *sizes]), max_num_records)

    def to_dataframe(self, columns: list[str], max_num_records: int | None = None) -> pd.DataFrame:
        """The valid records of all batches.

        Args:
            columns: Columns of the output, in order.
            max_num_records: Most rows, see ``num_rows_within``; None for all.

        Returns:
            The rows; no rows with those columns when there are none. Values that no data action has
            typed take the types of the whole column, not of a batch.

        Raises:
            GenerationError: No batch has one of the columns.
        """
        most = self.num_rows_within(max_num_records)
        table = join_columns(self.batches, self.rows, most)
        if table is not None and isinstance(self.data_actions_fn, ColumnActions):
            with contextlib.suppress(DataError):  # types that only fit batch by batch
                return join_frames([self.data_actions_fn.to_frame(table)], columns, most, typed=True)
        return join_frames(self._frames(), columns, most, any(batch.actions_applied for batch in self.batches))

    def _frames(self) -> Iterator[pd.DataFrame]:
        yield from (frame for batch in self.batches if (frame := batch.to_dataframe()) is not None)

    def _apply_actions(self, batch: Batch) -> None:
        if self.data_actions_fn is not None:
            accepted = Accepted(self._frames)
            self._next_record_id += apply_actions(
                batch, self.data_actions_fn, accepted, self._next_record_id, self._columns
            )
        elif not self.num_valid_records:
            check_batch(batch, self._columns)
