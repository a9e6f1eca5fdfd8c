"""One generation of time series: slots of groups, asked together and refilled as they finish."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from attrs import define, field

from rowsmith.generation import rules
from rowsmith.generation.batch import Batch
from rowsmith.generation.counts import Totals
from rowsmith.generation.journal import GenerationJournal
from rowsmith.generation.loop import INTERRUPTED, BatchFinished
from rowsmith.generation.requests import CompletionBlock
from rowsmith.generation.status import GenerationStatus
from rowsmith.generation.stopping import Progress, StoppingPolicy
from rowsmith.interruption import StopRequest
from rowsmith.randomness.draws import Draws
from rowsmith_backends.timeseries.group import SeriesGroup
from rowsmith_backends.timeseries.journal import keep_group, kept_groups
from rowsmith_backends.timeseries.judging import Verdict
from rowsmith_backends.timeseries.reading import SeriesReading
from rowsmith_backends.timeseries.state import GroupProcessingResult

__all__ = ["SeriesJob"]

_BATCH = 100
"""Prompts of one group after which they are counted, told of and let go."""

_SURE = 20
"""Prompts in a row to which a model answers with the end of the series before it is believed."""

_logger = logging.getLogger(__name__)


@define(kw_only=True, eq=False)
class SeriesJob:
    """What one ``generate`` does.

    Attributes:
        reading: Asks the engine and reads its answers.
        groups: The series to write, in order.
        choices: Seed of the choice among several completions.
        most_groups: Groups that are asked about at once.
        patience: Bad batches in a row after which a group fails.
        threshold: The share of invalid records that makes a batch bad.
        policy: When the whole job stops.
        journal: Where finished groups are kept and taken up from; None keeps none.
        stop: Whether the run was asked to end.
        check: Raises when the job is to end.
        batch_finished: Told after each batch of completions.
        progressed: Told after each round.
        clock: Seconds.
        status: How the job ended.
        stop_reason: Why it ended early; None when it did not.
    """

    reading: SeriesReading
    groups: Sequence[SeriesGroup]
    choices: int
    most_groups: int
    patience: int
    threshold: float
    policy: StoppingPolicy | None = None
    journal: GenerationJournal | None = None
    stop: StopRequest = field(factory=StopRequest)
    check: Callable[[], None] = lambda: None
    batch_finished: Callable[[BatchFinished], None] | None = None
    progressed: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    status: GenerationStatus = GenerationStatus.IN_PROGRESS
    stop_reason: str | None = None
    _totals: Totals = field(init=False, factory=Totals)
    _metric: float = field(init=False, default=0.0)
    _empty_batches: int = field(init=False, default=0)
    _num_batches: int = field(init=False, default=0)
    _started: float = field(init=False, default=0.0)
    _reported: float = field(init=False, default=0.0)

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
        self._started = self._reported = self.clock()
        try:
            self._write()
        except KeyboardInterrupt:
            self.status, self.stop_reason = GenerationStatus.INCOMPLETE, INTERRUPTED
        except Exception as error:
            self.status, self.stop_reason = GenerationStatus.INCOMPLETE, f"{type(error).__name__}: {error}"
            raise
        finally:
            if self.status is GenerationStatus.IN_PROGRESS:
                self._end()
            self._log_status()

    def _end(self) -> None:
        """The status of a job whose groups are all finished."""
        if self.all_groups_succeeded:
            self.status = GenerationStatus.COMPLETE
        elif not any(group.state.total_valid_records for group in self.groups):
            self._stop_without_records()
        else:
            self.status, self.stop_reason = GenerationStatus.INCOMPLETE, self._failures()

    def _stop_without_records(self) -> None:
        self.status = GenerationStatus.STOP_NO_RECORDS
        self.stop_reason = f"none of {self._totals.prompts} completions held a valid record; train longer"

    def _write(self) -> None:
        self._take_up()
        pending = deque(group for group in self.groups if not group.finished)
        active: list[SeriesGroup] = []
        while (pending or active) and self.status is GenerationStatus.IN_PROGRESS:
            self.check()
            active += [pending.popleft() for _ in range(min(len(pending), self.most_groups - len(active)))]
            verdicts = self.reading.ask(active)
            with self.stop.awaited():
                for group in active:
                    self._process(group, verdicts[group.number])
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

    def _process(self, group: SeriesGroup, verdicts: Sequence[Verdict], *, again: bool = False) -> None:
        """Take a group's answers over; ``again`` when they were read before, by a job that was cut off."""
        self._settle(group, self._process_group_result(group, verdicts))
        batch = group.batch
        if batch is not None and (group.finished or batch.num_prompts >= _BATCH):
            self._count(group, batch)
            _log_group(group, batch)
            if not again:
                self._ask_policy(batch)
            batch.release()
            group.batch = None
        if group.finished and self.journal is not None and not again:
            keep_group(self.journal, group, self.clock() - self._started)

    def _settle(self, group: SeriesGroup, result: GroupProcessingResult) -> None:
        group.state.completed = result is GroupProcessingResult.COMPLETED
        group.state.failed = result is GroupProcessingResult.FAILED

    def _process_group_result(self, group: SeriesGroup, verdicts: Sequence[Verdict]) -> GroupProcessingResult:
        going = [verdict for verdict in verdicts if verdict.records or verdict.reached]
        # Any that goes on is as good as another: to prefer the longer ones would favour what is easy to write.
        draw = Draws(self.choices, np.array([group.number])).integers(group.asks, max(1, len(going)))[0]
        group.asks += 1
        counted = [going[draw]] if going else verdicts
        valid, invalid = (sum(getattr(each, name) for each in counted) for name in ("valid", "invalid"))
        group.state.total_invalid_records += invalid
        if going:
            group.extend(going[draw].records, self.reading.windows)
            if going[draw].reached:
                return GroupProcessingResult.COMPLETED
        early = not going and any(verdict.ended for verdict in verdicts)
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
        weight = 2.0 / (self.patience + 1) if self._num_batches else 1.0
        self._metric += weight * (batch.stopping_metric - self._metric)
        self._empty_batches = 0 if batch.num_valid_records else self._empty_batches + 1
        self._totals.add(batch)
        group.totals.add(batch)
        group.fractions.append(batch.valid_record_fraction)
        self._num_batches += 1
        self._report(batch)

    def _ask_policy(self, batch: Batch) -> None:
        if self.status is not GenerationStatus.IN_PROGRESS or all(group.finished for group in self.groups):
            return
        stop = rules.ask(self.policy, self._progress(batch))
        if stop is not None:
            self.status, self.stop_reason = stop.status, stop.reason
        elif self._empty_batches >= self.patience and not self.num_records:
            self._stop_without_records()

    def _progress(self, batch: Batch) -> Progress:
        return Progress(
            num_batches=self._num_batches,
            num_prompts=self._totals.prompts,
            num_valid_records=self._totals.valid_records,
            num_invalid_records=self._totals.invalid_records,
            target_num_records=None,
            batch_invalid_fraction=batch.stopping_metric,
            running_stopping_metric=self._metric,
            elapsed_seconds=self.clock() - self._started,
            num_length_truncated_completions=self._totals.truncated,
            batch_length_truncated_completions=batch.num_length_truncated_completions,
        )

    def _report(self, batch: Batch) -> None:
        if self.batch_finished is None:
            return
        now = self.clock()
        report = BatchFinished(
            number=self._num_batches - 1,
            batch=batch,
            seconds=now - self._reported,
            num_prompts=self._totals.prompts,
            num_valid_records=self.num_records,
            num_invalid_records=self._totals.invalid_records,
            target_num_records=sum(group.span.length for group in self.groups),
            elapsed_seconds=now - self._started,
        )
        self._reported = now
        try:
            self.batch_finished(report)
        except Exception:
            _logger.warning("the observer of finished batches failed", exc_info=True)

    def _take_up(self) -> None:
        """Read the finished groups of a job that was cut off, as they were read when the engine gave them."""
        if self.journal is None:
            return
        vocabulary = self.reading.engine.vocabulary
        decode = None if vocabulary is None else vocabulary.decode
        with contextlib.closing(kept_groups(self.journal, decode)) as kept:
            for number, answers, elapsed in kept:
                group = next((each for each in self.groups if each.number == number), None)
                if group is None or group.finished:
                    return
                self.check()
                self._started = self.clock() - elapsed
                with self.stop.awaited():
                    if not self._replayed(group, answers):
                        group.begin_again()
                        return

    def _replayed(self, group: SeriesGroup, answers: Mapping[int, CompletionBlock]) -> bool:
        """Give a group the answers that it had; whether it is finished with them."""
        while not group.finished:
            verdicts = self.reading.replay(group, answers)
            if verdicts is None:
                return False
            self._process(group, verdicts, again=True)
        group.kept = []
        return True

    def _log_status(self) -> None:
        _logger.info(
            "generation %s: %d of %d groups completed, %d records, %d invalid, %d prompts in %d batches%s",
            self.status.value.replace("_", " "),
            sum(group.state.completed for group in self.groups),
            len(self.groups),
            self.num_records,
            self._totals.invalid_records,
            self._totals.prompts,
            self._num_batches,
            f"; {self.stop_reason}" if self.stop_reason else "",
        )

    def _failures(self) -> str:
        failed = [group.state.group_id for group in self.groups if group.state.failed]
        shown = ", ".join(failed[:5]) + (", ..." if len(failed) > 5 else "")
        return f"{len(failed):,} of {len(self.groups):,} groups failed: {shown}"


def _log_group(group: SeriesGroup, batch: Batch) -> None:
    """Log how far a group is and what was wrong with its newest batch, without cell text or its name."""
    stands = "completed" if group.state.completed else "failed" if group.state.failed else "in progress"
    _logger.info(
        "group %d %s: %d of %d expected records, %d invalid; its newest batch: %d valid, %d invalid, %s",
        group.number + 1,
        stands,
        len(group.records),
        group.state.expected_records,
        group.state.total_invalid_records,
        batch.num_valid_records,
        batch.num_invalid_records,
        batch.error_summary(),
    )
