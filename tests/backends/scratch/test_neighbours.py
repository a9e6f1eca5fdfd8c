"""Smoothed embeddings: the tokens of close numbers share weights during training."""

from __future__ import annotations

import copy
import math

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rowsmith.table.schema import ColumnType
from rowsmith.vocabulary import Vocabulary
from rowsmith_backends.scratch.model import ScratchModel
from rowsmith_backends.scratch.training.smoothed_embeddings import SmoothedEmbeddings

from ...shared.scratch_training import OPTIONS, number_table, train
from ...shared.spelled_tables import schema, table


def _vocabulary() -> Vocabulary:
    rows = 60
    columns = table(
        age=[str(20 + row % 30) if row % 7 else None for row in range(rows)],
        kind=[f"k{row % 20}" for row in range(rows)],
        few=[str(row % 3) for row in range(rows)],
        size=[f"{row % 15}.5" for row in range(rows)],
        floor=[str(row % 15) for row in range(rows)],
    )
    types = {"age": ColumnType.INTEGER, "kind": ColumnType.CATEGORICAL, "few": ColumnType.INTEGER}
    types |= {"size": ColumnType.DECIMAL, "floor": ColumnType.INTEGER}
    found = ScratchModel(OPTIONS).prepare(columns, schema(**types)).vocabulary
    assert found is not None
    return found


def _model(vocabulary: Vocabulary) -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(vocabulary), **shape, tie_word_embeddings=False))


def test_only_numbers_of_which_there_are_some_have_neighbours() -> None:
    vocabulary = _vocabulary()
    age, _, _, size, floor = vocabulary.fields
    found = SmoothedEmbeddings.of(vocabulary)
    assert found.columns == {15: 2, 30: 1}
    ranges = [(size.start, 15), (floor.start, 15), (age.start, 30)]
    assert found.ids.tolist() == [number for start, count in ranges for number in range(start, start + count)]


def test_what_numbers_share_is_the_formula_column_by_column() -> None:
    vocabulary = _vocabulary()
    model = _model(vocabulary)
    own = model.lm_head.weight.detach().clone()
    SmoothedEmbeddings.of(vocabulary).apply(model)
    coefficients = model.lm_head.parametrizations.weight[0].coefficients
    torch.nn.init.normal_(coefficients)
    age, _, _, size, floor = vocabulary.fields
    for number, (field, count) in enumerate([(size, 15), (floor, 15), (age, 30)]):
        for rank in range(count):
            for order in range(12):
                weight = 2 * math.cos(math.pi * order * (rank + 0.5) / count) / math.sqrt(1 + order)
                own[field.start + rank] += weight * coefficients[number, order].detach()
    assert torch.allclose(model.lm_head.weight, own, atol=1e-5)


def test_a_model_is_the_same_before_it_learns_and_after_its_parts_are_added_up() -> None:
    vocabulary = _vocabulary()
    model, ids = _model(vocabulary), torch.arange(len(vocabulary))[None]
    plain = copy.deepcopy(model)
    SmoothedEmbeddings.of(vocabulary).apply(model)
    assert torch.equal(model(ids).logits, plain(ids).logits)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "coefficients" in name:
                weight.normal_()
    learned = model(ids).logits
    assert not torch.allclose(learned, plain(ids).logits, atol=0.1)
    SmoothedEmbeddings.fold(model)
    SmoothedEmbeddings.fold(model)
    assert torch.equal(model(ids).logits, learned)
    assert model.state_dict().keys() == plain.state_dict().keys()


def test_what_one_number_teaches_is_learned_of_those_beside_it_and_of_nothing_else() -> None:
    vocabulary = _vocabulary()
    model = _model(vocabulary)
    before = model.model.embed_tokens.weight.detach().clone()
    smoothed = SmoothedEmbeddings.of(vocabulary)
    smoothed.apply(model)
    taught = vocabulary.fields[0].start + 10
    model.model.embed_tokens.weight[taught].sum().backward()
    with torch.no_grad():
        for weight in model.model.embed_tokens.parameters():
            weight -= weight.grad
    SmoothedEmbeddings.fold(model)
    moved = (before - model.model.embed_tokens.weight.detach()).mean(dim=1)
    ages = moved[vocabulary.fields[0].start :][:30]
    assert ages.argmax() == 10
    near, nearer = ages[[7, 13]], ages[[8, 9, 11, 12]]
    far = torch.cat([ages[:5], ages[16:]])
    assert ages[10] > nearer.max() and nearer.min() > near.max() and near.min() > far.max() > 0
    assert float(moved[vocabulary.fields[0].start + 30 :].abs().max()) == 0


def test_of_numbers_with_few_rows_each_more_is_learned_than_their_rows_tell(tmp_path) -> None:
    numbers = 60
    trained = train(number_table(1_000, numbers), tmp_path / "model", validation=400, max_steps=150)
    vocabulary = trained.prepared.vocabulary
    assert vocabulary is not None
    first, second = vocabulary.fields
    model = LlamaForCausalLM.from_pretrained(trained.directory)
    ids = torch.tensor([[vocabulary.bos_id, first.start + first.values.index(str(x))] for x in range(numbers)])
    with torch.no_grad():
        chances = model(ids).logits[:, -1, second.start : second.stop].softmax(-1)[:, second.values.index("yes")]
    # A number that learns alone errs by .106 on average.
    assert float((chances - torch.arange(numbers) / (numbers - 1)).abs().mean()) < 0.085
