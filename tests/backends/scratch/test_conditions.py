"""Records under conditions come from the conditional distribution of the model, not from its masked steps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from transformers import AutoModelForCausalLM

from rowsmith.generation.requests import AllowedValues, CompletionBlock, CompletionRequest, SamplingParams
from rowsmith_backends.sampling.conditions import choose, effective_sizes
from rowsmith_backends.scratch.decoding.engine import ColumnarEngine

from ...shared.scratch_training import Trained, closed_table, train

ALLOWED = {"b": ("even",), "c": (None, "2")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(closed_table(600), tmp_path_factory.mktemp("trained") / "model", max_steps=25)


@pytest.fixture(scope="module")
def engine(trained: Trained) -> ColumnarEngine:
    engine = ColumnarEngine(trained.directory, trained.prepared.vocabulary, dtype="float32")
    engine.start()
    return engine


def _exact(trained: Trained) -> dict[tuple[int, ...], float]:
    """The probability of every record under the grammar, from the whole text of each."""
    model = AutoModelForCausalLM.from_pretrained(trained.directory).eval()
    fields = trained.prepared.vocabulary.fields
    slices = [range(item.start, item.start + item.generated) for item in fields]
    found = {}
    for ids in itertools.product(*slices):
        with torch.no_grad():
            logits = model(torch.tensor([[1, *ids]])).logits[0].double()
        steps = [
            logits[place, part.start : part.stop].log_softmax(-1)[token - part.start]
            for place, (part, token) in enumerate(zip(slices, ids, strict=True))
        ]
        found[ids] = float(sum(steps).exp())
    return found


def _records(engine: ColumnarEngine, rows: int, candidates: int) -> tuple[list[tuple[int, ...]], list[CompletionBlock]]:
    params = SamplingParams(seed=3, allowed=AllowedValues(columns=ALLOWED, candidates=candidates))
    blocks = list(engine.complete([CompletionRequest(i, (1,)) for i in range(rows)], params))
    return [tuple(block.row_ids(row) or ())[:3] for block in blocks for row in range(len(block))], blocks


def _fit(trained: Trained, records: list[tuple[int, ...]]) -> float:
    """The p-value of records beside the exact distribution under the condition."""
    values = [dict(zip(range(f.start, f.stop), f.values, strict=True)) for f in trained.prepared.vocabulary.fields]
    exact = {
        ids: chance
        for ids, chance in _exact(trained).items()
        if values[1][ids[1]] in ALLOWED["b"] and values[2][ids[2]] in ALLOWED["c"]
    }
    assert set(records) <= set(exact)
    total = sum(exact.values())
    expected = np.array([chance / total * len(records) for chance in exact.values()])
    counts = np.array([records.count(ids) for ids in exact])
    return float(chisquare(counts, expected).pvalue)


def test_records_under_a_condition_are_as_frequent_as_the_model_says(trained: Trained, engine: ColumnarEngine) -> None:
    records, blocks = _records(engine, 4_000, 64)
    assert len(records) == 4_000
    assert _fit(trained, records) > 1e-3
    sizes = np.concatenate([block.candidates for block in blocks])
    assert (sizes >= 1).all() and (sizes <= 64).all()


def test_a_row_with_given_values_is_completed_as_the_model_says(trained: Trained, engine: ColumnarEngine) -> None:
    """Half of the rows are given two late values, the others another one: each half has its own distribution."""
    params = SamplingParams(seed=5, allowed=AllowedValues(columns={}, candidates=64))
    given = [(("b", "even"), ("c", None)), (("b", "odd"),)]
    requests = [CompletionRequest(i, (1,), given=given[i % 2]) for i in range(4_000)]
    found: dict[int, tuple[int, ...]] = {}
    for block in engine.complete(requests, params):
        found |= {int(i): tuple(block.row_ids(row) or ())[:3] for row, i in enumerate(block.request_ids)}
    values = [dict(zip(range(f.start, f.stop), f.values, strict=True)) for f in trained.prepared.vocabulary.fields]
    for half, wanted in enumerate(given):
        columns = [("a", "b", "c").index(name) for name, _ in wanted]
        exact = {
            ids: chance
            for ids, chance in _exact(trained).items()
            if all(values[column][ids[column]] == value for column, (_, value) in zip(columns, wanted, strict=True))
        }
        records = [record for i, record in found.items() if i % 2 == half]
        assert set(records) <= set(exact)
        expected = np.array(list(exact.values())) / sum(exact.values()) * len(records)
        assert chisquare([records.count(ids) for ids in exact], expected).pvalue > 1e-3


def test_masks_alone_are_wrong_so_the_test_above_says_something(trained: Trained, engine: ColumnarEngine) -> None:
    records, _ = _records(engine, 4_000, 1)
    assert _fit(trained, records) < 1e-6


def test_a_row_does_not_depend_on_the_others(engine: ColumnarEngine) -> None:
    many, _ = _records(engine, 300, 8)
    few, _ = _records(engine, 40, 8)
    assert many[:40] == few


def test_a_condition_without_any_value_gives_an_empty_completion(engine: ColumnarEngine) -> None:
    params = SamplingParams(allowed=AllowedValues(columns={"c": ()}, candidates=4))
    (block,) = engine.complete([CompletionRequest(i, (1,)) for i in range(3)], params)
    assert block.lengths.tolist() == [0, 0, 0]
    assert block.candidates.tolist() == [0, 0, 0]


@given(
    weights=st.lists(st.floats(-800, 800) | st.just(float("-inf")), min_size=1, max_size=8),
    uniform=st.floats(0, 1, exclude_max=True),
)
def test_only_a_candidate_with_weight_is_chosen(weights: list[float], uniform: float) -> None:
    (chosen,) = choose(np.array([weights]), np.array([uniform])).tolist()
    if max(weights) == float("-inf"):
        assert chosen == -1
    else:
        assert weights[chosen] > float("-inf")


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=12), st.floats(-300, 300))
def test_the_effective_size_is_between_one_and_all_and_free_of_scale(weights: list[float], shift: float) -> None:
    (size,) = effective_sizes(np.array([weights])).tolist()
    assert 1 - 1e-9 <= size <= len(weights) + 1e-9
    (shifted,) = effective_sizes(np.array([weights]) + shift).tolist()
    assert shifted == pytest.approx(size, rel=1e-6)
