"""Ids → columns without text: the fast way must give what the processor gives of the text."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.dialect import RecordDialect
from rowsmith.generation import Batch, CompletionBlock, FinishReason
from rowsmith.generation.batches.columns import ColumnReader
from rowsmith.table.schema import ColumnType, JsonKind, ModelColumn, ModelSchema
from rowsmith.vocabulary import Vocabulary, model_schema_of
from rowsmith_backends.scratch.decoding.automaton import build_automaton
from rowsmith_plugins.processors.tabular import TabularProcessor

from ...shared.spelled_tables import schema, table, tables

_PIECES = (*(bytes([byte]) for byte in range(256)), b"ab", "é".encode(), b'","', b'":', b"null", b"12", b'"}\n')


def vocabulary_of(model_schema: ModelSchema) -> Vocabulary:
    return Vocabulary(schema=model_schema, pieces=() if all(column.closed for column in model_schema) else _PIECES)


@st.composite
def vocabularies(draw: st.DrawFn) -> Vocabulary:
    """Of a random table, or of a column whose numbers are spelled in odd ways."""
    if draw(st.booleans()):
        columns, table_schema = draw(tables())
        return vocabulary_of(model_schema_of(columns, table_schema, draw(st.sampled_from([1, 2_000]))))
    values = draw(
        st.lists(st.sampled_from(["-0", "0", "0.0", "-0.0", "1", "1.0", "1e0", "12"]), min_size=1, unique=True)
    )
    number = ModelColumn(name="n", kind=JsonKind.NUMBER, nullable=draw(st.booleans()), values=tuple(values))
    flag = ModelColumn(name="f", kind=JsonKind.BOOLEAN, nullable=False, values=("no", "yes"), spellings=("no", "yes"))
    real = ModelColumn(name="r", kind=JsonKind.NUMBER, nullable=True, scale=draw(st.sampled_from([None, 0, 1])))
    return vocabulary_of(ModelSchema(columns=tuple(draw(st.permutations([number, flag, real])))))


def walk(vocabulary: Vocabulary, chance: random.Random) -> list[int]:
    """Ids that the grammar allows, the end mark included."""
    automaton = build_automaton(vocabulary)
    state, ids, left = automaton.start, [], int(automaton.to_done[automaton.start]) + chance.randrange(12)
    while state != automaton.done:
        following = automaton.next_state[state]
        in_time = automaton.to_done[np.maximum(following, 0)] < left - len(ids)
        ids.append(chance.choice(np.flatnonzero((following >= 0) & in_time).tolist()))
        state = int(automaton.next_state[state, ids[-1]])
    return ids


def broken(ids: list[int], vocabulary: Vocabulary, chance: random.Random) -> list[int]:
    """The same ids, damaged in one way or another, or in none."""
    place, token = chance.randrange(len(ids)), chance.randrange(len(vocabulary))
    ways = [
        lambda: ids,
        lambda: ids[:-1],
        lambda: ids[:place],
        lambda: [*ids[:place], token, *ids[place:]],
        lambda: [*ids[:place], token, *ids[place + 1 :]],
        lambda: ids[:place] + ids[place + 1 :],
        lambda: ids[:-1] + ids,
        lambda: [*ids, vocabulary.pad_id],
        lambda: [chance.randrange(len(vocabulary)) for _ in range(chance.randrange(6))],
        lambda: [*ids[:place], vocabulary.bos_id, *ids[place:]],
    ]
    return chance.choice(ways)()


def block_of(rows: list[list[int]], vocabulary: Vocabulary, chance: random.Random) -> CompletionBlock:
    ids = np.full((len(rows), max(map(len, rows), default=0) + chance.randrange(2)), vocabulary.pad_id, dtype=np.int32)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
    return CompletionBlock(
        request_ids=np.array(chance.sample(range(len(rows)), len(rows)), dtype=np.int64),
        ids=ids,
        lengths=np.array([len(row) for row in rows], dtype=np.int32),
        finish_reasons=[chance.choice([FinishReason.STOP, "stop", FinishReason.LENGTH, "abort"]) for _ in rows],
        decode=vocabulary.decode,
    )


def figures(batch: Batch) -> dict[str, object]:
    names = [name for name in vars(batch) if name.startswith("num_")]
    return {name: getattr(batch, name) for name in [*names, "num_non_record_tokens", "fully_length_truncated"]}


def agree(fast: Batch, slow: Batch, dialect: RecordDialect) -> None:
    assert figures(fast) == figures(slow)
    assert list(fast.invalid_records()) == list(slow.invalid_records())
    assert fast.error_statistics(True).equals(slow.error_statistics(True))
    expected = slow.to_dataframe()
    if expected is None:
        assert fast.columns() is None
        assert fast.to_dataframe() is None
        return
    spelled = dialect.spell(expected.to_dict("records"))
    assert fast.columns().to_pylist() == spelled.to_pylist()
    assert fast.columns().schema == spelled.schema
    for column in fast.columns().columns:
        values = column.chunk(0).dictionary.to_pylist()
        assert len(set(values)) == len(values)
        assert None not in values
    found = fast.to_dataframe()
    assert repr(found.to_dict("records")) == repr(expected.to_dict("records"))


@settings(max_examples=60, deadline=None)
@given(vocabularies(), st.integers(0, 2**32), st.integers(1, 12))
def test_columns_hold_what_the_processor_reads_of_the_text(vocabulary, seed, count):
    chance = random.Random(seed)
    dialect = RecordDialect(vocabulary.schema)
    processor = TabularProcessor(dialect)
    fast, slow = (
        Batch(processor, count_tokens=len, reader=processor.column_reader(vocabulary)),
        Batch(processor, count_tokens=len),
    )
    rows = [walk(vocabulary, chance) for _ in range(count)]
    if chance.random() < 0.8:
        rows = [broken(row, vocabulary, chance) for row in rows]
    block = block_of(rows, vocabulary, chance)
    chosen = [row for row in range(count) if chance.random() < 0.8]
    for batch in (fast, slow):
        batch.process_block(block, chosen)
    agree(fast, slow, dialect)
    if fast.num_valid_records:
        picked = [row for row in range(fast.num_valid_records) if chance.random() < 0.3]
        errors = {row: (f"reason {row}", "reason") for row in picked}
        fast.replace_columns(fast.columns(), lambda columns: columns.to_pandas(), errors)
        slow.replace_rows(slow.to_dataframe(), errors)
        assert figures(fast) == figures(slow)
        assert list(fast.invalid_records()) == list(slow.invalid_records())


def test_every_record_of_the_grammar_is_read_as_columns():
    columns = table(a=["1", "2", None], b=["x", "yé", '"'], c=["5", "6", "7"])
    kinds = schema(a=ColumnType.INTEGER, b=ColumnType.TEXT, c=ColumnType.INTEGER)
    vocabulary = vocabulary_of(model_schema_of(columns, kinds))
    chance = random.Random(1)
    block = block_of([walk(vocabulary, chance) for _ in range(300)], vocabulary, chance)
    read = ColumnReader(vocabulary, RecordDialect(vocabulary.schema)).read(block)
    assert read.rows.tolist() == list(range(300))
    assert (read.tokens == block.lengths - 1).all()


@pytest.mark.parametrize("wrong", [-1, 10**6])
def test_ids_that_no_vocabulary_has_are_left_to_the_text(wrong):
    vocabulary = vocabulary_of(model_schema_of(table(a=["1", "2"]), schema(a=ColumnType.INTEGER)))
    good = [vocabulary.fields[0].start, vocabulary.eos_id]
    block = block_of([good, [good[0], wrong], [wrong, good[1]]], vocabulary, random.Random(0))
    read = ColumnReader(vocabulary, RecordDialect(vocabulary.schema)).read(block)
    assert read.rows.tolist() == [0]


def test_a_processor_of_another_kind_or_of_other_columns_reads_text():
    vocabulary = vocabulary_of(model_schema_of(table(a=["1", "2"]), schema(a=ColumnType.INTEGER)))
    other = vocabulary_of(model_schema_of(table(b=["1", "2"]), schema(b=ColumnType.INTEGER)))

    class Mine(TabularProcessor):
        """Reads as ours does, so far as anybody can tell."""

    dialect = RecordDialect(vocabulary.schema)
    assert TabularProcessor(dialect).column_reader(vocabulary) is not None
    assert TabularProcessor(dialect).column_reader(other) is None
    assert Mine(dialect).column_reader(vocabulary) is None
