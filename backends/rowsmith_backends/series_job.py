"""One generation of time series: slots of groups, asked together and refilled as they finish."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence

import numpy as np
from attrs import define, evolve, field, fields

from rowsmith.draws import Draws
from rowsmith.errors import GenerationError
from rowsmith.generation import rules
from rowsmith.generation.asking import Asker
from rowsmith.generation.batch import Batch
from rowsmith.generation.journal import GenerationJournal
from rowsmith.generation.loop import INTERRUPTED, BatchFinished
from rowsmith.generation.processors import ParsedResponse, Processor
from rowsmith.generation.requests import (
    Completion,
    CompletionBlock,
    CompletionRequest,
    Engine,
    FinishReason,
    SamplingParams,
)
from rowsmith.generation.responses import check_response
from rowsmith.generation.status import GenerationStatus
from rowsmith.generation.stopping import Progress, StoppingPolicy
from rowsmith.generation.tokens import TokenCounter
from rowsmith.generation.totals import Totals
from rowsmith.interruption import Interrupted, StopRequest
from rowsmith_backends.series_group import SeriesGroup, Verdict, Windows, judge
from rowsmith_backends.series_journal import FinishedGroup, keep_group, kept_groups
from rowsmith_backends.series_state import GroupProcessingResult

__all__ = ["SeriesJob"]

_logger = logging.getLogger(__name__)


class _Judge(Processor):
    """Reads completions with the run's processor, and judges each by the series that it is for."""

    def __init__(self, processor: Processor, windows: Windows) -> None:
        self._processor = processor
        self._windows = windows
        self.groups: dict[int, SeriesGroup] = {}
        self.verdicts: dict[int, Verdict] = {}

    def __call__(self, prompt_number: int, text: str) -> ParsedResponse:
        response = self._processor(prompt_number, text)
        check_response(response, self._processor)
        group = self.groups[prompt_number]
        verdict, counted = judge(group, response, self._windows.codec, self._windows.clock)
        self.verdicts[prompt_number] = verdict
        return counted


@define(kw_only=True, eq=False)
class SeriesJob:
    """What one ``generate`` does.

    Attributes:
        engine: Completes prompts; already started.
        processor: Turns completions into records.
        windows: Makes prompts.
        params: How completions are drawn.
        groups: The series to write, in order.
        choices: Seed of the choice among several completions.
        samples: Completions of each prompt.
        most_groups: Groups that are asked about at once.
        patience: Bad batches in a row after which a group fails.
        threshold: The share of invalid records that makes a batch bad.
        policy: When the whole job stops.
        counter: Counts tokens.
        journal: Where finished groups are kept and taken up from; None keeps none.
        stop: Whether the run was asked to end.
        cancelled: Whether the job was.
        batch_finished: Told after each batch of completions.
        progressed: Told after each round.
        clock: Seconds.
        status: How the job ended.
        stop_reason: Why it ended early; None when it did not.
        fractions: Share of valid records of each batch.
    """

    engine: Engine
    processor: Processor
    windows: Windows
    params: SamplingParams
    groups: Sequence[SeriesGroup]
    choices: int
    samples: int
    most_groups: int
    patience: int
    threshold: float
    policy: StoppingPolicy | None = None
    counter: TokenCounter = field(factory=TokenCounter)
    journal: GenerationJournal | None = None
    stop: StopRequest = field(factory=StopRequest)
    cancelled: Callable[[], bool] = lambda: False
    batch_finished: Callable[[BatchFinished], None] | None = None
    progressed: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    status: GenerationStatus = GenerationStatus.IN_PROGRESS
    stop_reason: str | None = None
    fractions: list[float] = field(factory=list)
    _asker: Asker = field(init=False)
    _judge: _Judge = field(init=False)
    _totals: Totals = field(init=False, factory=Totals)
    _metric: float = field(init=False, default=0.0)
    _empty_rounds: int = field(init=False, default=0)
    _started: float = field(init=False, default=0.0)

    @_asker.default
    def _make_asker(self) -> Asker:
        return Asker(self.engine)

    @_judge.default
    def _make_judge(self) -> _Judge:
        return _Judge(self.processor, self.windows)

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
        self._started = self.clock()
        try:
            self._write()
        except KeyboardInterrupt:
            self.status, self.stop_reason = GenerationStatus.INCOMPLETE, INTERRUPTED
        except Exception as error:
            self.status, self.stop_reason = GenerationStatus.INCOMPLETE, f"{type(error).__name__}: {error}"
            raise
        finally:
            if self.status is GenerationStatus.IN_PROGRESS:
                done = self.all_groups_succeeded
                self.status = GenerationStatus.COMPLETE if done else GenerationStatus.INCOMPLETE
                self.stop_reason = None if done else self._failures()

    def _write(self) -> None:
        self._take_up()
        pending = deque(group for group in self.groups if not (group.state.completed or group.state.failed))
        active: list[SeriesGroup] = []
        batch = self._new_batch()
        while (pending or active) and self.status is GenerationStatus.IN_PROGRESS:
            self._check_stop()
            active += [pending.popleft() for _ in range(min(len(pending), self.most_groups - len(active)))]
            started = self.clock()
            verdicts = self._ask(active, batch)
            with self.stop.awaited():
                active = [group for group in active if self._process(group, verdicts[group.number])]
                self.progressed()
                last = not (pending or active)
                if last or batch.num_prompts + len(active) * self.samples > self.most_groups * self.samples:
                    self._finish_batch(batch, started)
                    batch = self._new_batch()

    def _process(self, group: SeriesGroup, verdicts: Sequence[Verdict]) -> bool:
        """Take a group's answers over; whether it goes on."""
        result = self._process_group_result(group, verdicts)
        if result is GroupProcessingResult.IN_PROGRESS:
            return True
        group.state.completed = result is GroupProcessingResult.COMPLETED
        group.state.failed = result is GroupProcessingResult.FAILED
        if self.journal is not None:
            keep_group(self.journal, group, self.clock() - self._started)
        return False

    def _process_group_result(self, group: SeriesGroup, verdicts: Sequence[Verdict]) -> GroupProcessingResult:
        going = [verdict for verdict in verdicts if verdict.records or verdict.reached]
        # Any that goes on is as good as another: to prefer the longer ones would favour what is easy to write.
        draw = Draws(self.choices, np.array([group.number])).integers(group.asks, max(1, len(going)))[0]
        group.asks += 1
        counted = [going[draw]] if going else verdicts
        valid, invalid = (sum(getattr(each, name) for each in counted) for name in ("valid", "invalid"))
        group.state.total_invalid_records += invalid
        if going:
            group.extend(going[draw].records, self._context(group))
            if going[draw].reached:
                return GroupProcessingResult.COMPLETED
        bad = not going or invalid / max(1, valid + invalid) >= self.threshold
        group.state.low_valid_fraction_count = group.state.low_valid_fraction_count + 1 if bad else 0
        if group.state.low_valid_fraction_count >= self.patience:
            group.reason = f"too many invalid records in {self.patience} batches in a row"
            return GroupProcessingResult.FAILED
        if group.runaway:
            group.reason = f"no end in sight after {len(group.records):,} records; {group.span.length:,} were expected"
            return GroupProcessingResult.FAILED
        return GroupProcessingResult.IN_PROGRESS

    def _context(self, group: SeriesGroup) -> int:
        return self.windows.most_records or len(group.records) + self.windows.context

    def _ask(self, active: Sequence[SeriesGroup], batch: Batch) -> dict[int, list[Verdict]]:
        """Ask once about each group, and read the answers; the verdicts of each group by its number."""
        requests = [request for group in active for request in self.windows.requests(group, self.samples)]
        of = {group.request_id(sample): group for group in active for sample in range(self.samples)}
        self._judge.groups, self._judge.verdicts = of, {}
        with contextlib.closing(self._asker.ask([self._sent(each) for each in requests], self.params)) as blocks:
            by_id = {request.request_id: request for request in requests}
            for block in blocks:
                with self.stop.awaited():
                    self._read(block, batch, by_id)
                self._check_stop()
        missing = [request for request in by_id if request not in self._judge.verdicts]
        if missing:
            raise GenerationError(f"the engine left {len(missing)} of {len(by_id)} requests unanswered")
        return {
            group.number: [self._judge.verdicts[group.request_id(sample)] for sample in range(self.samples)]
            for group in active
        }

    @property
    def _forces(self) -> bool:
        return "forced-tokens" in self.engine.capabilities

    def _sent(self, request: CompletionRequest) -> CompletionRequest:
        """A request as the engine takes it: where it forces no tokens, they are the end of the prompt."""
        if self._forces or not request.forced_ids:
            return request
        limit = None if request.max_tokens is None else max(1, request.max_tokens - len(request.forced_ids))
        prompt = (*request.prompt_ids, *request.forced_ids)
        return evolve(request, prompt_ids=prompt, forced_ids=(), max_tokens=limit)

    def _read(self, block: CompletionBlock, batch: Batch, asked: dict[int, CompletionRequest]) -> None:
        for row, request_id in enumerate(np.asarray(block.request_ids).tolist()):
            request = asked.get(request_id)
            if request is None or request_id in self._judge.verdicts:
                raise GenerationError(f"the engine answered request {request_id} twice, or was not asked it")
            completion = block.completion(row)
            if request.forced_ids and not self._forces:
                completion = self._with_beginning(completion, request)
            group = self._judge.groups[request_id]
            before = _counters(batch)
            batch.process_completion(request_id, completion)
            if _ended(group, completion):
                self._judge.verdicts[request_id] = Verdict(reached=True)
            for name, value in _counters(batch).items():
                setattr(group.totals, name, getattr(group.totals, name) + value - before[name])

    def _with_beginning(self, completion: Completion, request: CompletionRequest) -> Completion:
        text = self.windows.codec.decode(request.forced_ids) + completion.text
        return evolve(completion, text=text, ids=None, decode=None)

    def _new_batch(self) -> Batch:
        return Batch(self._judge, count_tokens=self.counter)

    def _finish_batch(self, batch: Batch, started: float) -> None:
        """Count a batch, tell of it, and ask whether the job goes on."""
        first = not self.fractions
        weight = 1.0 if first else 2.0 / (self.patience + 1)
        self._metric += weight * (batch.stopping_metric - self._metric)
        self._totals.add(batch)
        self.fractions.append(batch.valid_record_fraction)
        self._report(batch, started)
        self._empty_rounds = 0 if batch.num_valid_records else self._empty_rounds + 1
        if all(group.state.completed or group.state.failed for group in self.groups):
            stop = None
        else:
            stop = rules.ask(self.policy, self._progress(batch))
        if stop is not None:
            self.status, self.stop_reason = stop.status, stop.reason
        elif self._empty_rounds >= self.patience and not self.num_records:
            self.status = GenerationStatus.STOP_NO_RECORDS
            self.stop_reason = f"none of {self._totals.prompts} completions held a valid record; train longer"
        batch.release()

    def _progress(self, batch: Batch) -> Progress:
        return Progress(
            num_batches=len(self.fractions),
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

    def _report(self, batch: Batch, started: float) -> None:
        if self.batch_finished is None:
            return
        report = BatchFinished(
            number=len(self.fractions) - 1,
            batch=batch,
            seconds=self.clock() - started,
            num_prompts=self._totals.prompts,
            num_valid_records=self.num_records,
            num_invalid_records=self._totals.invalid_records,
            target_num_records=sum(group.span.length for group in self.groups),
            elapsed_seconds=self.clock() - self._started,
        )
        try:
            self.batch_finished(report)
        except Exception:
            _logger.warning("the observer of finished batches failed", exc_info=True)

    def _check_stop(self) -> None:
        self.stop.check()
        if self.cancelled():
            raise Interrupted

    def _take_up(self) -> None:
        """Read the finished groups of a job that was cut off."""
        if self.journal is None:
            return
        by_number = {group.number: group for group in self.groups}
        with contextlib.closing(self._kept(self.journal)) as kept:
            for finished in kept:
                group = by_number.get(finished.number)
                if group is None or not self._restored(group, finished):
                    return
                self._check_stop()

    def _kept(self, journal: GenerationJournal) -> Generator[FinishedGroup]:
        def taken(elapsed: float) -> None:
            self._started = self.clock() - elapsed

        yield from kept_groups(journal, taken)

    def _restored(self, group: SeriesGroup, finished: FinishedGroup) -> bool:
        """Give a group the records that it had; whether they are still what they were."""
        response = self.processor(0, finished.lines)
        verdict, _ = judge(group, response, self.windows.codec, self.windows.clock)
        if "".join(each.line for each in verdict.records) != finished.lines:
            return False
        group.extend(verdict.records, self._context(group))
        group.asks, group.totals, group.reason = finished.asks, finished.totals, finished.reason
        group.state.completed, group.state.failed = not finished.reason, bool(finished.reason)
        self._totals.prompts += finished.totals.prompts
        self._totals.invalid_records += finished.totals.invalid_records
        return True

    def _failures(self) -> str:
        failed = [group.state.group_id for group in self.groups if group.state.failed]
        shown = ", ".join(failed[:5]) + (", ..." if len(failed) > 5 else "")
        return f"{len(failed):,} of {len(self.groups):,} groups failed: {shown}"


def _ended(group: SeriesGroup, completion: Completion) -> bool:
    """Whether the model has ended a series whose steps it writes itself."""
    learned = group.span.interval is None and bool(group.records)
    return learned and completion.finish_reason is FinishReason.STOP and not completion.text.strip()


def _counters(batch: Batch) -> dict[str, int]:
    counted = Totals()
    counted.add(batch)
    return {each.name: getattr(counted, each.name) for each in fields(Totals) if each.name != "tokenization_seconds"}
