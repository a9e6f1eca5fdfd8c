"""Batched constrained sampling beside the obvious way: one row, the whole text again at every token."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from rowsmith.dialect import RecordDialect
from rowsmith.errors import GenerationError
from rowsmith.generation.requests import CompletionRequest, FinishReason, SamplingParams
from rowsmith.randomness.draws import Draws
from rowsmith_backends.scratch.decoding import engine as transformers_engine
from rowsmith_backends.scratch.decoding.automaton import build_automaton
from rowsmith_backends.scratch.decoding.engine import ColumnarEngine

from ...shared.scratch_training import Trained


def _engine(trained: Trained, **options: object) -> ColumnarEngine:
    # Tests compare rows drawn in batches of other sizes: less rounding, fewer draws on the edge.
    given = {"dtype": "float32", **options}
    engine = ColumnarEngine(trained.directory, trained.prepared.vocabulary, **given)
    engine.start()
    return engine


def _sample(
    engine: ColumnarEngine, ids: list[int], params: SamplingParams, forced: tuple[int, ...] = ()
) -> dict[int, list[int]]:
    requests = [CompletionRequest(i, (1,), forced_ids=forced) for i in ids]
    blocks = engine.complete(requests, params)
    return {int(i): block.row_ids(row) for block in blocks for row, i in enumerate(block.request_ids)}


def _slowly(trained: Trained, request: int, params: SamplingParams) -> list[int]:
    model = AutoModelForCausalLM.from_pretrained(trained.directory, attn_implementation="eager").eval()
    automaton = build_automaton(trained.prepared.vocabulary)
    draws = Draws(params.seed, np.array([request]))
    state, ids, left = automaton.start, [1], model.config.max_position_embeddings - 1
    while state != automaton.done:
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1].double()
        for token, following in enumerate(automaton.next_state[state]):
            if following < 0 or automaton.to_done[following] >= left:
                logits[token] = -torch.inf
        if params.temperature == 0:
            token = int(logits.argmax())
        else:
            chances = torch.softmax(logits / params.temperature, -1)
            token = int((chances.cumsum(-1) <= draws.uniform(len(ids) - 1)[0] * chances.sum()).sum())
        ids.append(token)
        state, left = int(automaton.next_state[state, token]), left - 1
    return ids[1:]


@pytest.mark.parametrize("temperature", [0, 0.7, 1.0])
@pytest.mark.parametrize("kind", ["closed", "opened"])
def test_a_batch_samples_what_one_row_after_another_samples(kind, temperature, request):
    trained = request.getfixturevalue(kind)
    params = SamplingParams(temperature=temperature, seed=5)
    batch = _sample(_engine(trained), list(range(40)), params)
    for number in (0, 7, 39):
        assert batch[number] == _slowly(trained, number, params)


@pytest.mark.parametrize("kind", ["closed", "opened"])
def test_a_row_does_not_depend_on_its_batch(kind, request):
    engine = _engine(request.getfixturevalue(kind), batch_size=16)
    params = SamplingParams(seed=1)
    together = _sample(engine, list(range(50)), params)
    assert _sample(engine, [3, 49, 11], params) == {i: together[i] for i in (3, 11, 49)}


@pytest.mark.parametrize("kind", ["closed", "opened"])
def test_rows_do_not_depend_on_how_many_threads_make_them(kind, request):
    engine, usual, made = _engine(request.getfixturevalue(kind), batch_size=16), torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            made.append(_sample(engine, list(range(600)), SamplingParams(seed=1)))
    finally:
        torch.set_num_threads(usual)
    assert list(made[0].items()) == list(made[1].items())


@pytest.mark.parametrize("kind", ["closed", "opened"])
@pytest.mark.parametrize("constrained", [True, False])
def test_rows_are_the_same_however_few_beginnings_a_step_takes(kind, constrained, request):
    params = SamplingParams(seed=3, constrained=constrained)
    ids = list(range(60))
    whole = _sample(_engine(request.getfixturevalue(kind)), ids, params)
    for nodes in (1, 7, 59):
        engine = _engine(request.getfixturevalue(kind), batch_size=nodes)
        assert _sample(engine, ids, params) == whole
    assert sorted(whole) == ids


@pytest.mark.parametrize("kind", ["closed", "opened"])
def test_every_constrained_completion_is_a_valid_record(kind, request):
    trained = request.getfixturevalue(kind)
    dialect = RecordDialect(trained.prepared.model_schema)
    engine = _engine(trained)
    for block in engine.complete([CompletionRequest(i, (1,)) for i in range(300)], SamplingParams(seed=2)):
        for row in range(len(block)):
            assert block.finish_reasons[row] is FinishReason.STOP
            dialect.decode(block.text(row))


def test_a_limit_below_the_shortest_record_cuts_it_off(closed):
    for ids in _sample(_engine(closed), [0, 1], SamplingParams(max_new_tokens=2)).values():
        assert len(ids) == 2


def test_forced_tokens_begin_the_completion(closed):
    field = closed.prepared.vocabulary.fields[0]
    for ids in _sample(_engine(closed), list(range(20)), SamplingParams(), forced=(field.start + 2,)).values():
        assert ids[0] == field.start + 2


def test_forced_tokens_outside_the_grammar_are_refused(closed):
    with pytest.raises(GenerationError, match="cannot follow"):
        _sample(_engine(closed), [0], SamplingParams(), forced=(2,))


def test_small_top_p_takes_the_likeliest(closed):
    engine = _engine(closed)
    greedy = _sample(engine, [0], SamplingParams(temperature=0))
    assert _sample(engine, [0], SamplingParams(top_p=1e-9)) == greedy


def test_the_model_learned_what_follows_from_what(closed):
    block = next(iter(_engine(closed).complete([CompletionRequest(i, (1,)) for i in range(400)], SamplingParams())))
    dialect = RecordDialect(closed.prepared.model_schema)
    records = [dialect.decode(block.text(row)) for row in range(len(block))]
    assert np.mean([(record["a"] % 2 == 0) == (record["b"] == "even") for record in records]) > 0.9


def test_an_engine_that_was_not_started_says_so(closed):
    engine = ColumnarEngine(closed.directory, closed.prepared.vocabulary)
    with pytest.raises(GenerationError, match="initialize"):
        next(iter(engine.complete([CompletionRequest(0, (1,))], SamplingParams())))
    engine.stop()
    engine.stop()


def test_a_device_that_is_not_there_is_named_with_what_to_do(closed):
    with pytest.raises(GenerationError, match=r"device 'meta9' cannot be used .*set backend\.options\.device"):
        _engine(closed, device="meta9")


def test_an_error_elsewhere_is_not_blamed_on_the_device(closed, monkeypatch):
    def flawed(*arguments: object) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(transformers_engine, "forward_step_for", flawed)
    with pytest.raises(RuntimeError, match=r"^shapes differ$"):
        _engine(closed)
