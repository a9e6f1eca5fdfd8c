"""The engine of columnar models keeps what every engine promises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, RepetitionPenaltyLogitsProcessor

from rowsmith.generation.requests import CompletionRequest, Engine, SamplingParams
from rowsmith.table.schema import ModelSchema
from rowsmith.testing.agreement import agreement
from rowsmith.testing.answers import answers
from rowsmith.testing.backend_conformance import BackendConformance
from rowsmith_backends.scratch.decoding.engine import ColumnarEngine

from ...shared.scratch_training import Trained, closed_table, open_table, train


@pytest.fixture(scope="module", params=["closed", "open"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    made = closed_table(600) if request.param == "closed" else open_table(600)
    return train(made, tmp_path_factory.mktemp("trained") / "model", max_steps=10)


@pytest.fixture(scope="module")
def other(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model of the same table that was trained for longer."""
    closed = trained.prepared.vocabulary.closed
    made = closed_table(600) if closed else open_table(600)
    return train(made, tmp_path_factory.mktemp("other") / "model", max_steps=40)


class TestColumnarEngine(BackendConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def make_engine(cls, trained: Trained) -> Callable[[], Engine]:
        return lambda: ColumnarEngine(trained.directory, trained.prepared.vocabulary, dtype="float32")

    @pytest.fixture(scope="class")
    @classmethod
    def prompt_ids(cls) -> tuple[int, ...]:
        return (1,)

    @pytest.fixture(scope="class")
    @classmethod
    def schema(cls, trained: Trained) -> ModelSchema:
        return trained.prepared.vocabulary.schema


def test_log_probabilities_are_those_of_the_whole_text_read_at_once(trained: Trained) -> None:
    engine = ColumnarEngine(trained.directory, trained.prepared.vocabulary, dtype="float32")
    engine.start()
    found = answers(engine, [CompletionRequest(i, (1,)) for i in range(3)], SamplingParams(log_probs=True))
    model = AutoModelForCausalLM.from_pretrained(trained.directory).eval()
    for answer in found.values():
        with torch.no_grad():
            scores = model(torch.tensor([[1, *answer.ids]])).logits[0].log_softmax(-1)
        expected = [float(scores[place, token]) for place, token in enumerate(answer.ids)]
        np.testing.assert_allclose(answer.log_probs, expected, atol=1e-4)


@pytest.mark.parametrize("penalty", [0.02, 4.0])
def test_the_repetition_penalty_is_that_of_transformers(trained: Trained, penalty: float) -> None:
    """Promise B27: greedy completions without a grammar are those of transformers' own logits processor."""
    engine = ColumnarEngine(trained.directory, trained.prepared.vocabulary, dtype="float32")
    engine.start()
    params = SamplingParams(temperature=0.0, constrained=False, extra={"repetition_penalty": penalty})
    requests = [CompletionRequest(0, (1,), 12), CompletionRequest(1, (7, 1), 12), CompletionRequest(2, (9, 1), 12)]
    found = answers(engine, requests, params)
    model = AutoModelForCausalLM.from_pretrained(trained.directory).eval()
    processor = RepetitionPenaltyLogitsProcessor(penalty)
    for request in requests:
        ids = torch.tensor([request.prompt_ids])
        while ids.shape[1] < len(request.prompt_ids) + 12 and ids[0, -1] != trained.prepared.vocabulary.eos_id:
            with torch.no_grad():
                scores = processor(ids, model(ids).logits[:, -1])
            ids = torch.cat([ids, scores.argmax(-1, keepdim=True)], dim=1)
        written = list(found[request.request_id].ids)  # as far as the small context goes
        assert len(written) > 2
        assert written == ids[0, len(request.prompt_ids) :].tolist()[: len(written)]
    plain = answers(engine, requests, SamplingParams(temperature=0.0, constrained=False))
    assert penalty > 1 or any(tuple(plain[i].ids) != tuple(found[i].ids) for i in range(3))


def test_an_engine_agrees_with_itself_and_not_with_another_model(trained: Trained, other: Trained) -> None:
    engines = [ColumnarEngine(each.directory, each.prepared.vocabulary) for each in (trained, trained, other)]
    for engine in engines:
        engine.start()
    same = agreement(engines[0], engines[1], [(1,)] * 3, max_tokens=20)
    same.check(margin=0.0, tolerance=1e-5)
    assert same.num_tokens > 3
    with pytest.raises(AssertionError, match="differ"):
        agreement(engines[0], engines[2], [(1,)] * 3, max_tokens=20).check()
