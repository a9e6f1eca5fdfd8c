"""Tests of an engine in its backend: what was made is retained, whatever goes wrong. See ``engine_conformance``."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rowsmith.config import GenerationConfig, RunConfig
from rowsmith.dialect import RecordDialect, split_lines
from rowsmith.errors import RecordError
from rowsmith.generation.engine_backend import EngineBackend
from rowsmith.generation.processors import ParsedResponse, Processor
from rowsmith.generation.requests import Engine
from rowsmith.generation.results import GenerateJobResults, GenerationFailure
from rowsmith.generation.status import GenerationStatus
from rowsmith.table.schema import ModelSchema
from rowsmith.testing.engine_conformance import EngineConformance
from rowsmith.testing.faulty_engine import FaultyEngine

__all__ = ["BackendConformance", "LineProcessor"]


class LineProcessor(Processor):
    """Reads each line of a completion as a record.

    Args:
        schema: The columns of a record.
    """

    def __init__(self, schema: ModelSchema) -> None:
        self._dialect = RecordDialect(schema)

    def __call__(self, prompt_number: int, text: str) -> ParsedResponse:
        """See the base class."""
        response = ParsedResponse([], [], [], prompt_number)
        for line in split_lines(text):
            try:
                response.valid_records.append(self._dialect.decode(line))
            except RecordError as error:
                response.invalid_records.append(line)
                response.errors.append((str(error), error.summary))
        return response


class BackendConformance(EngineConformance):
    """What ``EngineConformance`` tests, and the engine in an ``EngineBackend``.

    Attributes:
        num_records: Records that a job asks for.
    """

    num_records: int = 12

    def backend(
        self,
        engine: Engine,
        prompt_ids: Sequence[int],
        schema: ModelSchema,
        *,
        num_records: int | None = None,
        **options: object,
    ) -> EngineBackend:
        """A backend that is ready to generate."""
        made = EngineBackend(
            RunConfig(generation=GenerationConfig(num_records=num_records or self.num_records)),
            None,
            engine=engine,
            processor=LineProcessor(schema),
            prompt_ids=prompt_ids,
            columns=schema.names,
            **options,  # type: ignore[arg-type]
        )
        made.initialize()
        made.prepare_params(max_new_tokens=self.max_tokens)
        return made

    def check_rows(self, engine: Engine, results: GenerateJobResults) -> None:
        """Rows were made, by engines that can only write valid ones."""
        if "constrained" in engine.capabilities:
            assert len(results.df) > 0

    def test_a_backend_makes_the_rows_that_are_asked_for(
        self, engine: Engine, prompt_ids: Sequence[int], schema: ModelSchema
    ) -> None:
        self.needs(engine, "constrained")
        backend = self.backend(FaultyEngine(engine), prompt_ids, schema)
        results = backend.generate()
        assert results.status is GenerationStatus.COMPLETE
        assert len(results.df) == self.num_records
        assert list(results.df.columns) == list(schema.names)
        backend.teardown()
        backend.teardown()

    @pytest.mark.parametrize("fails_after", [0, 1])
    def test_rows_made_before_a_failure_are_kept(
        self, engine: Engine, prompt_ids: Sequence[int], schema: ModelSchema, fails_after: int
    ) -> None:
        faulty = FaultyEngine(engine, fails_after=fails_after, error=RuntimeError("injected"))
        backend = self.backend(faulty, prompt_ids, schema, num_records=10_000)
        with pytest.raises(GenerationFailure, match="injected") as caught:
            backend.generate()
        assert caught.value.results.status is GenerationStatus.INCOMPLETE
        if fails_after:
            self.check_rows(engine, caught.value.results)
        backend.teardown()

    def test_memory_that_runs_out_makes_portions_smaller(
        self, engine: Engine, prompt_ids: Sequence[int], schema: ModelSchema
    ) -> None:
        self.needs(engine, "constrained")
        narrow = FaultyEngine(engine, most_requests=4)
        results = self.backend(narrow, prompt_ids, schema).generate()
        assert results.status is GenerationStatus.COMPLETE
        assert len(results.df) == self.num_records
        assert narrow.num_calls > 1

    def test_a_job_that_is_cancelled_returns_what_it_has(
        self, engine: Engine, prompt_ids: Sequence[int], schema: ModelSchema
    ) -> None:
        backend: EngineBackend = self.backend(
            FaultyEngine(engine), prompt_ids, schema, num_records=10_000, batch_finished=lambda _: backend.cancel()
        )
        results = backend.generate()
        assert results.status is GenerationStatus.INCOMPLETE
        self.check_rows(engine, results)
