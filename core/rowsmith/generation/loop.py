"""The loop that all engines share: plan a batch, parse what comes, stop when there is enough.

It never throws a valid row away: what was parsed before an interrupt or a failure is added first.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
from attrs import field, frozen

from rowsmith.errors import GenerationError, PluginContractError
from rowsmith.generation.batch import Batch
from rowsmith.generation.batches import GenerationBatches
from rowsmith.generation.columns import ColumnReader
from rowsmith.generation.journal import GenerationJournal, JournalEntry
from rowsmith.generation.oom_retry import Asker, Completing
from rowsmith.generation.processors import Processor
from rowsmith.generation.requests import CompletionBlock, CompletionRequest, Engine, SamplingParams
from rowsmith.generation.tokens import TokenCounter
from rowsmith.interruption import Interrupted, StopRequest
from rowsmith.storage.malloc import gc_paused

__all__ = ["INTERRUPTED", "BatchFinished", "Loop"]

INTERRUPTED = "interrupted"
"""``stop_reason`` of a job that the user interrupted."""

_SHOWN_IDS = 5

_logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class BatchFinished:
    """What a progress display is told after each batch.

    Attributes:
        number: The batch's number, from 0.
        batch: The batch; its texts and errors are only there during the call.
        seconds: How long the batch took.
        num_prompts: Prompts so far.
        num_valid_records: Valid records so far.
        num_invalid_records: Invalid records so far.
        target_num_records: Valid records wanted; None for no target.
        elapsed_seconds: How long the job has taken.
        num_valid_groups: Valid groups so far; 0 where records stand alone.
        target_num_groups: Valid groups wanted; None for no such target.
    """

    number: int
    batch: Batch
    seconds: float
    num_prompts: int
    num_valid_records: int
    num_invalid_records: int
    target_num_records: int | None
    elapsed_seconds: float
    num_valid_groups: int = 0
    target_num_groups: int | None = None

    @property
    def records_per_second(self) -> float:
        """Valid records over the job's time; 0 before any time has passed."""
        return self.num_valid_records / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0

    @property
    def valid_record_fraction(self) -> float:
        """Share of valid records among all records so far; 0 when there are none."""
        records = self.num_valid_records + self.num_invalid_records
        return self.num_valid_records / records if records else 0.0

    @property
    def eta_seconds(self) -> float | None:
        """Time left at the rate so far; None without a target or a rate."""
        groups = self.target_num_groups is not None
        made = self.num_valid_groups if groups else self.num_valid_records
        target = self.target_num_groups if groups else self.target_num_records
        if target is None or not made or self.elapsed_seconds <= 0:
            return None
        return max(0, target - made) * self.elapsed_seconds / made


@frozen(kw_only=True)
class Loop:
    """One job's way from prompts to batches.

    Attributes:
        engine: Completes prompts; already started.
        processor: Turns completions into records.
        params: How completions are drawn.
        request_ids: Gives a new id for each request.
        make_request: Makes the request of an id.
        counter: Counts tokens.
        reader: Reads token ids in the processor's place; None reads text.
        batch_finished: Told after each batch; what it raises is logged and changes nothing.
        journal: Where finished batches are kept, and where those of a job that was cut off are taken up
            from; None keeps none.
        stop: Whether the run was asked to end; looked at after each block.
        cancelled: Whether the job was; looked at then as well.
        clock: Seconds.
        complete: What completes prompts in the engine's place; None for the engine.
    """

    engine: Engine
    processor: Processor
    params: SamplingParams
    request_ids: Iterator[int]
    make_request: Callable[[int], CompletionRequest]
    counter: TokenCounter = field(factory=TokenCounter)
    reader: ColumnReader | None = None
    batch_finished: Callable[[BatchFinished], None] | None = None
    journal: GenerationJournal | None = None
    stop: StopRequest = field(factory=StopRequest)
    cancelled: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic
    complete: Completing | None = None
    _asker: Asker = field(init=False)

    @_asker.default
    def _make_asker(self) -> Asker:
        return Asker(self.complete or self.engine.complete)

    def run(self, batches: GenerationBatches) -> None:
        """Fill batches until they say that there is nothing more to ask for.

        An interrupt ends the job with what there is. After a failure the accumulator holds
        everything that was valid before it.

        Args:
            batches: The accumulator.

        Raises:
            GenerationError: The engine answered a request twice or never, or one it was not given.
            RunDirectoryError: The journal cannot be written.
            Exception: Whatever engine, processor, data actions or policy raise.
        """
        batch: Batch | None = None
        try:
            self._take_up(batches)
            while not batches.finished:
                self._check_stop()
                started, read = self.clock(), list[CompletionBlock]()
                batch = self._new_batch()
                num_asked = self._fill(batch, batches, read)
                with self.stop.awaited():
                    batches.add_batch(batch)
                    if self.journal is not None:
                        self.journal.add(
                            read, num_asked=num_asked, cut_short=batch.cut_short, elapsed=batches.elapsed_seconds
                        )
                    self._report(batch, batches, started)
                    batch.release(batches.rows)
        except KeyboardInterrupt:
            _keep(batch, batches)
            batches.interrupt(INTERRUPTED)
        except Exception as error:
            _keep(batch, batches)
            batches.interrupt(f"{type(error).__name__}: {error}")
            raise

    def _check_stop(self) -> None:
        self.stop.check()
        if self.cancelled():
            raise Interrupted

    def _new_batch(self) -> Batch:
        return Batch(self.processor, count_tokens=self.counter, reader=self.reader)

    def _take_up(self, batches: GenerationBatches) -> None:
        """Read the batches of the journal as they were read when the engine gave them."""
        if self.journal is None:
            return
        vocabulary = self.engine.vocabulary
        decode = None if vocabulary is None else vocabulary.decode
        with contextlib.closing(self.journal.entries(decode)) as entries:
            for entry in entries:
                if batches.finished or entry.num_asked != batches.get_next_num_prompts():
                    return
                self._check_stop()
                with self.stop.awaited():
                    self._take_up_entry(entry, batches)

    def _take_up_entry(self, entry: JournalEntry, batches: GenerationBatches) -> None:
        started, batch = self.clock(), self._new_batch()
        deque(islice(self.request_ids, entry.num_asked), maxlen=0)
        batch.process_block(entry.block)
        batch.cut_short = entry.cut_short
        batches.continue_from(entry.elapsed_seconds)
        batches.add_batch(batch)
        self._report(batch, batches, started)
        batch.release(batches.rows)

    def _fill(self, batch: Batch, batches: GenerationBatches, read: list[CompletionBlock]) -> int:
        """Ask for the completions of a batch and read them; how many were asked for."""
        size = batches.get_next_num_prompts()
        with gc_paused():
            requests = [self.make_request(request_id) for request_id in islice(self.request_ids, size)]
        asked = frozenset(request.request_id for request in requests)
        waiting = set(asked)
        with contextlib.closing(self._asker.ask(requests, self.params)) as blocks:
            for block in blocks:
                # Only the engine is interrupted where it is; what was read is counted as a whole.
                with self.stop.awaited():
                    self._absorb(block, batch, asked, waiting)
                read.append(block)
                if batches.would_suffice(batch):
                    batch.cut_short = bool(waiting)
                    return size
                self._check_stop()
        if waiting:
            raise GenerationError(
                f"{self._engine_name} left {len(waiting)} of {size} requests unanswered: {_some(waiting)}"
            )
        return size

    def _absorb(self, block: CompletionBlock, batch: Batch, asked: frozenset[int], waiting: set[int]) -> None:
        """Read one block, and tell the answers that nobody asked for."""
        if not isinstance(block, CompletionBlock):
            raise PluginContractError(
                f"{self._engine_name} yielded {type(block).__name__}; it must yield CompletionBlock"
            )
        rows, wrong = [], []
        for row, request_id in enumerate(np.asarray(block.request_ids).tolist()):
            if request_id in waiting:
                waiting.remove(request_id)
                rows.append(row)
            else:
                wrong.append(request_id)
        batch.process_block(block, rows)
        if wrong:
            what = "twice" if asked.issuperset(wrong) else "that it was not asked"
            raise GenerationError(f"{self._engine_name} answered {len(wrong)} requests {what}: {_some(wrong)}")

    @property
    def _engine_name(self) -> str:
        return f"engine {type(self.engine).__qualname__}"

    def _report(self, batch: Batch, batches: GenerationBatches, started: float) -> None:
        """Log progress and errors, and tell the observer."""
        batches.log_batch()
        if self.batch_finished is None:
            return
        report = BatchFinished(
            number=batches.num_batches - 1,
            batch=batch,
            seconds=self.clock() - started,
            num_prompts=batches.num_prompts,
            num_valid_records=batches.num_valid_records,
            num_invalid_records=batches.num_invalid_records,
            target_num_records=batches.target_num_records,
            elapsed_seconds=batches.elapsed_seconds,
            num_valid_groups=batches.num_valid_groups,
            target_num_groups=batches.target.num_groups,
        )
        try:
            self.batch_finished(report)
        except Exception:
            _logger.warning("the observer of finished batches failed", exc_info=True)


def _some(ids: set[int] | list[int]) -> str:
    shown = sorted(ids)[:_SHOWN_IDS]
    return ", ".join(map(str, shown)) + (", ..." if len(ids) > len(shown) else "")


def _keep(batch: Batch | None, batches: GenerationBatches) -> None:
    """Add what was parsed of a batch that was never finished."""
    if batch is None or not batch.num_prompts or (batches.batches and batches.batches[-1] is batch):
        return
    try:
        batches.add_batch(batch)
    except Exception:
        _logger.warning("%d records of the last batch cannot be kept", batch.num_valid_records, exc_info=True)
