"""Sampling inside an engine that batches requests by itself, beside the engine of columnar models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from attrs import define, field
from transformers import AutoModelForCausalLM

from rowsmith.errors import GenerationError
from rowsmith.generation.requests import CompletionRequest, SamplingParams
from rowsmith.testing.answers import answers
from rowsmith_backends.sampling.batch_sampler import BatchRequest
from rowsmith_backends.scratch.decoding.batch_sampler import AutomatonBatchSampler
from rowsmith_backends.scratch.decoding.engine import ColumnarEngine

from ...shared.grouped_tables import group_table
from ...shared.scratch_training import Trained, closed_table, open_table, train

SLOTS = 5


@pytest.fixture(scope="module", params=["closed", "open", "grouped"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    made = {
        "closed": lambda: closed_table(600),
        "open": lambda: open_table(600),
        "grouped": lambda: group_table(60)[:2],
    }
    return train(made[request.param](), tmp_path_factory.mktemp("trained") / "model", max_steps=10)


@pytest.fixture(scope="module")
def engine(trained: Trained) -> ColumnarEngine:
    made = ColumnarEngine(trained.directory, trained.prepared.vocabulary, dtype="float32", device="cpu")
    made.start()
    return made


@define
class Batching:
    """An engine as vLLM is one: requests enter rows as others leave them, and change rows in between."""

    trained: Trained
    done: dict[int, tuple[int, ...]] = field(factory=dict)

    def run(self, requests: Sequence[CompletionRequest], params: SamplingParams) -> dict[int, tuple[int, ...]]:
        model = AutoModelForCausalLM.from_pretrained(self.trained.directory).eval()
        room = model.config.max_position_embeddings
        vocabulary = self.trained.prepared.vocabulary
        sampler = AutomatonBatchSampler(vocabulary, SLOTS, torch.device("cpu"))
        waiting, under_way = list(requests), []
        while waiting or under_way:
            while waiting and len(under_way) < SLOTS:
                request = waiting.pop(0)
                batch_request = _batch_request(request, params, room - len(request.prompt_ids))
                prompt, written = [*request.prompt_ids, *request.forced_ids], []
                sampler.add(len(under_way), batch_request, prompt, written)
                under_way.append((request, batch_request, prompt, written))
            if len(under_way) > 1:
                sampler.swap(0, 1)
                under_way[:2] = under_way[1::-1]
            with torch.no_grad():
                logits = [model(torch.tensor([prompt + written])).logits[0, -1] for *_, prompt, written in under_way]
            chosen = sampler.sample(torch.stack(logits).float()).argmax(-1).tolist()
            for (*_, written), token in zip(under_way, chosen, strict=True):
                written.append(token)
            for row in reversed(range(len(under_way))):
                self._leave(sampler, under_way, row, vocabulary.eos_id)
        return self.done

    def _leave(self, sampler: AutomatonBatchSampler, under_way: list, row: int, eos: int) -> None:
        request, batch_request, _, written = under_way[row]
        ids = (*request.forced_ids, *written)
        if written[-1] != eos and len(ids) < batch_request.max_tokens:
            return
        self.done[request.request_id] = ids
        last = len(under_way) - 1
        sampler.swap(row, last)
        sampler.remove(last)
        under_way[row] = under_way[last]
        under_way.pop()


def _batch_request(request: CompletionRequest, params: SamplingParams, room: int) -> BatchRequest:
    return BatchRequest(
        request_id=request.request_id,
        seed=params.seed,
        forced=len(request.forced_ids),
        max_tokens=min(request.max_tokens or room, room),
        max_records=request.max_records,
        temperature=params.temperature,
        top_p=params.top_p,
        constrained=params.constrained,
        repetition_penalty=params.repetition_penalty,
    )


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(seed=4),
        SamplingParams(seed=4, temperature=0.0),
        SamplingParams(temperature=0.6, top_p=0.8),
        SamplingParams(constrained=False),
        SamplingParams(seed=4, extra={"repetition_penalty": 3.0}),
    ],
    ids=["sampled", "greedy", "sharper", "free", "penalized"],
)
def test_requests_are_completed_as_by_the_engine_of_columnar_models(
    trained: Trained, engine: ColumnarEngine, params: SamplingParams
) -> None:
    """Promise B27: with a repetition penalty, as vLLM's logits processor draws, among others."""
    requests = [CompletionRequest(name, (1,), max_tokens=40) for name in (3, 0, 2**40, 8, 5, 6, 7, 9)]
    expected = {name: each.ids for name, each in answers(engine, requests, params).items()}
    assert Batching(trained).run(requests, params) == expected


def test_forced_ids_and_limits_are_heeded(trained: Trained, engine: ColumnarEngine) -> None:
    params = SamplingParams(seed=2)
    drawn = answers(engine, [CompletionRequest(0, (1,))], params)[0].ids
    requests = [CompletionRequest(place, (1,), forced_ids=drawn[:place]) for place in range(3)]
    requests += [CompletionRequest(place, (1,), max_tokens=place) for place in range(3, 9)]
    expected = {name: each.ids for name, each in answers(engine, requests, params).items()}
    assert Batching(trained).run(requests, params) == expected


def test_what_breaks_the_grammar_is_refused(trained: Trained) -> None:
    sampler = AutomatonBatchSampler(trained.prepared.vocabulary, 1, torch.device("cpu"))
    batch_request = _batch_request(CompletionRequest(0, (1,), forced_ids=(2,)), SamplingParams(), 10)
    with pytest.raises(GenerationError, match="cannot follow"):
        sampler.add(0, batch_request, [1, 2], [])


def test_the_most_records_end_a_completion(trained: Trained) -> None:
    found = Batching(trained).run([CompletionRequest(0, (1,), max_records=1)], SamplingParams())
    vocabulary = trained.prepared.vocabulary
    assert found[0][-1] == vocabulary.eos_id
    assert vocabulary.decode(found[0]).count("\n") == 1


def test_rows_without_a_request_are_left_alone(trained: Trained) -> None:
    sampler = AutomatonBatchSampler(trained.prepared.vocabulary, 3, torch.device("cpu"))
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(3, len(trained.prepared.vocabulary)))).float()
    before = logits.clone()
    batch_request = _batch_request(CompletionRequest(0, (1,)), SamplingParams(), 10)
    sampler.add(1, batch_request, [1], [])
    after = sampler.sample(logits)
    assert torch.equal(after[[0, 2]], before[[0, 2]])
    assert (after[1] == 0).sum() == 1
