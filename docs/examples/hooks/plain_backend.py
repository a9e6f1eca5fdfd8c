"""A plugin in one file: a backend without an engine, that resumes and ends in order like the bundled ones."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from rowsmith import Component, hookimpl
from rowsmith.components import Kind
from rowsmith.context import BuildContext
from rowsmith.dialect import RecordDialect
from rowsmith.generation import (
    Batch,
    CompletionBlock,
    DataActionsFn,
    FinishReason,
    GenerateJobResults,
    GenerationBatches,
    GenerationJournal,
    GeneratorBackend,
)
from rowsmith.interruption import StopRequest
from rowsmith.randomness.draws import Draws


@hookimpl
def rowsmith_backends() -> Iterator[Component]:
    """What runs a model."""
    yield Component(name="plain", factory="plain_backend:PlainBackend", summary="Random values, without an engine")


class PlainBackend(GeneratorBackend):
    """Draws a random value for every column, batch by batch."""

    def __init__(self, context: BuildContext, options: None) -> None:
        assert context.model_schema is not None and context.table_schema is not None
        self.config = context.config
        self.schema = context.model_schema
        self.columns = list(context.table_schema.names)
        self.processor: Any = context.resolve(Kind.PROCESSOR, "tabular")
        self.dialect = RecordDialect(self.schema)
        self.seed = context.seeds.integer("plain")
        self.journal: GenerationJournal | None = None
        self.stop = StopRequest()

    def use_journal(self, journal: GenerationJournal) -> None:
        """Keep finished batches there."""
        self.journal = journal

    def use_stop_request(self, stop: StopRequest) -> None:
        """End when it says so."""
        self.stop = stop

    def initialize(self) -> None:
        """Nothing to load."""

    def prepare_params(self, **kwargs: Any) -> None:
        """Nothing to choose."""

    def generate(self, data_actions_fn: DataActionsFn | None = None) -> GenerateJobResults:
        """Make records until there are enough, or the run is requested to end."""
        started = time.monotonic()
        wanted = self.config.generation.num_records
        batches = GenerationBatches(wanted, data_actions_fn=data_actions_fn, columns=self.columns)
        try:
            self.replay_journal(batches)
            while not batches.finished:
                self.stop.check()
                block = self.complete(batches)
                with self.stop.awaited():
                    self.add(block, batches)
                    if self.journal is not None:
                        self.journal.add([block], num_asked=len(block), elapsed=batches.elapsed_seconds)
        except KeyboardInterrupt:
            batches.interrupt()
        batches.job_complete()
        self.elapsed_time = time.monotonic() - started
        self.gen_results = GenerateJobResults.from_batches(batches, wanted, self.columns, self.elapsed_time)
        return self.gen_results

    def replay_journal(self, batches: GenerationBatches) -> None:
        """Process the batches of an interrupted run as when they were made."""
        for entry in self.journal.entries() if self.journal is not None else ():
            with self.stop.awaited():
                batches.continue_from(entry.elapsed_seconds)
                self.add(entry.block, batches)

    def complete(self, batches: GenerationBatches) -> CompletionBlock:
        """Draw the next completions; they depend on their numbers alone."""
        ids = np.arange(batches.get_next_num_prompts(), dtype=np.int64) + batches.num_prompts
        draws = Draws(self.seed, ids)
        values = {column.name: column.values or () for column in self.schema}
        chosen = {name: draws.integers(name, len(some)).tolist() for name, some in values.items()}
        texts = [
            self.dialect.encode_record({name: some[chosen[name][row]] for name, some in values.items()})
            for row in range(len(ids))
        ]
        return CompletionBlock(
            request_ids=ids,
            texts=texts,
            lengths=np.array([len(text) for text in texts], dtype=np.int32),
            finish_reasons=[FinishReason.STOP] * len(ids),
        )

    def add(self, block: CompletionBlock, batches: GenerationBatches) -> None:
        """Read completions and count them."""
        batch = Batch(self.processor)
        batch.process_block(block)
        batches.add_batch(batch)
        batch.release(batches.rows)

    def teardown(self) -> None:
        """Nothing to let go of."""
