"""One generation of time series: a batch of groups, requested together and refilled as they finish."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from attrs import define, field

from rowsmith.generation.batches.accounting import Accounting, BatchFinished
from rowsmith.generation.batches.batch import Batch
from rowsmith.generation.journal import GenerationJournal, JournalEntry
from rowsmith.generation.loop import replay_journal
from rowsmith.generation.status import GenerationStatus
from rowsmith.generation.stopping import Stop
from rowsmith.interruption import StopRequest
from rowsmith.randomness.draws import Draws
from rowsmith_backends.timeseries.completion import SeriesCompleter
from rowsmith_backends.timeseries.continuation import Continuation
from rowsmith_backends.timeseries.group import SeriesGroup
from rowsmith_backends.timeseries.journal import completions_of, write_group
from rowsmith_backends.timeseries.state import GroupProcessingResult

__all__ = ["SeriesJob"]

_BATCH = 100
"""Prompts of one group after which they are counted, reported and released."""

_SURE = 20
"""Prompts in a row to which a model answers with the end of the series before it is believed."""

_logger = logging.getLogger(__name__)


@define(kw_only=True, eq=False)
class SeriesJob:
    """What one ``generate`` does.

    Attributes:
        completer: Requests completions from the engine and reads them.
        groups: The series to write, in order.
        account: The sums over their batches, and the status of the job.
        choices: Seed of the choice among several completions.
        most_groups: Groups that are in progress at once.
        patience: Bad batches in a row after which a group fails.
        threshold: The share of invalid records that makes a batch bad.
        journal: Where finished groups are written and resumed from; None for no journal.
        stop: Whether the run is requested to end.
        check: Raises when the job is to end.
        batch_finished: Called after each batch of completions.
        progressed: Called after each round.
    """

    completer: SeriesCompleter
    groups: Sequence[SeriesGroup]
    account: Accounting
    choices: int
    most_groups: int
    patience: int
    threshold: float
    journal: GenerationJournal | None = None
    stop: StopRequest = field(factory=StopRequest)
    check: Callable[[], None] = lambda: None
    batch_finished: Callable[[BatchFinished], None] | None = None
    progressed: Callable[[], None] = lambda: None
    _empty_batches: int = field(init=False, default=0)

    @property
    def num_records(self) -> int:
        """Records of all groups so far, those that failed left out."""
        return sum(len(group.records) for group in self.groups if not group.state.failed)

    @property
    def all_groups_succeeded(self) -> bool:
        """Whether every group has reached its stop."""
        return all(group.state.completed for group in self.groups)

    def run(self) -> None:
        """Write all groups, or as many as can be.

        Raises:
            GenerationError: The engine answered what it was not asked, or left something out.
            RunDirectoryError: The journal cannot be written.
            Exception: Whatever engine, processor or policy raise.
        """
        try:
            with self.account.running():
                self._write()
        finally:
            if self._going:
                self._end()
            self._log_status()

    @property
    def _going(self) -> bool:
        return self.account.status is GenerationStatus.IN_PROGRESS

    def _end(self) -> None:
        """The status of a job whose groups are all finished."""
        if self.all_groups_succeeded:
            self.account.status = GenerationStatus.COMPLETE
        elif not any(group.state.total_valid_records for group in self.groups):
            self.account.end(self._no_records())
        else:
            self.account.interrupt(self._failures())

    def _no_records(self) -> Stop:
        reason = f"none of {self.account.num_prompts} completions held a valid record; train longer"
        return Stop(GenerationStatus.STOP_NO_RECORDS, reason)

    def _write(self) -> None:
        replay_journal(self.journal, self.completer.engine, self._replay_entry, stop=self.stop, check=self.check)
        pending = deque(group for group in self.groups if not group.finished)
        active: list[SeriesGroup] = []
        while (pending or active) and self._going:
            self.check()
            active += [pending.popleft() for _ in range(min(len(pending), self.most_groups - len(active)))]
            continuations = self.completer.complete_groups(active)
            with self.stop.awaited():
                for group in active:
                    self._go_on(group, continuations[group.number])
                active = [group for group in active if not group.finished]
                _logger.debug(
                    "round: %d records of %d groups, %d completed, %d failed, %d active, %d pending",
                    self.num_records,
                    len(self.groups),
                    sum(group.state.completed for group in self.groups),
                    sum(group.state.failed for group in self.groups),
                    len(active),
                    len(pending),
                )
                self.progressed()

    def _go_on(self, group: SeriesGroup, continuations: Sequence[Continuation]) -> None:
        """Add a group's answers to it, and see what they mean for the job."""
        for batch in self._process(group, continuations):
            self._count(group, batch)
            self._apply_policy(batch)
            batch.release()
        if group.finished and self.journal is not None:
            write_group(self.journal, group, self.account.elapsed_seconds)

    def _process(self, group: SeriesGroup, continuations: Sequence[Continuation]) -> list[Batch]:
        """Add a group's answers to it; the batch that ends with them, if one does."""
        result = self._process_group_result(group, continuations)
        group.state.completed = result is GroupProcessingResult.COMPLETED
        group.state.failed = result is GroupProcessingResult.FAILED
        batch = group.batch
        if batch is None or not (group.finished or batch.num_prompts >= _BATCH):
            return []
        group.batch = None
        return [batch]

    def _process_group_result(self, group: SeriesGroup, continuations: Sequence[Continuation]) -> GroupProcessingResult:
        going = [continuation for continuation in continuations if continuation.records or continuation.reached]
        # Any that goes on is as good as another: to prefer the longer ones would favour what is easy to write.
        draw = Draws(self.choices, np.array([group.number])).integers(group.num_prompts, max(1, len(going)))[0]
        group.num_prompts += 1
        counted = [going[draw]] if going else continuations
        valid, invalid = (sum(getattr(each, name) for each in counted) for name in ("valid", "invalid"))
        group.state.total_invalid_records += invalid
        if going:
            group.extend(going[draw].records, self.completer.windows)
            if going[draw].reached:
                return GroupProcessingResult.COMPLETED
        early = not going and any(continuation.ended for continuation in continuations)
        group.early_ends = group.early_ends + 1 if early else 0
        if group.early_ends >= _SURE:
            return GroupProcessingResult.COMPLETED
        bad = not (going or early) or invalid / max(1, valid + invalid) >= self.threshold
        group.state.low_valid_fraction_count = group.state.low_valid_fraction_count + 1 if bad else 0
        if group.state.low_valid_fraction_count >= self.patience:
            group.reason = f"too many invalid records in {self.patience} batches in a row"
            return GroupProcessingResult.FAILED
        if group.runaway:
            group.reason = f"no end in sight after {len(group.records):,} records; {group.span.length:,} were expected"
            return GroupProcessingResult.FAILED
        return GroupProcessingResult.IN_PROGRESS

    def _count(self, group: SeriesGroup, batch: Batch) -> None:
        self._empty_batches = 0 if batch.num_valid_records else self._empty_batches + 1
        self.account.count(batch)
        group.fractions.append(batch.valid_record_fraction)
        self.account.report(
            batch,
            self.batch_finished,
            num_valid_records=self.num_records,
            target_num_records=sum(each.span.length for each in self.groups),
        )
        _log_group(group, batch)

    def _apply_policy(self, batch: Batch) -> None:
        if not self._going or all(group.finished for group in self.groups):
            return
        stop = self.account.policy_decision(batch)
        if stop is None and self._empty_batches >= self.patience and not self.num_records:
            stop = self._no_records()
        if stop is not None:
            self.account.end(stop)

    def _replay_entry(self, entry: JournalEntry) -> bool:
        """Give a group the answers that it had, which are counted if it is finished with them."""
        number, answers = completions_of(entry)
        group = next((each for each in self.groups if each.number == number), None)
        if group is None or group.finished:
            return False
        batches: list[Batch] = []
        while not group.finished:
            continuations = self.completer.replay(group, answers)
            if continuations is None:
                group.reset()
                return False
            batches += self._process(group, continuations)
        self.account.continue_from(entry.elapsed_seconds)
        for batch in batches:
            self._count(group, batch)
            batch.release()
        group.completions = []
        return True

    def _log_status(self) -> None:
        _logger.info(
            "generation %s: %d of %d groups completed, %d records, %d invalid, %d prompts in %d batches%s",
            self.account.status.value.replace("_", " "),
            sum(group.state.completed for group in self.groups),
            len(self.groups),
            self.num_records,
            self.account.num_invalid_records,
            self.account.num_prompts,
            self.account.num_batches,
            f"; {self.account.stop_reason}" if self.account.stop_reason else "",
        )

    def _failures(self) -> str:
        failed = [group.state.group_id for group in self.groups if group.state.failed]
        shown = ", ".join(failed[:5]) + (", ..." if len(failed) > 5 else "")
        return f"{len(failed):,} of {len(self.groups):,} groups failed: {shown}"


def _log_group(group: SeriesGroup, batch: Batch) -> None:
    """Log how far a group is and what was wrong with its newest batch, without cell text or its name."""
    status = "completed" if group.state.completed else "failed" if group.state.failed else "in progress"
    _logger.info(
        "group %d %s: %d of %d expected records, %d invalid; its newest batch: %d valid, %d invalid, %s",
        group.number + 1,
        status,
        len(group.records),
        group.state.expected_records,
        group.state.total_invalid_records,
        batch.num_valid_records,
        batch.num_invalid_records,
        batch.error_summary(),
    )
