"""What can be generated for a text column is made of its own characters, in its own shapes."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.dialect import RecordDialect, json_string
from rowsmith.dialect.grammar import value_regex
from rowsmith.errors import RecordError
from rowsmith.table.columns import CODED_TEXT
from rowsmith.table.schema import ColumnSchema, ColumnType, JsonKind, ModelColumn, ModelSchema, TableSchema
from rowsmith.table.types.text_shapes import shape_of
from rowsmith.vocabulary import Vocabulary, model_schema_of
from rowsmith.vocabulary.byte_automata import ByteAutomaton, text_automaton
from rowsmith_backends.scratch.decoding.automaton import build_automaton

CHARACTERS = st.characters(exclude_categories=["Cs"])
CODES = [f"{a}{b}{x} {y}é" for a in "ABCD" for b in "XYZ" for x in range(5) for y in range(5)]


def model_schema(values: list[str]) -> ModelSchema:
    columns = pa.table({"x": pa.array(values, pa.string()).cast(CODED_TEXT)})
    return model_schema_of(columns, TableSchema(columns=(ColumnSchema(name="x", type=ColumnType.TEXT),)))


def accepts(automaton: ByteAutomaton, text: str) -> bool:
    return automaton.run(0, json_string(text)[1:-1].encode()) in automaton.accepting


@given(
    alphabet=st.text(CHARACTERS, max_size=12),
    text=st.text(CHARACTERS, max_size=6),
    shortest=st.integers(0, 4),
    data=st.data(),
)
def test_an_alphabets_automaton_takes_its_characters_alone(
    alphabet: str, text: str, shortest: int, data: st.DataObject
) -> None:
    inside = data.draw(st.text(st.sampled_from(alphabet), max_size=8)) if alphabet else ""
    shortest = shortest if alphabet else 0
    automaton = text_automaton(alphabet, shortest=shortest)
    column = ModelColumn(name="x", kind=JsonKind.STRING, nullable=False, alphabet=alphabet, shortest=shortest)
    for each in (text, inside, inside + text):
        fits = set(each) <= set(alphabet) and len(each) >= shortest
        assert accepts(automaton, each) is fits
        assert (re.fullmatch(value_regex(column), json_string(each)) is not None) is fits


@given(shapes=st.lists(st.text("9aA -é\n", min_size=1, max_size=5), min_size=1, max_size=4), data=st.data())
def test_shapes_are_kept(shapes: list[str], data: st.DataObject) -> None:
    alphabet = "0123abcXYZ -é\n"
    text = data.draw(st.text(alphabet, max_size=5))
    column = ModelColumn(name="x", kind=JsonKind.STRING, nullable=False, alphabet=alphabet, shapes=tuple(shapes))
    fits = shape_of(text) in shapes
    assert accepts(text_automaton(alphabet, shapes), text) is fits
    assert (re.fullmatch(value_regex(column), json_string(text)) is not None) is fits


@pytest.mark.parametrize("values", [CODES, [f"some words, {code.lower()}!" * 3 for code in CODES]])
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_tokens_make_texts_of_the_column(values: list[str], seed: int) -> None:
    schema = model_schema(values)
    pieces = [bytes([byte]) for byte in range(256)]
    automaton = build_automaton(Vocabulary(schema=schema, pieces=tuple(pieces), merges=()))
    vocabulary = Vocabulary(schema=schema, pieces=tuple(pieces), merges=())
    rng, state, ids = np.random.default_rng(seed), automaton.start, list[int]()
    while state != automaton.end and len(ids) < 200:
        ids.append(int(rng.choice(np.flatnonzero(automaton.next_state[state] >= 0))))
        state = int(automaton.next_state[state, ids[-1]])
    text = b"".join(vocabulary.texts[token] for token in ids).decode("utf-8", "ignore")
    found = text.removeprefix('{"x":"').removesuffix('"}\n')
    assert set(found) <= set("".join(values))
    assert found or len(ids) == 200
    if values is CODES:
        assert shape_of(found) == "AA9 9é"


def test_a_column_of_codes_has_shapes_and_one_of_sentences_has_none() -> None:
    (codes,) = model_schema(CODES)
    assert codes.shapes == ("AA9 9é",)
    assert codes.alphabet == "".join(sorted(set("".join(CODES))))
    (words,) = model_schema([f"word {'x' * place}" for place in range(100)])
    assert words.shapes == ()


@pytest.mark.parametrize(("value", "valid"), [("AX1 2é", True), ("AX1 2e", False), ("AX12 é", False), ("XA1 2é", True)])
def test_records_of_other_texts_are_rejected(value: str, valid: bool) -> None:
    dialect = RecordDialect(model_schema(CODES))
    line = '{"x":' + json_string(value) + "}"
    if valid:
        assert dialect.decode(line) == {"x": value}
        return
    with pytest.raises(RecordError) as error:
        dialect.decode(line)
    assert error.value.summary == "pattern"
