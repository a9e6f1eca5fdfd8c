"""The loop that all engines share: plan a batch, parse what comes, stop when there is enough.

It never throws a valid row away: what was parsed before an interrupt or a failure is added first.
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
from attrs import field, frozen

from rowsmith.errors import GenerationError, PluginContractError
from rowsmith.generation.batches.accounting import BatchFinished
from rowsmith.generation.batches.accumulator import GenerationBatches
from rowsmith.generation.batches.batch import Batch
from rowsmith.generation.batches.columns import ColumnReader
from rowsmith.generation.batches.tokens import TokenCounter
from rowsmith.generation.journal import GenerationJournal, JournalEntry
from rowsmith.generation.oom_retry import CompleteFn, RetryingCompleter
from rowsmith.generation.processors import Processor
from rowsmith.generation.requests import CompletionBlock, CompletionRequest, Engine, SamplingParams
from rowsmith.interruption import StopRequest
from rowsmith.storage.malloc import gc_paused

__all__ = ["Loop", "replay_journal"]

_SHOWN_IDS = 5

_logger = logging.getLogger(__name__)


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
        reader: Reads token ids instead of the processor; None reads text.
        batch_finished: Called after each batch; what it raises is logged and changes nothing.
        journal: Where finished batches are written, and from which an interrupted job is resumed; None for no
            journal.
        stop: Lets no interrupt into a batch that is counted.
        check: Raises when the job is to end; called after each block.
        complete: Completes prompts instead of the engine; None for the engine.
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
    check: Callable[[], None] = lambda: None
    complete: CompleteFn | None = None
    _completer: RetryingCompleter = field(init=False)

    @_completer.default
    def _make_completer(self) -> RetryingCompleter:
        return RetryingCompleter(self.complete or self.engine.complete)

    def run(self, batches: GenerationBatches) -> None:
        """Fill batches until they need nothing more.

        An interrupt ends the job with what there is. After a failure the accumulator holds
        everything that was valid before it.

        Args:
            batches: The accumulator.

        Raises:
            GenerationError: The engine answered a request twice or never, or one it was not given.
            RunDirectoryError: The journal cannot be written.
            Exception: Whatever engine, processor, data actions or policy raise.
        """
        with batches.running():
            replay_journal(
                self.journal,
                self.engine,
                lambda entry: self._replay_entry(entry, batches),
                stop=self.stop,
                check=self.check,
            )
            while not batches.finished:
                self.check()
                batch, read = self._new_batch(), list[CompletionBlock]()
                try:
                    num_asked = self._fill(batch, batches, read)
                    with self.stop.awaited():
                        batches.add_batch(batch)
                        if self.journal is not None:
                            self.journal.add(
                                read, num_asked=num_asked, cut_short=batch.cut_short, elapsed=batches.elapsed_seconds
                            )
                        self._finish(batch, batches)
                except (KeyboardInterrupt, Exception):
                    _add_unfinished(batch, batches)
                    raise

    def _new_batch(self) -> Batch:
        return Batch(self.processor, count_tokens=self.counter, reader=self.reader)

    def _replay_entry(self, entry: JournalEntry, batches: GenerationBatches) -> bool:
        if batches.finished or entry.num_asked != batches.get_next_num_prompts():
            return False
        batch = self._new_batch()
        deque(islice(self.request_ids, entry.num_asked), maxlen=0)
        batch.process_block(entry.block)
        batch.cut_short = entry.cut_short
        batches.continue_from(entry.elapsed_seconds)
        batches.add_batch(batch)
        self._finish(batch, batches)
        return True

    def _fill(self, batch: Batch, batches: GenerationBatches, read: list[CompletionBlock]) -> int:
        """Request the completions of a batch and read them; the number of requests."""
        size = batches.get_next_num_prompts()
        with gc_paused():
            requests = [self.make_request(request_id) for request_id in islice(self.request_ids, size)]
        requested = frozenset(request.request_id for request in requests)
        pending = set(requested)
        with contextlib.closing(self._completer.complete(requests, self.params)) as blocks:
            for block in blocks:
                # Only the engine is interrupted where it is; what was read is counted as a whole.
                with self.stop.awaited():
                    self._absorb(block, batch, requested, pending)
                read.append(block)
                if batches.would_suffice(batch):
                    batch.cut_short = bool(pending)
                    return size
                self.check()
        if pending:
            raise GenerationError(
                f"{self._engine_name} left {len(pending)} of {size} requests unanswered: {_some(pending)}"
            )
        return size

    def _absorb(self, block: CompletionBlock, batch: Batch, requested: frozenset[int], pending: set[int]) -> None:
        """Read one block, and refuse answers that were not requested."""
        if not isinstance(block, CompletionBlock):
            raise PluginContractError(
                f"{self._engine_name} yielded {type(block).__name__}; it must yield CompletionBlock"
            )
        rows, wrong = [], []
        for row, request_id in enumerate(np.asarray(block.request_ids).tolist()):
            if request_id in pending:
                pending.remove(request_id)
                rows.append(row)
            else:
                wrong.append(request_id)
        batch.process_block(block, rows)
        if wrong:
            what = "twice" if requested.issuperset(wrong) else "that it was not asked"
            raise GenerationError(f"{self._engine_name} answered {len(wrong)} requests {what}: {_some(wrong)}")

    @property
    def _engine_name(self) -> str:
        return f"engine {type(self.engine).__qualname__}"

    def _finish(self, batch: Batch, batches: GenerationBatches) -> None:
        """Log progress and errors, call the observer, and release what only they need."""
        batches.log_batch()
        batches.report(batch, self.batch_finished)
        batch.release(batches.rows)


def replay_journal(
    journal: GenerationJournal | None,
    engine: Engine,
    take: Callable[[JournalEntry], bool],
    *,
    stop: StopRequest,
    check: Callable[[], None],
) -> None:
    """Process the batches of a journal as they were processed when the engine gave them.

    Args:
        journal: The journal; None for a job without one.
        engine: Decodes token ids.
        take: Processes one; False when neither it nor those after it belong to this job.
        stop: Lets no interrupt into a batch that is read.
        check: Raises when the job is to end.

    Raises:
        RunDirectoryError: The journal cannot be read.
    """
    if journal is None:
        return
    vocabulary = engine.vocabulary
    decode, size = (None, None) if vocabulary is None else (vocabulary.decode, len(vocabulary))
    with contextlib.closing(journal.entries(decode, num_tokens=size)) as entries:
        for entry in entries:
            check()
            with stop.awaited():
                if not take(entry):
                    return


def _some(ids: set[int] | list[int]) -> str:
    shown = sorted(ids)[:_SHOWN_IDS]
    return ", ".join(map(str, shown)) + (", ..." if len(ids) > len(shown) else "")


def _add_unfinished(batch: Batch | None, batches: GenerationBatches) -> None:
    """Add what was parsed of a batch that was never finished."""
    if batch is None or not batch.num_prompts or (batches.batches and batches.batches[-1] is batch):
        return
    try:
        batches.add_batch(batch)
    except Exception:
        _logger.warning("%d records of the last batch are lost", batch.num_valid_records, exc_info=True)
