"""The backend that any engine gets: lifecycle, and the loop that all engines share."""

import json
import logging
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata
from rowsmith.config import GenerationConfig, RunConfig
from rowsmith.errors import GenerationError, ParameterError, PluginContractError, RowsmithError
from rowsmith.generation import (
    CompletionBlock,
    EngineBackend,
    FinishReason,
    GenerationFailure,
    GenerationStatus,
    GeneratorBackend,
    Stop,
    StoppingPolicy,
)
from rowsmith.generation.stopping import PatiencePolicy
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.testing.fake_engine import FakeEngine, Reply


def numbered(request):
    """One record that names its request."""
    return json.dumps({"a": request.request_id, "b": None}, separators=(",", ":")) + "\n"


def metadata(length=64):
    prompt = LLMPromptConfig("", False, False, "<s>", 1, "</s>", 2)
    return ModelMetadata("model", prompt, base_max_seq_length=length)


def make(tools, engine, target=20, *, ready=True, length=64, config=None, **options):
    config = config or RunConfig(generation=GenerationConfig(num_records=target))
    parts = {"processor": tools.processor, "prompt_ids": [5, 6], "columns": ["a", "b"], **options}
    backend = EngineBackend(config, metadata(length), engine=engine, **parts)
    if ready:
        backend.initialize()
        backend.prepare_params()
    return backend


# Lifecycle


def test_it_is_a_generator_backend_with_its_attributes(tools, tmp_path):
    """Promise B4: each attribute is what its name says."""
    config, folder = RunConfig(generation=GenerationConfig(num_records=20)), RunDirectory(tmp_path)
    engine = FakeEngine(numbered)
    backend = make(tools, engine, ready=False, remote=True, config=config, workdir=folder)
    assert isinstance(backend, GeneratorBackend)
    assert backend.gen_method is None
    assert (backend.remote, backend.elapsed_time) == (True, 0.0)
    assert backend.config is config
    assert backend.workdir is folder
    assert backend.model_metadata == metadata()
    backend.initialize()
    backend.prepare_params()
    assert backend.gen_method == engine.complete
    assert backend.generate() is backend.gen_results
    assert backend.elapsed_time > 0


def test_what_stands_in_the_place_of_gen_method_makes_the_completions(tools):
    """Promise B4: it is the callable that generation uses."""
    asked = []
    backend = make(tools, FakeEngine(numbered))
    inner = backend.gen_method

    def counting(requests, params):
        asked.extend(requests)
        return inner(requests, params)

    backend.gen_method = counting
    assert len(backend.generate().df) == 20
    assert asked


def test_initialize_prepare_generate_teardown(tools):
    """Promise B6."""
    engine = FakeEngine(numbered)
    backend = make(tools, engine, ready=False)
    backend.initialize()
    assert callable(backend.gen_method)
    backend.prepare_params(temperature=0.5, max_new_tokens=9)
    results = backend.generate()
    assert results is backend.gen_results
    assert results.status is GenerationStatus.COMPLETE
    assert results.df["a"].tolist() == list(range(20))
    assert (engine.params.temperature, engine.params.max_new_tokens) == (0.5, 9)
    backend.teardown()
    assert (engine.num_starts, engine.num_stops, backend.gen_method) == (1, 1, None)


def test_prepare_params_before_initialize_is_refused(tools):
    """Promise B7."""
    with pytest.raises(GenerationError, match="initialize"):
        make(tools, FakeEngine(numbered), ready=False).prepare_params()


def test_generate_before_prepare_params_is_refused(tools):
    """Promise B8."""
    backend = make(tools, FakeEngine(numbered), ready=False)
    with pytest.raises(GenerationError, match="initialize and prepare_params"):
        backend.generate()
    backend.initialize()
    with pytest.raises(GenerationError, match="prepare_params"):
        backend.generate()


def test_generate_after_teardown_is_refused(tools):
    backend = make(tools, FakeEngine(numbered))
    backend.teardown()
    with pytest.raises(GenerationError):
        backend.generate()


def test_teardown_is_idempotent_and_safe_at_any_time(tools):
    """Promise B11."""
    engine = FakeEngine(numbered)
    backend = make(tools, engine, ready=False)
    backend.teardown()
    backend.initialize()
    for _ in range(3):
        backend.teardown()
    assert engine.num_stops == 1


def test_teardown_survives_an_engine_that_fails_to_stop(tools, caplog):
    """Promise B12: what comes besides the engine is let go of, and the backend can be used again."""

    class Stuck(FakeEngine):
        def stop(self):
            super().stop()
            raise OSError("stuck")

    engine = Stuck(numbered)
    backend = make(tools, engine, target=5)
    backend.teardown()
    assert "stopped" in caplog.text
    assert backend.gen_method is None
    with pytest.raises(GenerationError, match="initialize"):
        backend.generate()
    backend.teardown()
    assert engine.num_stops == 1
    backend.initialize()
    backend.prepare_params()
    assert len(backend.generate().df) == 5


def test_an_engine_that_fails_to_start_is_stopped(tools):
    class Broken(FakeEngine):
        def start(self):
            raise OSError("no memory")

    engine = Broken(numbered)
    backend = make(tools, engine, ready=False)
    with pytest.raises(OSError, match="no memory"):
        backend.initialize()
    assert engine.num_stops == 1
    with pytest.raises(GenerationError):
        backend.prepare_params()


def test_initialize_twice_starts_once_and_works_again_after_teardown(tools):
    engine = FakeEngine(numbered)
    backend = make(tools, engine)
    backend.initialize()
    assert engine.num_starts == 1
    backend.teardown()
    backend.initialize()
    assert engine.num_starts == 2


def test_a_prompt_that_fills_the_context_is_refused(tools):
    with pytest.raises(ParameterError, match="context"):
        make(tools, FakeEngine(numbered), length=2)


def test_completions_are_as_long_as_the_context_allows(tools):
    engine = FakeEngine(numbered)
    make(tools, engine, length=64).generate()
    assert engine.params.max_new_tokens == 62


@pytest.mark.parametrize(("seen", "cut"), [(10, 13), (11, 15), (50, 61), (52, 62), (1000, 62)])
def test_completions_run_on_for_a_fifth_longer_than_any_seen_in_training(tools, seen, cut):
    engine = FakeEngine(numbered)
    backend = make(tools, engine, length=64, longest_completion=seen)
    backend.generate()
    assert engine.params.max_new_tokens == cut
    backend.prepare_params(max_new_tokens=62)


@pytest.mark.parametrize(
    "given",
    [
        {"temperature": -1},
        {"temperature": "warm"},
        {"temperature": float("nan")},
        {"top_p": 0},
        {"top_p": 1.1},
        {"max_new_tokens": 0},
        {"max_new_tokens": 63},
        {"constrained": 1},
        {"seed": -1},
        {"do_sample": False, "temperature": 1.0},
        {"repetition_penalty": 0},
        {"repetition_penalty": "much"},
        {"temprature": 1},
    ],
)
def test_wrong_sampling_parameters_are_refused(tools, given):
    """Promise B10: each by its name, and those in use stay."""
    engine = FakeEngine(numbered, sampling_options=frozenset({"repetition_penalty"}))
    backend = make(tools, engine)
    backend.prepare_params(temperature=0.5)
    with pytest.raises(ParameterError, match=next(iter(given))):
        backend.prepare_params(**given)
    backend.generate()
    assert engine.params.temperature == 0.5


def test_sampling_parameters_are_resolved_for_the_engine(tools):
    """Promise B10: what is left out, or None, comes from the configuration, and the rest is handed on."""
    config = RunConfig(generation=GenerationConfig(num_records=5, temperature=0.7, top_p=0.9, constrained=False))
    engine = FakeEngine(numbered)
    backend = make(tools, engine, config=config)
    for chosen, expected in (
        ({}, (0.7, 0.9, 62, False)),
        ({"temperature": None, "top_p": 0.5, "max_new_tokens": 9, "constrained": True}, (0.7, 0.5, 9, True)),
        ({"do_sample": False}, (0.0, 0.9, 62, False)),
    ):
        backend.prepare_params(**chosen)
        backend.generate()
        params = engine.params
        assert (params.temperature, params.top_p, params.max_new_tokens, params.constrained) == expected


def test_repetition_penalty_is_for_engines_that_take_it(tools):
    """Promise B27: others refuse it in words, unless it changes nothing."""
    engine = FakeEngine(numbered, sampling_options=frozenset({"repetition_penalty"}))
    backend = make(tools, engine)
    for chosen, expected in (({"repetition_penalty": 1.25}, 1.25), ({}, 1.0), ({"repetition_penalty": None}, 1.0)):
        backend.prepare_params(**chosen)
        backend.generate()
        assert engine.params.repetition_penalty == expected
    other = make(tools, FakeEngine(numbered))
    other.prepare_params(repetition_penalty=1.0)
    with pytest.raises(ParameterError, match=r"FakeEngine takes no repetition_penalty.*leave it out"):
        other.prepare_params(repetition_penalty=1.25)


# The loop


def test_the_first_batch_is_a_probe_and_later_ones_follow_the_yield(tools):
    seen = []
    backend = make(
        tools, FakeEngine(numbered), target=500, batch_finished=lambda done: seen.append(done.batch.num_prompts)
    )
    backend.generate()
    assert seen == [10, 100, 100, 100, 100, 90]


def test_an_engine_may_set_the_batch_size(tools):
    seen = []
    engine = FakeEngine(numbered, max_num_prompts=300, block_size=50)
    make(tools, engine, target=500, batch_finished=lambda done: seen.append(done.batch.num_prompts)).generate()
    assert seen == [10, 300, 200]


def test_it_stops_as_soon_as_the_target_is_met_and_aborts_the_rest(tools):
    """Promise B13."""
    engine = FakeEngine(lambda request: numbered(request) * 4)
    results = make(tools, engine, target=10).generate()
    assert engine.aborted
    assert engine.num_answered == 3
    assert (len(results.df), results.num_valid_records) == (10, 12)


def test_every_request_carries_the_prompt_the_forced_ids_and_a_new_id(tools):
    engine = FakeEngine(numbered)
    make(tools, engine, target=15, forced_ids=[8]).generate()
    assert {(request.prompt_ids, request.forced_ids) for request in engine.requests} == {((5, 6), (8,))}
    assert [request.request_id for request in engine.requests] == list(range(len(engine.requests)))


def test_a_second_generate_makes_new_records_and_a_new_backend_the_same_again(tools):
    """Promise B9."""
    backend = make(tools, FakeEngine(numbered), target=5)
    first, second = backend.generate().df["a"].tolist(), backend.generate().df["a"].tolist()
    assert not set(first) & set(second)
    engine = FakeEngine(numbered)
    assert make(tools, engine, target=5).generate().df["a"].tolist() == first
    again = FakeEngine(numbered)
    make(tools, again, target=5).generate()
    assert again.params.seed == engine.params.seed


@given(seed=st.integers(0, 999), block_size=st.integers(1, 7), texts_only=st.booleans())
def test_rows_and_counts_do_not_depend_on_order_or_block_size(tools, seed, block_size, texts_only):
    def shuffled(requests):
        return random.Random(seed).sample(requests, len(requests))

    def answer(request):
        return numbered(request) + (tools.bad if request.request_id % 3 else "")

    # Of exactly one full probe, so that no completion is aborted.
    plain = make(tools, FakeEngine(answer), target=10).generate()
    mixed = make(
        tools, FakeEngine(answer, order=shuffled, block_size=block_size, texts_only=texts_only), target=10
    ).generate()
    assert mixed.df["a"].tolist() == plain.df["a"].tolist()
    for name in ("num_valid_records", "num_invalid_records", "num_completion_tokens", "num_valid_record_tokens"):
        assert getattr(mixed, name) == getattr(plain, name)


@given(
    answers=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 2), st.sampled_from(["", "\n", "prose\n", '{"a":1,'])), min_size=1
    ),
    target=st.integers(1, 60),
    fail_at=st.none() | st.integers(0, 80),
    seed=st.integers(0, 99),
)
def test_counts_are_conserved_and_no_row_is_lost_or_made_up(tools, answers, target, fail_at, seed):
    """Promise B15."""
    given_out = []

    def answer(request):
        if fail_at is not None and request.request_id >= fail_at:
            raise OSError("lost connection")
        valid, invalid, tail = answers[request.request_id % len(answers)]
        given_out.append((valid, invalid + bool(tail.strip())))
        reply = numbered(request) * valid + tools.bad * invalid + tail
        return Reply(text=reply, finish_reason=FinishReason.LENGTH if tail.endswith(",") else FinishReason.STOP)

    def shuffled(requests):
        return random.Random(seed).sample(requests, len(requests))

    backend = make(tools, FakeEngine(answer, order=shuffled), target, policy=lambda: PatiencePolicy(0.9, 2))
    try:
        results = backend.generate()
    except GenerationFailure as failure:
        results = failure.results
        assert fail_at is not None
    assert results is backend.gen_results
    assert results.num_prompts == len(given_out)
    assert results.num_valid_records == sum(valid for valid, _ in given_out)
    assert results.num_invalid_records == sum(invalid for _, invalid in given_out)
    assert len(results.df) == min(target, results.num_valid_records)
    assert (results.status is GenerationStatus.COMPLETE) == (results.num_valid_records >= target)
    assert (results.stop_reason is None) == (results.status is GenerationStatus.COMPLETE)
    parts = results.num_valid_record_tokens, results.num_invalid_record_tokens, results.num_non_record_tokens
    assert sum(parts) == results.num_completion_tokens
    assert min(parts) >= 0


def test_data_actions_apply_to_every_batch_until_the_target_is_met(tools):
    """Promise B16."""
    results = make(tools, FakeEngine(numbered), target=30).generate(lambda rows: rows[rows["a"] % 2 == 0])
    assert results.status is GenerationStatus.COMPLETE
    assert len(results.df) == 30
    assert (results.df["a"] % 2 == 0).all()
    assert results.num_valid_records + results.num_invalid_records == results.num_prompts


@pytest.mark.parametrize("target", [1, 3, 11, 200])
@pytest.mark.parametrize("modulus", [2, 3, 7])
def test_data_actions_that_reject_much_do_not_end_the_job_early(tools, target, modulus):
    results = make(tools, FakeEngine(numbered), target).generate(lambda rows: rows[rows["a"] % modulus == modulus - 1])
    assert results.status is GenerationStatus.COMPLETE
    assert len(results.df) == target
    assert results.num_prompts <= modulus * target + 10 * modulus + 40


def test_data_actions_that_reject_everything_end_the_job(tools):
    results = make(tools, FakeEngine(numbered), target=3).generate(lambda rows: rows.head(0))
    assert results.status is GenerationStatus.STOP_NO_RECORDS
    assert results.num_prompts <= 110


def test_policies_are_made_anew_for_each_generate(tools):
    made = []

    def policy():
        made.append(PatiencePolicy(0.5, 1))
        return made[-1]

    backend = make(tools, FakeEngine(lambda request: tools.good + tools.bad * 3), target=90, policy=policy)
    for _ in range(2):
        results = backend.generate()
        assert results.status is GenerationStatus.STOP_METRIC_REACHED
        assert len(results.df) == 10
    assert len(made) == 2


def test_a_stop_of_a_policy_is_the_status_with_the_rows_so_far(tools):
    """Promise B14."""

    class After(StoppingPolicy):
        def decide(self, progress):
            return Stop(GenerationStatus.INCOMPLETE, "seen enough") if progress.num_batches == 2 else None

    results = make(tools, FakeEngine(numbered), target=1000, policy=After).generate()
    assert (results.status, results.stop_reason, len(results.df)) == (GenerationStatus.INCOMPLETE, "seen enough", 110)


@pytest.mark.parametrize("text", ["", "\n", "prose", '{"a":1,'])
@pytest.mark.parametrize("reason", [FinishReason.STOP, FinishReason.LENGTH])
def test_an_engine_that_is_never_valid_ends_soon(tools, text, reason):
    engine = FakeEngine(lambda request: Reply(text=text, finish_reason=reason))
    results = make(tools, engine, policy=PatiencePolicy).generate()
    assert results.status in (GenerationStatus.STOP_NO_RECORDS, GenerationStatus.STOP_METRIC_REACHED)
    assert results.num_prompts <= 30
    assert results.df.empty


def test_an_engine_that_is_hardly_ever_valid_ends_by_the_prompt_budget(tools):
    class Lenient(StoppingPolicy):
        patient = True

        def decide(self, progress):
            return None

    engine = FakeEngine(lambda request: tools.good if request.request_id == 3 else "", block_size=100)
    results = make(tools, engine, target=2, policy=Lenient).generate()
    assert (results.status, len(results.df)) == (GenerationStatus.INCOMPLETE, 1)
    assert "prompts" in results.stop_reason


def test_a_truncated_last_record_is_invalid_and_counted(tools):
    engine = FakeEngine(lambda request: Reply(text=tools.good + '{"a":2,"b":', finish_reason=FinishReason.LENGTH))
    results = make(tools, engine, target=10).generate()
    assert (results.num_valid_records, results.num_invalid_records) == (10, 10)
    assert results.num_valid_record_tokens == 10 * len(tools.good)
    assert results.num_non_record_tokens == 0


# What goes wrong


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (
            lambda request: Reply(text="{}\n", request_id=10_000) if request.request_id == 12 else numbered(request),
            "not asked",
        ),
        (
            lambda request: (
                Reply(text=numbered(request), request_id=11) if request.request_id == 12 else numbered(request)
            ),
            "twice",
        ),
        (lambda request: None if request.request_id == 12 else numbered(request), "unanswered"),
    ],
)
@pytest.mark.parametrize("block_size", [1, 4])
def test_unknown_duplicate_and_missing_ids_are_errors_that_keep_the_rows(tools, handler, words, block_size):
    backend = make(tools, FakeEngine(handler, block_size=block_size), target=10_000)
    with pytest.raises(GenerationError, match=words) as caught:
        backend.generate()
    results = caught.value.results
    assert results is backend.gen_results
    assert results.status is GenerationStatus.INCOMPLETE
    assert set(range(12)) <= set(results.df["a"])
    assert results.df["a"].is_unique
    assert len(results.df) == results.num_valid_records


@pytest.mark.parametrize("call", [0, 1, 2])
@pytest.mark.parametrize("at", [0, 5])
def test_a_failing_engine_keeps_the_rows_made_before(tools, call, at):
    """Promise B20."""
    engine = FakeEngine(numbered)

    def answer(request):
        if engine.num_calls == call + 1 and request.request_id % 10 == at:
            raise OSError("lost connection")
        return numbered(request)

    engine._handler = answer
    with pytest.raises(GenerationFailure, match="lost connection") as caught:
        make(tools, engine, target=10_000).generate()
    assert caught.value.results.df["a"].tolist() == list(range(10 * bool(call) + 500 * (call == 2) + at))
    assert caught.value.results.stop_reason == "OSError: lost connection"
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("at", [0, 4, 25])
def test_an_interrupt_ends_the_job_with_the_rows_so_far(tools, at):
    def answer(request):
        if request.request_id == at:
            raise KeyboardInterrupt
        return numbered(request)

    results = make(tools, FakeEngine(answer), target=100).generate()
    assert results.status is GenerationStatus.INCOMPLETE
    assert results.stop_reason == "interrupted"
    assert results.df["a"].tolist() == list(range(at))


def test_an_interrupt_inside_data_actions_keeps_the_batch(tools):
    calls = []

    def interrupted(rows):
        calls.append(len(rows))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return rows

    results = make(tools, FakeEngine(numbered), target=300).generate(interrupted)
    assert results.stop_reason == "interrupted"
    assert results.df["a"].tolist() == list(range(110))


def test_failing_data_actions_are_named_and_keep_earlier_batches(tools):
    def drops_ids(rows, accepted):
        return rows if len(accepted) == 0 else rows[["a"]]

    with pytest.raises(GenerationFailure, match="drops_ids") as caught:
        make(tools, FakeEngine(numbered), target=300).generate(drops_ids)
    assert isinstance(caught.value.__cause__, PluginContractError)
    assert caught.value.exit_code == PluginContractError.exit_code
    assert caught.value.results.df["a"].tolist() == list(range(10))


def test_a_failing_processor_keeps_the_rows_made_before(tools):
    def fragile(prompt_number, text):
        if prompt_number == 7:
            raise ZeroDivisionError
        return tools.processor(prompt_number, text)

    with pytest.raises(GenerationFailure) as caught:
        make(tools, FakeEngine(numbered), processor=fragile).generate()
    assert caught.value.results.df["a"].tolist() == list(range(7))


def test_an_engine_that_yields_something_else_is_named(tools):
    class Odd(FakeEngine):
        def complete(self, requests, params):
            return iter(["text"])

    with pytest.raises(GenerationFailure, match=r"Odd.*str.*CompletionBlock"):
        make(tools, Odd(numbered)).generate()


def test_an_engine_that_fails_while_it_is_aborted_takes_no_row_back(tools, caplog):
    class Sticky(FakeEngine):
        def complete(self, requests, params):
            try:
                yield from super().complete(requests, params)
            finally:
                raise OSError("cannot abort")

    results = make(tools, Sticky(numbered), target=5).generate()
    assert (results.status, len(results.df)) == (GenerationStatus.COMPLETE, 5)
    assert "aborted" in caplog.text


def test_missing_columns_are_reported_after_the_probe(tools):
    engine = FakeEngine(numbered)
    with pytest.raises(RowsmithError, match="nowhere"):
        make(tools, engine, target=1000, columns=["a", "nowhere"]).generate()
    assert len(engine.requests) == 10


# What observers see


def test_progress_and_errors_are_logged_after_each_batch(tools, caplog):
    """Promise B17: one line a batch, with the shares of errors and without cell text."""
    seen = []

    def look(done):
        seen.append(len([message for message in caplog.messages if message.startswith("batch ")]))

    engine = FakeEngine(lambda request: numbered(request) + (tools.bad + "prose\n") * (request.request_id % 2))
    with caplog.at_level(logging.INFO, logger="rowsmith.generation"):
        make(tools, engine, target=150, batch_finished=look).generate()
    lines = [message for message in caplog.messages if message.startswith("batch ")]
    assert seen == [1, 2, 3]
    assert lines[0] == (
        "batch 1: 10 valid and 10 invalid records of 10 prompts (Value of the wrong type 50 %; Invalid JSON 50 %); "
        "10 valid records of 150 so far"
    )
    assert lines[2].endswith("150 valid records of 150 so far")
    with caplog.at_level(logging.INFO, logger="rowsmith.generation"):
        make(tools, FakeEngine(numbered), target=10).generate()
    assert "10 valid and 0 invalid records of 10 prompts (no errors)" in caplog.messages[-2]


def test_observers_are_told_after_each_batch(tools, clock):
    """Promise B17: an observer is told, too."""
    seen = []
    make(tools, FakeEngine(numbered), target=50, batch_finished=seen.append, clock=clock).generate()
    assert [(done.number, done.num_prompts, done.num_valid_records) for done in seen] == [(0, 10, 10), (1, 50, 50)]
    first, last = seen
    assert (first.target_num_records, first.valid_record_fraction) == (50, 1.0)
    assert first.records_per_second == 10 / first.elapsed_seconds
    assert first.eta_seconds == pytest.approx(40 / first.records_per_second)
    assert last.eta_seconds == 0
    assert first.seconds > 0


def test_a_failing_observer_changes_nothing(tools, caplog):
    """Promise B17: an observer that fails changes nothing."""

    def broken(done):
        raise ZeroDivisionError

    results = make(tools, FakeEngine(numbered), batch_finished=broken).generate()
    assert results.status is GenerationStatus.COMPLETE
    assert "observer" in caplog.text


def test_rejected_texts_are_there_for_the_observer_and_gone_afterwards(tools):
    seen = []

    def look(done):
        seen.append((done.batch, len(list(done.batch.invalid_records()))))

    make(tools, FakeEngine(lambda request: tools.good + tools.bad), target=10, batch_finished=look).generate()
    ((batch, number),) = seen
    assert number == 10
    assert list(batch.invalid_records()) == []


def test_elapsed_time_is_that_of_the_last_generate(tools, clock):
    """Promise B19: after a longer run and a shorter one, that of the shorter one."""
    backend = make(tools, FakeEngine(numbered), target=500, clock=clock)
    first = backend.generate()
    assert backend.elapsed_time == first.elapsed_time > 0
    assert first.tokens_per_second == first.num_completion_tokens / first.elapsed_time
    backend.config = RunConfig(generation=GenerationConfig(num_records=5))
    second = backend.generate()
    assert backend.elapsed_time == second.elapsed_time < first.elapsed_time


def test_a_block_may_come_in_plain_lists(tools):
    class Plain(FakeEngine):
        def complete(self, requests, params):
            ids = [request.request_id for request in requests]
            texts = [numbered(request) for request in requests]
            yield CompletionBlock(
                request_ids=ids, lengths=list(map(len, texts)), finish_reasons=["stop"] * len(ids), texts=texts
            )

    assert len(make(tools, Plain(numbered), target=10).generate().df) == 10
