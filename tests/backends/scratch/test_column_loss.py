"""The loss over the tokens that can come, against the slow way: a softmax over what the grammar allows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

torch = pytest.importorskip("torch")

from rowsmith.vocabulary import model_schema_of  # noqa: E402
from rowsmith_backends.scratch.column_loss import VocabularyParts, column_loss  # noqa: E402
from rowsmith_backends.scratch.decoding.automaton import build_automaton  # noqa: E402
from rowsmith_backends.scratch.encoder import encode_table  # noqa: E402
from rowsmith_backends.scratch.model import Size, llama_config  # noqa: E402
from rowsmith_backends.scratch.packed_llama import PackedLlama  # noqa: E402
from rowsmith_backends.scratch.tokenizer import build_tokenizer, learn_vocabulary  # noqa: E402

from ...shared.spelled_tables import tables  # noqa: E402


def _tokenized(made):
    columns, table_schema = made
    vocabulary = learn_vocabulary(columns, model_schema_of(columns, table_schema), max_pieces=260)
    tokenizer = build_tokenizer(vocabulary)
    store = encode_table(
        columns, vocabulary, lambda texts: [tokenizer(t, add_special_tokens=False).input_ids for t in texts]
    )
    rows = [[vocabulary.bos_id, *store.record(row).tolist(), vocabulary.eos_id] for row in range(len(store))]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [vocabulary.pad_id] * (longest - len(row)) for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    targets = torch.where(torch.arange(1, longest) < lengths[:, None], ids[:, 1:], -100)
    return vocabulary, ids[:, :-1], targets


def _slow(logits, ids, targets, vocabulary):
    """Sum of cross-entropies over every token that the grammar can let through at the same place."""
    automaton = build_automaton(vocabulary)
    total = 0.0
    for row in range(len(ids)):
        state = automaton.start
        for place in range(ids.shape[1]):
            if targets[row, place] == -100:
                break
            allowed = torch.from_numpy(np.flatnonzero(automaton.allowed[state]))
            scores = logits[row, place].double()
            total += float(scores[allowed].logsumexp(0) - scores[targets[row, place]])
            state = int(automaton.next_state[state, int(targets[row, place])])
    return total


@settings(max_examples=25, deadline=None)
@given(tables())
def test_the_loss_is_that_of_a_softmax_over_what_can_come(made):
    vocabulary, ids, targets = _tokenized(made)
    hidden = torch.randn(*ids.shape, 8, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(len(vocabulary), 8, generator=torch.Generator().manual_seed(1))
    # Inside open values the loss weighs tokens that the grammar refuses as well.
    parts = VocabularyParts.of(vocabulary)
    found = float(column_loss(hidden[targets != -100], weight, targets, parts))
    slow = _slow(hidden @ weight.T, ids, targets, vocabulary)
    if vocabulary.closed:
        assert found == pytest.approx(slow, rel=1e-4, abs=1e-3)
    else:
        assert found >= slow - 1e-3 - 1e-4 * slow
    full = torch.nn.functional.cross_entropy((hidden @ weight.T).flatten(0, 1), targets.flatten(), reduction="sum")
    assert found <= float(full) * (1 + 1e-4) + 1e-3


@settings(max_examples=5, deadline=None)
@given(tables())
def test_what_is_saved_is_an_ordinary_llama_with_the_same_weights(made):
    vocabulary, ids, targets = _tokenized(made)
    config = llama_config(vocabulary, Size(width=8, layers=1, heads=1, mlp=16), ids.shape[1] + 1)
    model = PackedLlama(config, VocabularyParts.of(vocabulary))
    model(input_ids=ids, shift_labels=targets).loss.backward()
    assert all(weight.grad is not None for weight in model.parameters())
    plain = model.plain()
    assert type(plain).__name__ == "LlamaForCausalLM"
    assert all(torch.equal(plain.state_dict()[name], weight) for name, weight in model.state_dict().items())
