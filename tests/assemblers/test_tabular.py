"""``TabularDataExampleAssembler``: the fast path against the slow one, and what it promises."""

from __future__ import annotations

import logging
import math
import statistics
from dataclasses import is_dataclass, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowsmith.assembly import ranges_of
from rowsmith.assembly.prompts import inference_prefix, schema_prompt
from rowsmith.assembly.token_store import TokenStore
from rowsmith.errors import AssemblyError, OverlongRecordError, ParameterError
from rowsmith_assemblers import TabularDataExampleAssembler

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Ids from 10 on say which record they belong to, so that records can be read back from an example.
RECORDS = st.lists(st.integers(1, 8), min_size=1, max_size=30).map(
    lambda lengths: [[10 + row] * length for row, length in enumerate(lengths)]
)
EQUAL = st.integers(1, 30).map(lambda count: [[10 + row] * 4 for row in range(count)])


def _table(count):
    return pa.table({"a": pa.array(range(count)), "b": pa.array(["x"] * count)})


def _assembler(records, tokenizer, metadata, **more):
    store = TokenStore.from_records(records)
    return TabularDataExampleAssembler(_table(len(records)), tokenizer, metadata, token_store=store, **more)


def _prompt(metadata):
    return schema_prompt(["a", "b"], metadata.instruction, metadata.prompt_config.template)


def _rows(examples, prefix):
    """Record numbers by example, in order."""
    bodies = [np.array(ids[prefix:-1]) for ids in (example["input_ids"] for example in examples)]
    return [[int(body[0]) - 10, *(body[1:][np.diff(body) != 0] - 10).tolist()] for body in bodies]


@FEW
@given(records=RECORDS | EQUAL, room=st.integers(8, 30), cap=st.none() | st.integers(1, 5), prompted=st.booleans())
def test_fast_path_equals_examples_laid_out_one_by_one(
    tokenizer, make_metadata, pack_slowly, records, room, cap, prompted
):
    """Promise C21."""
    template = "{instruction}{schema}" if prompted else ""
    metadata = make_metadata(1_000, cap, template=template, bos=True, eos=True)
    prefix = len(inference_prefix(_prompt(metadata), tokenizer, metadata))
    metadata.base_max_seq_length = room + prefix + 1
    examples = _assembler(records, tokenizer, metadata, seed=1).assemble_training_examples()
    fast = [examples.train[i] for i in range(len(examples.train))]
    order = [row for rows in _rows(fast, prefix) for row in rows]
    assert fast == pack_slowly([records[row] for row in order], _prompt(metadata), tokenizer, metadata)
    assert sorted(order) == list(range(len(records)))
    assert max(len(example["input_ids"]) for example in fast) <= metadata.max_seq_length


@FEW
@given(records=RECORDS, fraction=st.sampled_from([0.3, 1.0, 1.5, 2.0, 2.7]), size=st.sampled_from([None, 0.2, 1]))
def test_every_record_once_per_pass_and_validation_once(tokenizer, make_metadata, records, fraction, size):
    """Promise C23."""
    records = [*records, [10 + len(records)]]
    assembler = _assembler(records, tokenizer, make_metadata(20, template=""), seed=2, test_size=size)
    examples = assembler.assemble_training_examples(fraction)
    train = _rows(examples.train, 1)
    test = [] if examples.test is None else [row for rows in _rows(examples.test, 1) for row in rows]
    seen = np.bincount([row for rows in train for row in rows], minlength=len(records))
    assert sorted(test) == [row for row in range(len(records)) if row not in _training_rows(assembler)]
    assert seen[test].sum() == 0
    counts = seen[sorted(_training_rows(assembler))]
    assert counts.min() >= int(fraction) and counts.max() <= int(np.ceil(fraction))
    assert counts.sum() == pytest.approx(np.ceil(np.round(fraction * len(counts), 6)))
    assert all(len(set(rows)) == len(rows) for rows in train)
    assert assembler.num_records_train == len(counts)
    assert assembler.num_records_validation == len(test)
    assert assembler.num_records_total == len(records)


def _training_rows(assembler):
    whole = assembler.assemble_training_examples()
    return {row for rows in _rows(whole.train, 1) for row in rows}


@FEW
@given(records=RECORDS | EQUAL, cap=st.none() | st.integers(1, 4))
def test_padded_batch_equals_the_lists(tokenizer, make_metadata, records, cap):
    metadata = make_metadata(150, cap, bos=True, pad_token_id=0)
    examples = _assembler(records, tokenizer, metadata, seed=3).assemble_training_examples()
    ranges = ranges_of(examples.train)
    numbers = [*range(len(ranges)), 0]
    batch = ranges.batch(numbers)
    width = int(ranges.lengths.max())
    padding = {"input_ids": 0, "attention_mask": 0, "labels": -100}
    for name, value in padding.items():
        assert batch[name].dtype == np.int64
        rows = [examples.train[i][name] for i in numbers]
        assert batch[name].tolist() == [row + [value] * (width - len(row)) for row in rows]
    assert [ranges.example(i) for i in range(len(ranges))] == list(examples.train)
    assert examples.train[:]["labels"] == [example["labels"] for example in examples.train]


def test_ranges_follow_a_dataset_that_was_shuffled(tokenizer, make_metadata):
    records = [[10 + row] for row in range(20)]
    examples = _assembler(records, tokenizer, make_metadata(template="", cap=1), seed=0).assemble_training_examples()
    shuffled = examples.train.shuffle(seed=1).select(range(5))
    ranges = ranges_of(shuffled)
    assert [ranges.example(i) for i in range(len(ranges))] == list(shuffled)
    with pytest.raises(IndexError):
        ranges.example(5)


def test_other_datasets_have_no_ranges():
    from datasets import Dataset

    assert ranges_of(Dataset.from_dict({"start": [0], "stop": [1]})) is None


def test_labels_are_masked_on_the_prompt_alone(tokenizer, make_metadata):
    metadata = make_metadata(bos=True, eos=True)
    example = _assembler([[10, 11], [12]], tokenizer, metadata, seed=0).assemble_training_examples().train[0]
    masked = len(inference_prefix(_prompt(metadata), tokenizer, metadata)) - 1
    assert example["labels"] == [-100] * masked + example["input_ids"][masked:]
    assert example["input_ids"][masked] == 1
    assert example["input_ids"][-1] == 2
    assert example["attention_mask"] == [1] * len(example["input_ids"])


def test_same_seed_same_examples_and_another_seed_others(tokenizer, make_metadata):
    """Promise C20."""
    records = [[10 + row] for row in range(40)]

    def make(seed):
        assembler = _assembler(records, tokenizer, make_metadata(12, template=""), seed=seed, test_size=0.25)
        examples = assembler.assemble_training_examples(1.5)
        return list(examples.train), list(examples.test)

    assert make(5) == make(5)
    assert make(5) != make(6)


def test_split_does_not_depend_on_the_fraction(tokenizer, make_metadata):
    assembler = _assembler([[10 + row] for row in range(40)], tokenizer, make_metadata(), seed=0, test_size=8)
    whole, half = assembler.assemble_training_examples(3), assembler.assemble_training_examples(0.5)
    assert list(whole.test) == list(half.test)


@pytest.mark.parametrize(("size", "expected"), [(None, 0), (0, 0), (0.1, 5), (7, 7)])
def test_split_sizes(tokenizer, make_metadata, size, expected):
    """Promise C14."""
    assembler = _assembler([[10]] * 50, tokenizer, make_metadata(), test_size=size)
    assert assembler.num_records_validation == expected
    assert assembler.num_records_train == 50 - expected
    assert (assembler.assemble_training_examples().test is None) == (expected == 0)


def test_too_many_validation_records_are_refused_with_numbers(tokenizer, make_metadata):
    """Promise C17."""
    assembler = _assembler([[10]] * 50, tokenizer, make_metadata(), test_size=50)
    with pytest.raises(ParameterError, match=r"50 records and the dataset has 50.*at most 49"):
        assembler.assemble_training_examples()


def test_a_small_table_can_be_split(tokenizer, make_metadata):
    """Promise C16."""
    assembler = _assembler([[10]] * 3, tokenizer, make_metadata(), test_size=0.02)
    assert (assembler.num_records_train, assembler.num_records_validation) == (2, 1)


def test_fraction_of_zero_is_refused(tokenizer, make_metadata):
    with pytest.raises(ParameterError, match="data_fraction is 0"):
        _assembler([[10]] * 3, tokenizer, make_metadata()).assemble_training_examples(0)


@FEW
@given(records=RECORDS)
def test_statistics_equal_a_slow_computation(tokenizer, make_metadata, records):
    """Promise C7."""
    records = [*records, [10 + len(records)]]
    assembler = _assembler(records, tokenizer, make_metadata(20, template=""), seed=4, test_size=1)
    examples = assembler.assemble_training_examples()
    rows = _rows(examples.train, 1)
    expected = {
        "tokens_per_record": [len(records[row]) for row in sorted(_training_rows(assembler))],
        "tokens_per_example": [len(example["input_ids"]) for example in examples.train],
        "records_per_example": [len(held) for held in rows],
    }
    assert set(examples.stats) == set(expected)
    for name, values in expected.items():
        found = examples.stats[name]
        assert (found.count, found.min, found.max) == (len(values), min(values), max(values))
        assert found.mean == pytest.approx(statistics.mean(values))
        assert found.stddev == pytest.approx(statistics.stdev(values) if len(values) > 1 else 0)


def test_overlong_records_are_named(tokenizer, make_metadata):
    """Promise C25."""
    records = [[10] * length for length in (3, 9, 3, 12)]
    with pytest.raises(OverlongRecordError) as caught:
        _assembler(records, tokenizer, make_metadata(10, template="")).assemble_training_examples()
    text = str(caught.value)
    assert "2 of 4 records" in text and "row 2 (9 tokens), row 4 (12 tokens)" in text
    assert "the 8 tokens" in text and "overlong to 'skip'" in text and "base_max_seq_length is 10" in text


def test_overlong_records_are_skipped_and_counted(tokenizer, make_metadata, caplog):
    """Promises C24, C25."""
    records = [[10 + row] * length for row, length in enumerate((3, 9, 3, 12, 8))]
    assembler = _assembler(records, tokenizer, make_metadata(10, template=""), overlong="skip", seed=0)
    with caplog.at_level(logging.WARNING):
        examples = assembler.assemble_training_examples()
    assert sorted(row for rows in _rows(examples.train, 1) for row in rows) == [0, 2, 4]
    assert examples.stats["tokens_per_skipped_record"].count == assembler.num_records_skipped == 2
    assert examples.stats["tokens_per_skipped_record"].max == 12
    assert examples.stats["tokens_per_record"].count == assembler.num_records_total == 3
    assert "2 of 5 records" in caplog.text


def test_nothing_left_is_an_error(tokenizer, make_metadata):
    with pytest.raises(AssemblyError, match="leaves no record"):
        _assembler([[1] * 9], tokenizer, make_metadata(10, template=""), overlong="skip").assemble_training_examples()
    with pytest.raises(AssemblyError, match="no records"):
        TabularDataExampleAssembler(_table(0), tokenizer, make_metadata()).assemble_training_examples()


def test_prompt_that_fills_the_context_is_an_error(tokenizer, make_metadata):
    """Promise C26."""
    with pytest.raises(AssemblyError, match="schema prompt takes"):
        _assembler([[10]], tokenizer, make_metadata(8)).assemble_training_examples()


def test_constructor_checks_columns_and_touches_nothing_else(make_metadata):
    """Promises C9, C19."""

    class Untouchable:
        def __getattr__(self, name):
            raise AssertionError(f"the tokenizer was asked for {name}")

    assembler = TabularDataExampleAssembler(_table(3), Untouchable(), make_metadata(), ["b"], 0.5, None, 0)
    assert assembler.retained_columns.column_names == ["b"]
    with pytest.raises(ParameterError, match=r"'c'.*'a', 'b'"):
        TabularDataExampleAssembler(_table(3), Untouchable(), make_metadata(), ["c"])
    with pytest.raises(ParameterError, match="overlong is 'cut'"):
        TabularDataExampleAssembler(_table(3), Untouchable(), make_metadata(), overlong="cut")
    with pytest.raises(ParameterError, match="2 records and the dataset has 3"):
        store = TokenStore.from_records([[1], [2]])
        TabularDataExampleAssembler(_table(3), Untouchable(), make_metadata(), token_store=store)


@pytest.mark.parametrize(("fraction", "records"), [(0.001, 1), (0.25, 25), (1, 100), (2.5, 250), (7, 700)])
def test_a_share_is_so_many_records_and_passes_hold_no_copies_of_the_tokens(
    tokenizer, make_metadata, fraction, records
):
    """Promise C22."""
    assembler = _assembler([[10 + row] * 5 for row in range(100)], tokenizer, make_metadata(40, template=""), seed=0)
    examples = assembler.assemble_training_examples(fraction)
    ranges = ranges_of(examples.train)
    assert ranges.store is assembler.token_store
    assert ranges.num_records.sum() == len(ranges.order) == records
    seen = np.bincount([row for rows in _rows(examples.train, 1) for row in rows], minlength=100)
    assert set(seen.tolist()) <= {int(fraction), math.ceil(fraction)}


def test_examples_are_a_dataset_and_statistics(tokenizer, make_metadata):
    """Promise C6."""
    from datasets import Dataset

    from rowsmith.assembly import Statistics, TrainingExamples

    examples = _assembler([[10 + row] for row in range(20)], tokenizer, make_metadata(), test_size=4)
    examples = examples.assemble_training_examples()
    assert type(examples) is TrainingExamples and is_dataclass(examples)
    for part in (examples.train, examples.test):
        assert type(part) is Dataset
        assert part.column_names == ["input_ids", "attention_mask", "labels"]
        assert [len(ids) for ids in part["input_ids"]] == [len(labels) for labels in part["labels"]]
    assert examples.stats and all(type(each) is Statistics for each in examples.stats.values())
    assert replace(examples, test=None).test is None


def test_a_constructor_stores_its_arguments(make_metadata, tmp_path):
    """Promise C9."""
    table, tokenizer, metadata = _table(3), object(), make_metadata()
    assembler = TabularDataExampleAssembler(table, tokenizer, metadata, ["b"], 2, str(tmp_path), 7)
    assert assembler.dataset is table and assembler.tokenizer is tokenizer and assembler.metadata is metadata
    assert (assembler.keep_columns, assembler.test_size, assembler.seed) == (["b"], 2, 7)
    assert assembler.cache_file_path == tmp_path
    plain = TabularDataExampleAssembler(table, tokenizer, metadata)
    assert (plain.keep_columns, plain.test_size, plain.cache_file_path, plain.seed) == ([], None, None, None)


def test_more_than_the_documented_arguments_are_refused(make_metadata):
    """Promise C30: a misspelled argument would else change the training without a word."""
    positional = (_table(3), None, make_metadata(), None, None, None, None)
    with pytest.raises(TypeError, match="positional"):
        TabularDataExampleAssembler(*positional, 1)
    with pytest.raises(TypeError, match="tset_size"):
        TabularDataExampleAssembler(*positional, tset_size=2)


def test_the_prompt_names_the_columns(make_metadata):
    """Promise C33."""
    assembler = TabularDataExampleAssembler(_table(3), None, make_metadata())
    assert assembler.schema_prompt == _prompt(make_metadata()) == 'Say columns "a":<unk>,"b":<unk>\n'
