"""Tests that every engine passes, for authors of engines: subclass ``EngineConformance`` in a test module.

::

    class TestMyEngine(EngineConformance):
        @pytest.fixture(scope="class")
        @classmethod
        def make_engine(cls):
            return lambda: MyEngine(...)

        @pytest.fixture(scope="class")
        @classmethod
        def prompt_ids(cls):
            return (1,)

        @pytest.fixture(scope="class")
        @classmethod
        def schema(cls):
            return ModelSchema(columns=(...))

What an engine names in its ``capabilities`` is tested, and what it does not name is skipped. The model may be
untrained; it must write a plain table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from rowsmith.dialect import RecordDialect, split_lines
from rowsmith.errors import GenerationError
from rowsmith.generation.requests import CompletionRequest, Engine, FinishReason, SamplingParams
from rowsmith.table.schema import ModelSchema
from rowsmith.testing.answers import Answer, answers

__all__ = ["EngineConformance"]


class EngineConformance:
    """Order and number of answers, seeds, limits, forced ids, grammar, log-probabilities, lifecycle.

    Attributes:
        num_requests: Requests of a call.
        max_tokens: The longest completion; enough for a record.
        log_prob_tolerance: How far the same log-probability may differ between two calls.
    """

    num_requests: int = 6
    max_tokens: int = 200
    log_prob_tolerance: float = 2e-2

    @pytest.fixture(scope="class")
    @classmethod
    def make_engine(cls) -> Callable[[], Engine]:
        """Makes an engine that is not started."""
        raise NotImplementedError("a subclass gives the fixture make_engine")

    @pytest.fixture(scope="class")
    @classmethod
    def prompt_ids(cls) -> Sequence[int]:
        """The ids that completions go on from."""
        raise NotImplementedError("a subclass gives the fixture prompt_ids")

    @pytest.fixture(scope="class")
    @classmethod
    def schema(cls) -> ModelSchema:
        """The columns that the model writes."""
        raise NotImplementedError("a subclass gives the fixture schema")

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, make_engine: Callable[[], Engine]) -> Iterator[Engine]:
        """An engine that is started, shared by the tests."""
        made = make_engine()
        made.start()
        yield made
        made.stop()

    @pytest.fixture
    def ask(self, engine: Engine, prompt_ids: Sequence[int]) -> Callable[..., dict[int, Answer]]:
        """Asks the shared engine about some request ids; further arguments are those of requests or sampling."""

        def asked(
            ids: Sequence[int] | None = None, *, params: SamplingParams | None = None, **request: object
        ) -> dict[int, Answer]:
            chosen = params or SamplingParams(max_new_tokens=self.max_tokens)
            return answers(engine, self.requests(prompt_ids, ids, **request), chosen)

        return asked

    def requests(
        self, prompt_ids: Sequence[int], ids: Sequence[int] | None = None, **request: object
    ) -> list[CompletionRequest]:
        """Requests of one prompt, by default ``num_requests`` of them."""
        names = range(self.num_requests) if ids is None else ids
        return [CompletionRequest(name, tuple(prompt_ids), **request) for name in names]  # type: ignore[arg-type]

    def params(self, **given: object) -> SamplingParams:
        """Sampling with the longest completion of these tests."""
        return SamplingParams(**{"max_new_tokens": self.max_tokens, **given})  # type: ignore[arg-type]

    def needs(self, engine: Engine, capability: str) -> None:
        """Skip the test for engines that do not name a capability."""
        if capability not in engine.capabilities:
            pytest.skip(f"the engine does not name {capability!r} in its capabilities")

    # Requests and blocks

    def test_every_request_is_answered_once_whatever_its_id(self, ask: Callable[..., dict[int, Answer]]) -> None:
        assert len(ask([7, 0, 2**40 + 3, 5])) == 4

    def test_no_requests_give_no_blocks(self, engine: Engine) -> None:
        assert list(engine.complete([], self.params())) == []

    def test_blocks_say_how_long_completions_are(self, engine: Engine, prompt_ids: Sequence[int]) -> None:
        for block in engine.complete(self.requests(prompt_ids), self.params()):
            assert (np.asarray(block.lengths) <= self.max_tokens).all()
            assert all(FinishReason(reason) is not FinishReason.ABORT for reason in block.finish_reasons)
            for row in range(len(block)):
                ids = block.row_ids(row)
                assert ids is None or len(ids) == block.lengths[row]
            assert block.log_probs is None

    def test_prompts_of_other_lengths_are_completed_together(self, engine: Engine, prompt_ids: Sequence[int]) -> None:
        prompt = tuple(prompt_ids)
        mixed = [CompletionRequest(0, prompt), CompletionRequest(1, prompt * 2), CompletionRequest(2, prompt)]
        greedy = self.params(temperature=0.0)
        together = answers(engine, mixed, greedy)
        assert together[0] == together[2]
        assert together[0] == answers(engine, mixed[:1], greedy)[0]
        assert together[1] == answers(engine, mixed[1:2], greedy)[1]

    # Draws

    def test_the_same_seed_gives_the_same_and_another_others(
        self, engine: Engine, ask: Callable[..., dict[int, Answer]]
    ) -> None:
        self.needs(engine, "seed")
        first = ask(params=self.params(seed=3))
        assert ask(params=self.params(seed=3)) == first
        assert ask(params=self.params(seed=4)) != first
        assert len({answer.text for answer in first.values()}) > 1, "requests must not share their draws"

    def test_a_completion_does_not_depend_on_what_else_is_asked(
        self, engine: Engine, ask: Callable[..., dict[int, Answer]]
    ) -> None:
        self.needs(engine, "seed")
        together = ask(params=self.params(seed=3))
        last = self.num_requests - 1
        assert ask([last, 1], params=self.params(seed=3)) == {name: together[name] for name in (last, 1)}

    def test_temperature_0_takes_the_likeliest_whatever_the_seed(self, ask: Callable[..., dict[int, Answer]]) -> None:
        first = ask(params=self.params(temperature=0.0, seed=1))
        second = ask([8], params=self.params(temperature=0.0, seed=2))
        assert len({*first.values(), *second.values()}) == 1

    # Ends

    def test_a_completion_ends_at_its_limit(self, ask: Callable[..., dict[int, Answer]]) -> None:
        for answer in ask(params=self.params(max_new_tokens=1)).values():
            assert (answer.num_tokens, answer.finish_reason) == (1, FinishReason.LENGTH)
        for answer in ask(max_tokens=1).values():
            assert (answer.num_tokens, answer.finish_reason) == (1, FinishReason.LENGTH)

    def test_a_completion_ends_after_the_most_records(
        self, engine: Engine, schema: ModelSchema, ask: Callable[..., dict[int, Answer]]
    ) -> None:
        self.needs(engine, "constrained")
        ended = [each for each in ask(max_records=1).values() if each.finish_reason is FinishReason.STOP]
        assert ended, "no completion came to an end; give max_tokens more room"
        for answer in ended:
            assert len(split_lines(answer.text)) == 1
            RecordDialect(schema).decode(answer.text)

    def test_what_is_constrained_is_records(
        self, engine: Engine, schema: ModelSchema, ask: Callable[..., dict[int, Answer]]
    ) -> None:
        self.needs(engine, "constrained")
        dialect = RecordDialect(schema)
        for answer in ask(max_records=3).values():
            lines = answer.text.split("\n")
            assert answer.finish_reason is FinishReason.LENGTH or (len(lines) > 1 and lines[-1] == "")
            for line in lines[:-1]:
                dialect.decode(line)

    # Forced ids and log-probabilities

    def test_forced_ids_begin_the_completion(self, engine: Engine, ask: Callable[..., dict[int, Answer]]) -> None:
        self.needs(engine, "forced-tokens")
        some = next(iter(ask().values()))
        assert some.ids is not None, "an engine that forces ids gives ids"
        forced = some.ids[: max(1, len(some.ids) // 3)]
        for answer in ask(params=self.params(seed=9), forced_ids=forced).values():
            assert answer.ids is not None
            assert answer.ids[: len(forced)] == forced
            assert answer.num_tokens >= len(forced)

    def test_log_probabilities_are_those_of_the_tokens(
        self, engine: Engine, ask: Callable[..., dict[int, Answer]]
    ) -> None:
        self.needs(engine, "log-probs")
        found = ask(params=self.params(log_probs=True, temperature=0.7))
        assert found == ask(params=self.params(temperature=0.7)), "log-probabilities change no draw"
        for answer in found.values():
            assert answer.log_probs is not None
            assert len(answer.log_probs) == answer.num_tokens
            assert (answer.log_probs <= 1e-4).all()
            assert np.isfinite(answer.log_probs).all()

    def test_forced_ids_have_the_log_probabilities_that_they_have_when_drawn(
        self, engine: Engine, ask: Callable[..., dict[int, Answer]]
    ) -> None:
        self.needs(engine, "log-probs")
        self.needs(engine, "forced-tokens")
        drawn = ask([0], params=self.params(log_probs=True))[0]
        assert drawn.ids is not None and drawn.log_probs is not None
        count = max(1, len(drawn.ids) // 2)
        forced = ask([1], params=self.params(log_probs=True, seed=5), forced_ids=drawn.ids[:count])[1]
        assert forced.log_probs is not None
        np.testing.assert_allclose(forced.log_probs[:count], drawn.log_probs[:count], atol=self.log_prob_tolerance)

    # Lifecycle

    def test_an_engine_that_is_not_started_says_so(
        self, make_engine: Callable[[], Engine], prompt_ids: Sequence[int]
    ) -> None:
        engine = make_engine()
        with pytest.raises(GenerationError):
            list(engine.complete(self.requests(prompt_ids), self.params()))
        engine.stop()
        engine.stop()

    def test_closing_ends_a_call_and_not_the_engine(
        self, engine: Engine, prompt_ids: Sequence[int], ask: Callable[..., dict[int, Answer]]
    ) -> None:
        greedy = self.params(temperature=0.0)
        before = ask([0], params=greedy)
        blocks = engine.complete(self.requests(prompt_ids, range(4 * self.num_requests)), self.params())
        next(iter(blocks))
        close = getattr(blocks, "close", None)
        assert close is not None, "complete must give a generator, or an iterator with a method close"
        close()
        assert ask([0], params=greedy) == before

    def test_an_engine_starts_again_after_it_was_stopped_twice(
        self, engine: Engine, ask: Callable[..., dict[int, Answer]]
    ) -> None:
        greedy = self.params(temperature=0.0)
        before = ask([0], params=greedy)
        engine.stop()
        engine.stop()
        engine.start()
        assert ask([0], params=greedy) == before

    def test_tokens_are_counted_without_special_ones(self, engine: Engine) -> None:
        assert engine.count_tokens("") == 0
        assert engine.count_tokens('{"a":1}\n') >= 1
