"""Row → text → ids → text → row, the slow way and the fast way."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.dialect import OTHER, RecordDialect
from rowsmith.errors import DataError, GenerationError
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.vocabulary import Vocabulary, model_schema_of
from rowsmith.vocabulary.byte_automata import STRING
from rowsmith_backends.scratch.decoding.automaton import build_automaton
from rowsmith_backends.scratch.encoder import encode_table
from rowsmith_backends.scratch.tokenizer import build_tokenizer, learn_vocabulary

from ...shared.spelled_tables import schema, table, tables


def _model(columns, table_schema, max_values=2_000, min_rows=2):
    model_schema = model_schema_of(columns, table_schema, max_values)
    vocabulary = learn_vocabulary(columns, model_schema, max_pieces=300, min_rows=min_rows)
    tokenizer = build_tokenizer(vocabulary)
    store = encode_table(
        columns, vocabulary, lambda texts: [tokenizer(t, add_special_tokens=False).input_ids for t in texts]
    )
    return vocabulary, tokenizer, store


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from([2, 2_000]))
def test_ids_from_cells_equal_the_tokenized_text(made, max_values):
    columns, table_schema = made
    vocabulary, tokenizer, store = _model(columns, table_schema, max_values)
    lines = RecordDialect(vocabulary.schema).encode(columns)
    for row, line in enumerate(lines):
        ids = store.record(row).tolist()
        assert tokenizer(line, add_special_tokens=False, split_special_tokens=True).input_ids == ids
        assert vocabulary.decode(ids) == line
        assert tokenizer.decode(ids) == line


@settings(max_examples=40, deadline=None)
@given(tables())
def test_the_grammar_accepts_every_record_and_then_only_the_end(made):
    columns, table_schema = made
    vocabulary, _, store = _model(columns, table_schema)
    automaton = build_automaton(vocabulary)
    for row in range(len(store)):
        state = automaton.run(automaton.start, store.record(row).tolist())
        assert state == automaton.end
        assert np.flatnonzero(automaton.allowed[state]).tolist() == [vocabulary.eos_id]


@settings(max_examples=60, deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_whatever_the_grammar_allows_is_a_valid_record(made, random):
    columns, table_schema = made
    vocabulary, _, _ = _model(columns, table_schema)
    dialect = RecordDialect(vocabulary.schema)
    automaton = build_automaton(vocabulary)
    state, ids, left = automaton.start, [], int(automaton.to_done[automaton.start]) + 40
    while state != automaton.end:
        following = automaton.next_state[state]
        allowed = np.flatnonzero((following >= 0) & (automaton.to_done[following] < left - len(ids)))
        token = random.choice(allowed.tolist())
        ids.append(token)
        state = int(automaton.next_state[state, token])
    text = vocabulary.decode(ids)
    record = dialect.decode(text)
    assert dialect.encode(dialect.spell([record])) == [text]


@pytest.mark.parametrize("code", range(32))
def test_a_control_character_has_one_spelling(code):
    canonical = json.dumps(chr(code))[1:-1].encode()
    spellings = {canonical, f"\\u{code:04x}".encode()}
    assert [spelling for spelling in spellings if STRING.run(0, spelling) == 0] == [canonical]


def test_closed_columns_have_contiguous_ids_and_a_slice_each():
    columns = table(a=["1", "2", None], b=["x", "y", "x"])
    vocabulary, _, _ = _model(columns, schema(a=ColumnType.INTEGER, b=ColumnType.CATEGORICAL))
    automaton = build_automaton(vocabulary)
    first, second = vocabulary.fields
    assert (first.start, first.stop, second.start, second.stop) == (4, 7, 7, 9)
    assert automaton.slices[automaton.start] == (4, 7)
    assert first.values == ("1", "2", None)
    assert second.fragments == (',"b":"x"}\n', ',"b":"y"}\n')


def test_numbers_and_labels_that_stand_for_them_ascend():
    columns = table(a=["10", "9", None], b=["b0", "=7", "-"], c=["y", "x", "x"])
    labels = ColumnSchema(name="b", type=ColumnType.CATEGORICAL, ascending=("=7", "b0", "b1"))
    given = {column.name: column for column in schema(a=ColumnType.INTEGER, c=ColumnType.CATEGORICAL)}
    vocabulary, _, _ = _model(columns, TableSchema(columns=(given["a"], labels, given["c"])))
    found = {column.name: (column.values, column.ascending) for column in vocabulary.schema}
    assert found == {"a": (("9", "10"), 2), "b": (("=7", "b0", "-"), 2), "c": (("x", "y"), 0)}


def test_values_beyond_the_limit_become_other_which_is_never_generated():
    columns = table(a=["x"] * 5 + ["y"] * 4 + ["rare"])
    vocabulary, _, store = _model(columns, schema(a=ColumnType.CATEGORICAL), max_values=2)
    (field,) = vocabulary.fields
    assert field.values == ("x", "y", OTHER)
    assert store.record(9).tolist() == [field.stop - 1]
    assert field.stop - 1 not in np.flatnonzero(build_automaton(vocabulary).allowed[0])


def test_a_value_without_a_token_is_an_error_that_names_it():
    vocabulary, _, _ = _model(table(a=["x", "y"]), schema(a=ColumnType.CATEGORICAL))
    with pytest.raises(DataError, match="column 'a': 'z'"):
        encode_table(table(a=["z"]), vocabulary)


def test_special_tokens_cannot_be_spelled_by_a_cell():
    hostile = "<\x02record>"
    columns = table(a=[hostile, "plain", "plain"])
    vocabulary, tokenizer, store = _model(columns, schema(a=ColumnType.TEXT))
    assert not set(store.ids.tolist()) & {vocabulary.pad_id, vocabulary.bos_id, vocabulary.eos_id}
    assert hostile not in RecordDialect(vocabulary.schema).encode(columns)[0]
    assert tokenizer.convert_tokens_to_ids(hostile) == vocabulary.bos_id


def test_no_rare_text_becomes_a_piece():
    columns = table(a=["Smith"] * 20 + ["Xyzzyq"])
    vocabulary, _, _ = _model(columns, schema(a=ColumnType.TEXT), min_rows=10)
    learned = b" ".join(vocabulary.pieces[256:])
    assert b"Smith" in learned
    assert b"yzz" not in learned


def test_pieces_are_learned_from_the_first_ten_thousand_characters_of_a_text():
    columns = table(a=[("Smith " * 1_700)[:10_000] + "Xyzzyq " * 1_500] * 20)
    vocabulary, _, _ = _model(columns, schema(a=ColumnType.TEXT), min_rows=10)
    learned = b" ".join(vocabulary.pieces[256:])
    assert b"Smith" in learned
    assert b"yzz" not in learned


@settings(max_examples=20, deadline=None)
@given(tables())
def test_state_restores_an_equal_vocabulary(made):
    columns, table_schema = made
    vocabulary, _, _ = _model(columns, table_schema)
    assert Vocabulary.restore(vocabulary.schema, vocabulary.state()) == vocabulary


def test_ids_outside_the_grammar_are_refused():
    vocabulary, _, _ = _model(table(a=["x", "y"]), schema(a=ColumnType.CATEGORICAL))
    automaton = build_automaton(vocabulary)
    with pytest.raises(GenerationError, match="token 2 at position 0"):
        automaton.run(automaton.start, [vocabulary.eos_id])


def test_the_fewest_tokens_of_a_record_are_counted_over_a_thousand_columns():
    names = [f"c{number}" for number in range(1_000)]
    columns = table(**{name: ["a", "b"] for name in names})
    model_schema = model_schema_of(columns, schema(**dict.fromkeys(names, ColumnType.CATEGORICAL)))
    automaton = build_automaton(Vocabulary(schema=model_schema))
    assert automaton.to_done[automaton.start] == 1_001
    assert automaton.to_done[automaton.end] == 1
    assert automaton.to_done[automaton.done] == 0
