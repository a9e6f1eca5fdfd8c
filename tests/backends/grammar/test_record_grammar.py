"""The grammar over tokens lets every record be written, as the tokenizer spells it, and nothing else."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.dialect import RecordDialect
from rowsmith.errors import RecordError
from rowsmith.table.schema import ModelSchema
from rowsmith_backends.grammar.record_grammar import RecordGrammar

from ...shared.base_models import make_tokenizer
from ...shared.record_strategies import tables

TOKENIZER = make_tokenizer()
CPU = torch.device("cpu")


def _grammar(schema: ModelSchema) -> RecordGrammar:
    return RecordGrammar(schema, TOKENIZER, len(TOKENIZER) + 3, TOKENIZER.eos_token_id)


def _ids(text: str) -> list[int]:
    return list(TOKENIZER(text, add_special_tokens=False, split_special_tokens=True).input_ids)


@given(tables(max_rows=3))
@settings(max_examples=30)
def test_every_record_is_allowed_token_by_token_as_training_spells_it(case: tuple[ModelSchema, pa.Table]) -> None:
    schema, table = case
    grammar = _grammar(schema)
    lines = RecordDialect(schema).encode(table)
    matchers = [grammar.matcher((), follows=False, most_records=most) for most in (None, len(lines))]
    for token in [token for line in lines for token in _ids(line)]:
        allowed = grammar.allowed(matchers, CPU)
        assert allowed[:, token].all(), (lines, TOKENIZER.decode([token]))
        grammar.advance(matchers, [token, token])
    assert grammar.allowed(matchers[:1], CPU)[0, TOKENIZER.eos_token_id]
    assert [matcher.is_stopped() for matcher in matchers] == [False, True]


@given(tables(max_rows=1), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_whatever_is_allowed_is_a_record_when_it_ends(
    case: tuple[ModelSchema, pa.Table], chance: random.Random
) -> None:
    schema, _ = case
    grammar = _grammar(schema)
    matcher = grammar.matcher((), follows=False, most_records=1)
    written: list[int] = []
    while not matcher.is_stopped() and len(written) < 120:
        choices = grammar.allowed([matcher], CPU)[0].nonzero().flatten().tolist()
        # Ends come more often than chance would have it, so that texts do not go on for ever.
        ends = [token for token in choices if '"' in TOKENIZER.decode([token])]
        written.append(chance.choice(ends or choices))
        grammar.advance([matcher], written[-1:])
        assert not set(written) & set(TOKENIZER.all_special_ids)
    if matcher.is_stopped():
        text = TOKENIZER.decode(written)
        try:
            RecordDialect(schema).decode(text)
        except RecordError as error:
            pytest.fail(f"{text!r}: {error}")
