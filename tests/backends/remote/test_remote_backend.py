"""The backend ``remote``: rows from a server, whatever it takes and gives."""

import json
import re
import socket
import threading

import numpy as np
import pytest

from rowsmith.errors import BundleError, ConfigError, GenerationError, ParameterError
from rowsmith.generation import CompletionRequest, FinishReason, GenerationStatus, SamplingParams
from rowsmith.runs.stages.inversion import InverseTransforms
from rowsmith_backends.remote.options import RemoteOptions
from rowsmith_backends.sampling.request_seeds import request_seed

from .serving import LENIENT, OPENAI, TRANSFORMERS, hang, serving

KINDS = {
    "vllm": {},
    "token ids and nothing else": {"fields": OPENAI},
    "anything, not understood": {"fields": LENIENT},
    "text": {"fields": OPENAI, "ids": False},
    "transformers": {"fields": TRANSFORMERS, "ids": False},
}


def bodies(local):
    """The requests that are not questions of what the server takes."""
    return [body for body in local.bodies if "seed" in body]


def asked(engine, requests, **params):
    blocks = list(engine.complete(requests, SamplingParams(**params)))
    return {int(i): (block, row) for block in blocks for row, i in enumerate(block.request_ids)}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_come_from_servers_of_every_kind(kind, local, make, people, bundle):
    for name, value in KINDS[kind].items():
        setattr(local, name, value)
    results = make().generate(InverseTransforms(bundle, 0))
    assert results.status is GenerationStatus.COMPLETE
    assert len(results.df) == 30
    assert set(results.df["grown"]) <= {"yes", "no"}
    assert results.df["age"].between(people["age"].min(), people["age"].max()).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_repetition_penalty_is_asked_of_servers_that_know_it_and_refused_elsewhere(kind, local, make):
    """Promise B27: a server that would overlook it is found out."""
    for name, value in KINDS[kind].items():
        setattr(local, name, value)
    backend = make(num_records=3)
    backend.prepare_params(repetition_penalty=2.5)
    if kind not in ("vllm", "transformers"):
        with pytest.raises(GenerationError, match="takes no repetition_penalty; leave it out"):
            backend.generate()
        return
    backend.generate()
    for body in bodies(local):
        told = body if kind == "vllm" else json.loads(body["generation_config"])
        assert told["repetition_penalty"] == 2.5


def test_rows_are_the_same_whatever_the_concurrency_and_the_order(local, make):
    first = make(concurrency=1).generate().df
    second = make(concurrency=16).generate().df
    assert first.equals(second)
    assert 2 <= local.busiest <= 16


def test_a_request_says_all_that_matters(local, make):
    make(num_records=3).generate()
    body = bodies(local)[0]
    assert body["prompt"] == [local.bundle.vocabulary.bos_id]
    assert (body["temperature"], body["top_p"]) == (1.0, 1.0)
    assert (body["top_k"], body["repetition_penalty"]) == (-1, 1.0)
    assert body["stop_token_ids"] == [local.bundle.vocabulary.eos_id]
    assert body["max_tokens"] >= 4
    assert body["structured_outputs"]["regex"]
    assert len({each["seed"] for each in bodies(local)}) == len(bodies(local))


def test_the_only_model_is_found_and_a_choice_is_asked_for(local, make):
    assert make(num_records=3).engine is not None
    local.models = ["people", "other"]
    with pytest.raises(GenerationError, match=r"'people', 'other'.*backend.options.model"):
        make()
    assert len(make(3, model="people").generate().df) == 3


def test_no_grammar_is_sent_where_it_is_not_kept(local, make):
    local.fields = LENIENT
    make(num_records=3).generate()
    assert all("structured_outputs" not in body for body in bodies(local))
    with pytest.raises(GenerationError, match=r"writes what it likes.*backend.options.grammar"):
        make(grammar="structured_outputs")


def test_no_grammar_is_sent_when_none_is_wanted(local, make):
    make(num_records=3, grammar="none").generate()
    assert all("structured_outputs" not in body for body in local.bodies)


def test_what_the_engine_can_do_depends_on_the_server(local, make):
    assert make(ready=False).engine.capabilities == {"seed", "forced-tokens"}
    assert make(ready=False, grammar="regex").engine.capabilities == {"seed", "forced-tokens", "constrained"}
    assert make().engine.capabilities == {"seed", "forced-tokens", "constrained", "log-probs"}
    local.fields = LENIENT
    assert make().engine.capabilities == {"seed", "forced-tokens"}


def test_token_ids_come_back_and_say_which_column_they_are(local, make):
    engine = make().engine
    (block, row) = asked(engine, [CompletionRequest(5, (local.bundle.vocabulary.bos_id,))])[5]
    assert block.row_ids(row)[-1] == local.bundle.vocabulary.eos_id
    assert json.loads(block.text(row).splitlines()[0]).keys() == {"age", "grown", "visits"}
    assert block.finish_reasons[row] == FinishReason.STOP


def test_forced_ids_are_sent_as_the_end_of_the_prompt_and_come_back(local, make):
    vocabulary, engine = local.bundle.vocabulary, make().engine
    forced = (vocabulary.fields[0].start,)
    (block, row) = asked(engine, [CompletionRequest(1, (vocabulary.bos_id,), forced_ids=forced)])[1]
    assert tuple(bodies(local)[-1]["prompt"]) == (vocabulary.bos_id, *forced)
    assert block.row_ids(row)[0] == forced[0]
    assert block.text(row).startswith(vocabulary.fields[0].fragments[0])
    assert len(block.row_ids(row)) == block.lengths[row]


def test_forced_ids_that_take_all_there_is_are_the_completion(local, make):
    vocabulary, engine = local.bundle.vocabulary, make().engine
    forced = (vocabulary.fields[0].start, vocabulary.fields[1].start)
    request = CompletionRequest(1, (vocabulary.bos_id,), max_tokens=2, forced_ids=forced)
    (block, row) = asked(engine, [request])[1]
    assert (tuple(block.row_ids(row)), block.finish_reasons[row]) == (forced, FinishReason.LENGTH)


def test_a_completion_that_is_cut_says_so(local, make):
    engine = make().engine
    found = asked(engine, [CompletionRequest(1, (local.bundle.vocabulary.bos_id,), max_tokens=2)])
    assert found[1][0].finish_reasons[found[1][1]] == FinishReason.LENGTH


def test_log_probabilities_need_token_ids(local, make):
    local.fields = OPENAI
    engine = make().engine
    with pytest.raises(ParameterError, match="log_probs needs a server that takes and gives token ids"):
        list(engine.complete([CompletionRequest(1, (1,))], SamplingParams(log_probs=True)))


def test_nothing_asked_nothing_answered(make):
    assert list(make().engine.complete([], SamplingParams())) == []


def test_an_engine_is_started_first_and_can_be_stopped_at_any_time_and_started_again(make):
    backend = make(ready=False)
    backend.engine.stop()
    with pytest.raises(GenerationError, match="initialize"):
        next(iter(backend.engine.complete([CompletionRequest(1, (1,))], SamplingParams())))
    for _ in range(2):
        backend.initialize()
        backend.prepare_params()
        assert len(backend.generate().df) == 30
        backend.teardown()
        backend.engine.stop()


def test_nothing_is_left_running(make):
    backend = make()
    backend.generate()
    backend.teardown()
    assert not [thread for thread in threading.enumerate() if thread.name == "rowsmith-remote"]


def test_closing_gives_up_what_is_under_way(local, make):
    engine = make(concurrency=4).engine
    gone = threading.Event()

    def slow(number, connection):
        if number == 0:
            return False
        connection.connection.settimeout(10)
        if connection.rfile.read(1) == b"":
            gone.set()
        return True

    local.fault = slow
    completing = engine.complete([CompletionRequest(i, (1,)) for i in range(4)], SamplingParams())
    assert len(next(completing)) == 1
    completing.close()
    assert gone.wait(5)


def test_stopping_ends_a_call_that_is_under_way(local, make):
    engine = make(concurrency=4).engine
    local.fault = lambda number, connection: number > 0 and hang(number, connection)
    completing = engine.complete([CompletionRequest(i, (1,)) for i in range(4)], SamplingParams())
    assert len(next(completing)) == 1
    threading.Timer(0.2, engine.stop).start()
    with pytest.raises(GenerationError, match="stopped while it was asked"):
        list(completing)


def test_it_says_that_it_is_remote(make):
    """Promise B18."""
    assert make(ready=False).remote is True


def test_a_server_that_reads_other_tokens_is_refused(local, make, monkeypatch):
    wrong = type(local)._completed
    monkeypatch.setattr(
        type(local), "_completed", lambda self, body: wrong(self, body) | {"usage": {"prompt_tokens": 9}}
    )
    with pytest.raises(
        GenerationError, match="reads other tokens than the model was trained with: 9 for a prompt of 1"
    ):
        make()


def test_a_wide_vocabulary_is_refused(bundle, make, monkeypatch):
    monkeypatch.setattr("rowsmith_backends.scratch.vocabulary_width._FULL_SOFTMAX_TOKENS", 3)
    with pytest.raises(BundleError, match=r"one column at a time.*backend transformers"):
        make(ready=False)


# Options


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://host/v1",
        "http://",
        "http://me:hunter2@host/v1",
        "http://host/v1?key=hunter2",
        "http://h\nx",
    ],
)
def test_addresses_that_are_none_are_refused_without_repeating_a_password(url):
    with pytest.raises(ValueError, match="url must") as caught:
        RemoteOptions(url=url)
    assert "hunter2" not in str(caught.value)


def test_a_key_in_place_of_its_variable_is_refused_and_not_repeated(registry, bundle):
    from rowsmith.components import ComponentRef, Kind
    from rowsmith.config import RunConfig
    from rowsmith.context import BuildContext
    from rowsmith.randomness.seeds import Seeds

    context = BuildContext(config=RunConfig(), registry=registry, seeds=Seeds(0), bundle=bundle)
    with pytest.raises(ConfigError) as caught:
        registry.build(Kind.BACKEND, ComponentRef(name="remote", options={"api_key_env": "sk-hunter2"}), context)
    assert "environment variable" in str(caught.value)
    assert "hunter2" not in str(caught.value)


# Seeds


def test_requests_that_are_counted_up_share_no_seed():
    seeds = [request_seed(3, i) for i in range(100_000)]
    assert len(set(seeds)) == 100_000
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert request_seed(3, 5) != request_seed(4, 5)
    assert request_seed(3, 5 << 40) != request_seed(3, 6 << 40)
    assert np.unique(np.diff(seeds)).size <= 2


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_servers_may_come_up_while_they_are_asked(local, make):
    port, backends = free_port(), []
    asking = threading.Thread(
        target=lambda: backends.append(make(3, url=f"http://127.0.0.1:{port}/v1", retries=8)), daemon=True
    )
    asking.start()
    with serving(local, port):
        asking.join(20)
        assert len(backends[0].generate().df) == 3


def test_what_a_prompt_ends_with_is_gone_on_from(local, make):
    vocabulary, engine = local.bundle.vocabulary, make().engine
    first = vocabulary.fields[0]
    asked(engine, [CompletionRequest(1, (vocabulary.bos_id, first.start))])
    regex = bodies(local)[-1]["structured_outputs"]["regex"]
    assert re.fullmatch(regex, vocabulary.fields[1].fragments[0] + vocabulary.fields[2].fragments[0])
