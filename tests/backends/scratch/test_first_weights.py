"""What a model knows before it has learned anything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rowsmith.assembly.ranges import IGNORED
from rowsmith.model import PreparedModel
from rowsmith.table.schema import ColumnType
from rowsmith.vocabulary import Vocabulary
from rowsmith_backends.scratch.model import ScratchModel
from rowsmith_backends.scratch.training.initial_weights import InitialWeights
from rowsmith_backends.training.examples import Examples, ListedExamples, examples_of

from ...shared.scratch_training import OPTIONS, examples
from ...shared.spelled_tables import schema, table

_KINDS = ["w", *["x"] * 3, *["y"] * 12, *["z"] * 34]


def _prepared() -> PreparedModel:
    draw = np.random.default_rng(0)
    rows = 1_000
    columns = table(
        age=[str(age) for age in draw.geometric(0.2, rows).clip(max=12)],
        kind=draw.choice(_KINDS, rows).tolist(),
        flag=["yes" if each else "no" for each in draw.random(rows) < 0.02],
    )
    types = {"age": ColumnType.INTEGER, "kind": ColumnType.CATEGORICAL, "flag": ColumnType.CATEGORICAL}
    return ScratchModel(OPTIONS).prepare(columns, schema(**types))


def _given(vocabulary: Vocabulary, train: Examples, *, by_column: bool) -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 160}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(vocabulary), **shape, tie_word_embeddings=False))
    InitialWeights.of(vocabulary, train, by_column=by_column, seed=0).apply(model)
    return model


def _made(by_column: bool) -> tuple[LlamaForCausalLM, Vocabulary, dict[str, np.ndarray]]:
    prepared = _prepared()
    train = examples_of(examples(prepared).train, 0)
    assert prepared.vocabulary is not None
    model = _given(prepared.vocabulary, train, by_column=by_column)
    return model, prepared.vocabulary, train.batch(np.arange(len(train)))


@pytest.mark.parametrize("by_column", [True, False])
def test_a_model_that_has_learned_nothing_knows_how_frequent_each_value_is(by_column: bool) -> None:
    model, vocabulary, batch = _made(by_column)
    ids, labels = torch.from_numpy(batch["input_ids"]), torch.from_numpy(batch["labels"])
    with torch.no_grad():
        logits = model(ids[:200]).logits
    for place, field in enumerate(vocabulary.fields):
        made = logits[:, place, field.start : field.stop].softmax(-1).mean(0)
        found = torch.bincount(labels[:, place + 1] - field.start, minlength=field.stop - field.start) / len(labels)
        # From random weights it is .35 and more.
        assert float((made - found).abs().sum()) / 2 < 0.08


def test_a_model_that_has_learned_nothing_knows_which_column_comes_next() -> None:
    model, vocabulary, batch = _made(True)
    ids = torch.from_numpy(batch["input_ids"])
    with torch.no_grad():
        chances = model(ids[:200]).logits.softmax(-1)
    for place, field in enumerate(vocabulary.fields):
        assert float(chances[:, place, field.start : field.stop].sum(-1).mean()) > 0.95


def test_examples_that_begin_with_a_long_prompt_leave_weights_finite() -> None:
    vocabulary = _prepared().vocabulary
    assert vocabulary is not None
    ids = [vocabulary.bos_id] * 3_000 + [item.start for item in vocabulary.fields]
    train = ListedExamples([ids], [[IGNORED] * 3_000 + ids[3_000:]], pad_id=0)
    model = _given(vocabulary, train, by_column=True)
    assert all(bool(torch.isfinite(weight).all()) for weight in model.parameters())
