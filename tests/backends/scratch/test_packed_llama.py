"""Packed examples of different lengths beside the slow way: each example alone through an ordinary Llama."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from rowsmith.vocabulary import Vocabulary, model_schema_of  # noqa: E402
from rowsmith_backends.scratch.column_loss import VocabularyParts  # noqa: E402
from rowsmith_backends.scratch.model import Size, llama_config  # noqa: E402
from rowsmith_backends.scratch.packed_llama import PackedLlama  # noqa: E402

from ...shared.grouped_tables import group_table  # noqa: E402


def _vocabulary() -> Vocabulary:
    columns, schema, _ = group_table(30)
    return Vocabulary(schema=model_schema_of(columns, schema))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=7), st.integers(0, 100))
def test_the_loss_and_its_gradient_are_those_of_each_example_alone(lengths, seed):
    torch.manual_seed(seed)
    vocabulary = _vocabulary()
    config = llama_config(vocabulary, Size(width=16, layers=2, heads=2, mlp=24), 512)
    model = PackedLlama(config)
    ids = torch.randint(4, len(vocabulary), (len(lengths), max(lengths) + 1))
    targets = ids[:, 1:].clone()
    for row, length in enumerate(lengths):
        targets[row, length:] = -100
    packed = model(input_ids=ids[:, :-1], shift_labels=targets).loss
    packed.backward()
    plain = model.plain()
    plain.config._attn_implementation = "eager"
    total = torch.zeros(())
    for row, length in enumerate(lengths):
        logits = plain(ids[row : row + 1, :length]).logits[0]
        total = total + torch.nn.functional.cross_entropy(logits, targets[row, :length], reduction="sum")
    alone = total / sum(lengths)
    alone.backward()
    torch.testing.assert_close(packed, alone, atol=1e-4, rtol=1e-4)
    for one, other in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-3)


def test_what_does_not_count_at_the_end_of_an_example_is_left_out_and_what_does_not_in_between_is_read():
    torch.manual_seed(0)
    vocabulary = _vocabulary()
    model = PackedLlama(llama_config(vocabulary, Size(width=16, layers=1, heads=1, mlp=24), 64))
    ids = torch.randint(4, len(vocabulary), (2, 9))
    targets = ids[:, 1:].clone()
    targets[0, :3] = -100
    targets[1, 5:] = -100
    whole = model(input_ids=ids[:, :-1], shift_labels=targets).loss
    ids[1, 6:] = 5
    torch.testing.assert_close(model(input_ids=ids[:, :-1], shift_labels=targets).loss, whole)
    ids[0, 1] = (ids[0, 1] + 1) % len(vocabulary)
    changed = model(input_ids=ids[:, :-1], shift_labels=targets).loss - whole
    assert abs(changed.item()) > 1e-6


def test_after_a_record_of_a_group_the_loss_weighs_the_end_and_another_record():
    columns, schema, _ = group_table(30, text=True)
    from rowsmith_backends.scratch.tokenizer import learn_vocabulary

    vocabulary = learn_vocabulary(columns, model_schema_of(columns, schema), max_pieces=260)
    parts = VocabularyParts.of(vocabulary)
    fields = len(vocabulary.fields)
    assert parts.after(-1) == (1,)
    assert parts.after(0) == (2,)
    assert set(parts.after(fields - 1)) == {0, 1, fields}
    closed = VocabularyParts.of(_vocabulary())
    assert closed.after(len(_vocabulary().fields) - 1) == (0, 1)
    assert np.prod(closed.sizes) > 0
