"""A plugin in one file: a backend whose engine picks a random value for every column."""

from collections.abc import Iterator, Sequence

import numpy as np

from rowsmith import Component, hookimpl
from rowsmith.components import ComponentRef, Kind
from rowsmith.context import BuildContext
from rowsmith.dialect import RecordDialect
from rowsmith.generation import CompletionBlock, CompletionRequest, Engine, EngineBackend, FinishReason, SamplingParams
from rowsmith.randomness.draws import Draws
from rowsmith.table.schema import ModelSchema


@hookimpl
def rowsmith_backends() -> Iterator[Component]:
    """What runs a model."""
    yield Component(name="uniform", factory="uniform_backend:build", summary="Random values, for comparison")


class UniformEngine(Engine):
    """Completes every prompt with one record of values drawn column by column.

    Args:
        schema: The columns; each must list its values.
    """

    capabilities = frozenset({"seed"})

    def __init__(self, schema: ModelSchema) -> None:
        self.schema = schema
        self.dialect = RecordDialect(schema)

    def start(self) -> None:
        """Nothing to load."""

    def complete(self, requests: Sequence[CompletionRequest], params: SamplingParams) -> Iterator[CompletionBlock]:
        """Answer all requests in one block."""
        ids = np.array([request.request_id for request in requests], dtype=np.int64)
        draws = Draws(params.seed, ids)
        columns = {
            column.name: draws.integers(column.name, len(column.values or ())).tolist() for column in self.schema
        }
        values = {column.name: column.values or () for column in self.schema}
        texts = [
            self.dialect.encode_record({name: values[name][columns[name][row]] for name in columns})
            for row in range(len(ids))
        ]
        yield CompletionBlock(
            request_ids=ids,
            texts=texts,
            lengths=np.array([self.count_tokens(text) for text in texts], dtype=np.int32),
            finish_reasons=[FinishReason.STOP] * len(ids),
        )

    def stop(self) -> None:
        """Nothing to let go of."""

    def count_tokens(self, text: str) -> int:
        """A token is a character here."""
        return len(text)


def build(context: BuildContext, options: None) -> EngineBackend:
    """Give the engine the lifecycle and the loop that all engines share."""
    assert context.model_schema is not None and context.table_schema is not None
    processor = context.config.processor
    return EngineBackend(
        context.config,
        context.metadata,
        engine=UniformEngine(context.model_schema),
        processor=context.resolve(
            Kind.PROCESSOR, processor if isinstance(processor, ComponentRef) else ComponentRef(name="tabular")
        ),
        prompt_ids=(),
        columns=context.table_schema.names,
        policy=lambda: context.resolve(Kind.STOPPING, context.config.stopping),
        seeds=context.seeds,
        workdir=context.run_directory,
        batch_finished=context.on_batch,
    )
