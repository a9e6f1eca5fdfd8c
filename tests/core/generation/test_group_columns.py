"""Ids → columns of whole groups: the fast way must give what the processor gives of the text."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.dialect import RecordDialect
from rowsmith.generation import Batch, FinishReason
from rowsmith.generation.batches.columns import ColumnReader
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema, Timing, TimingRole
from rowsmith.vocabulary import Vocabulary
from rowsmith_plugins.processors.grouped import GroupColumns, GroupedProcessor
from rowsmith_plugins.processors.options import GroupedOptions

from .test_columns import agree, block_of, broken, figures, vocabulary_of, walk

STEP = Timing(role=TimingRole.STEP, amounts=(("next", 1.0), ("later", 5.0)))
PLAIN = (
    ModelColumn(name="c", kind=JsonKind.STRING, nullable=True, values=("x", "y")),
    ModelColumn(name="n", kind=JsonKind.NUMBER, nullable=True, integral=True),
    ModelColumn(name="t", kind=JsonKind.STRING, nullable=False),
    ModelColumn(name="d", kind=JsonKind.NUMBER, nullable=False, values=("1", "2.5"), other=True),
)


def grouped_vocabulary(columns: tuple[ModelColumn, ...]) -> Vocabulary:
    step = ModelColumn(name="~step", kind=JsonKind.STRING, nullable=True, values=("later", "next"), timing=STEP)
    return vocabulary_of(ModelSchema(columns=(step, *columns)))


@st.composite
def vocabularies(draw: st.DrawFn) -> Vocabulary:
    """With a step, and some columns of every kind after it."""
    columns = draw(st.permutations(PLAIN))
    return grouped_vocabulary(tuple(columns[: draw(st.integers(0, len(PLAIN)))]))


def processor_of(vocabulary: Vocabulary, **options: bool) -> GroupedProcessor:
    step = vocabulary.schema.step
    assert step is not None
    return GroupedProcessor(
        RecordDialect(vocabulary.schema), GroupColumns(step=step.name), options=GroupedOptions(**options)
    )


def longer(vocabulary: Vocabulary, chance: random.Random) -> list[int]:
    """A group of a few records, of which the grammar allows each."""
    ids = walk(vocabulary, chance)
    while chance.random() < 0.5:
        ids = ids[:-1] + walk(vocabulary, chance)
        if chance.random() < 0.9:  # the walk began another group; make it a later record of this one
            first = vocabulary.fields[0].start + 2
            place = max(place for place, token in enumerate(ids) if token == first)
            ids[place] = vocabulary.fields[0].start + chance.randrange(2)
    return ids


@settings(max_examples=80, deadline=None)
@given(vocabularies(), st.integers(0, 2**32), st.integers(1, 12), st.booleans(), st.booleans())
def test_columns_hold_the_groups_that_the_processor_reads_of_the_text(vocabulary, seed, count, accept, ignore):
    chance = random.Random(seed)
    dialect = RecordDialect(vocabulary.schema)
    processor = processor_of(vocabulary, group_by_accept_no_delineator=accept, group_by_ignore_invalid_records=ignore)
    reader = processor.column_reader(vocabulary)
    assert reader is not None
    fast, slow = Batch(processor, count_tokens=len, reader=reader), Batch(processor, count_tokens=len)
    rows = [longer(vocabulary, chance) for _ in range(count)]
    rows = [broken(row, vocabulary, chance) if chance.random() < 0.4 else row for row in rows]
    block = block_of(rows, vocabulary, chance)
    chosen = [row for row in range(count) if chance.random() < 0.8]
    for batch in (fast, slow):
        batch.process_block(block, chosen)
    agree(fast, slow, dialect)
    assert fast.group_sizes.tolist() == slow.group_sizes.tolist()
    assert fast.num_valid_groups == len(fast.group_sizes)
    assert fast.num_valid_groups + fast.num_invalid_groups <= fast.num_prompts
    assert fast.group_sizes.sum() == fast.num_valid_records
    if fast.num_valid_records:
        picked = [row for row in range(fast.num_valid_records) if chance.random() < 0.5]
        errors = {row: (f"reason {row}", "reason") for row in picked}
        left = np.delete(np.arange(fast.num_valid_records), picked)
        fast.replace_columns(fast.columns().take(left), lambda columns: columns.to_pandas(), errors)
        slow.replace_rows(slow.to_dataframe().iloc[left], errors)
        assert figures(fast) == figures(slow)
        assert fast.group_sizes.tolist() == slow.group_sizes.tolist()
        assert fast.group_sizes.sum() == fast.num_valid_records == len(left)
        assert list(fast.invalid_records()) == list(slow.invalid_records())


def test_every_whole_group_is_read_as_columns():
    vocabulary = grouped_vocabulary(PLAIN)
    chance = random.Random(1)
    rows = [longer(vocabulary, chance) for _ in range(200)]
    block = block_of(rows, vocabulary, chance)
    first = vocabulary.fields[0].start + 2
    whole = [
        row for row, ids in enumerate(rows) if ids.count(first) == 1 and block.finish_reasons[row] == FinishReason.STOP
    ]
    read = ColumnReader(vocabulary, RecordDialect(vocabulary.schema)).read(block)
    assert read.rows.tolist() == whole
    assert max(read.sizes) > 3
    assert read.columns.num_rows == read.sizes.sum() == len(read.tokens)
    assert read.tokens.sum() == sum(len(rows[row]) - 1 for row in whole)


def test_only_the_grouped_processor_itself_is_replaced_by_a_reader():
    vocabulary = grouped_vocabulary(PLAIN)
    other = grouped_vocabulary(PLAIN[:2])
    plain = vocabulary_of(ModelSchema(columns=PLAIN))

    class Mine(GroupedProcessor):
        """Reads as ours does, so far as anybody can tell."""

    dialect = RecordDialect(vocabulary.schema)
    columns = GroupColumns(step="~step")
    assert GroupedProcessor(dialect, columns).column_reader(vocabulary) is not None
    assert GroupedProcessor(dialect, columns).column_reader(other) is None
    assert GroupedProcessor(dialect).column_reader(vocabulary) is None
    assert Mine(dialect, columns).column_reader(vocabulary) is None
    assert GroupedProcessor(RecordDialect(plain.schema)).column_reader(plain) is None


@pytest.mark.parametrize("reason", [FinishReason.LENGTH, FinishReason.ABORT])
def test_a_group_that_was_cut_off_counts_as_a_failed_one(reason):
    vocabulary = grouped_vocabulary(PLAIN[:1])
    ids = [vocabulary.fields[0].start + 2, vocabulary.fields[1].start]
    block = block_of([ids], vocabulary, random.Random(0))
    block.finish_reasons[0] = reason
    processor = processor_of(vocabulary)
    batch = Batch(processor, reader=processor.column_reader(vocabulary))
    batch.process_block(block)
    assert (batch.num_valid_groups, batch.num_invalid_groups, batch.num_invalid_records) == (0, 1, 1)
    assert batch.error_statistics(True).index.tolist() == ["Group BOS and/or EOS tokens missing"]
