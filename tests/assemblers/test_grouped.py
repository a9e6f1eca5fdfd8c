"""``GroupedDataExampleAssembler``: the fast path against the slow one, and what it promises."""

from __future__ import annotations

import inspect
import logging
import statistics

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowsmith.assembly import ranges_of
from rowsmith.assembly.prompts import inference_prefix, schema_prompt
from rowsmith.assembly.token_store import TokenStore
from rowsmith.errors import AssemblyError, DataError, OverlongGroupError, OverlongRecordError, ParameterError
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema, Timing, TimingRole
from rowsmith_assemblers import GroupedDataExampleAssembler

from .read_back import joined, sequences_of

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Groups of records of so many tokens.
GROUPS = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=5), min_size=1, max_size=12)
EQUAL = st.lists(st.integers(1, 5).map(lambda count: [4] * count), min_size=1, max_size=12)


def _table(count):
    return pa.table({"a": pa.array(range(count)), "b": pa.array(["x"] * count)})


def _rows(sizes):
    """Record numbers of each group."""
    ends = np.cumsum([len(group) for group in sizes])
    return [list(range(end - len(group), end)) for end, group in zip(ends.tolist(), sizes, strict=True)]


def _assembler(sizes, tokenizer, metadata, **more):
    numbers = [number for number, group in enumerate(sizes) for _ in group]
    lengths = [length for group in sizes for length in group]
    store = TokenStore.from_records([[10 + row] * length for row, length in enumerate(lengths)], numbers)
    return GroupedDataExampleAssembler("g", None, _table(len(store)), tokenizer, metadata, token_store=store, **more)


def _prompt(metadata):
    return schema_prompt(["a", "b"], metadata.instruction, metadata.prompt_config.template)


def _flat(examples):
    return [rows for example in examples for rows in sequences_of(example)]


@FEW
@given(sizes=GROUPS | EQUAL, room=st.integers(32, 60), cap=st.none() | st.integers(1, 4), prompted=st.booleans())
def test_fast_path_equals_examples_laid_out_one_by_one(
    tokenizer, make_metadata, pack_groups_slowly, sizes, room, cap, prompted
):
    """Promise D10."""
    metadata = make_metadata(1_000, cap, template="{instruction}{schema}" if prompted else "", bos=True, eos=True)
    metadata.base_max_seq_length = room + len(inference_prefix(_prompt(metadata), tokenizer, metadata))
    examples = _assembler(sizes, tokenizer, metadata, seed=1).assemble_training_examples()
    fast = [examples.train[i] for i in range(len(examples.train))]
    order = _flat(fast)
    assert sorted(order) == _rows(sizes)
    lengths = [length for group in sizes for length in group]
    groups = [[[10 + row] * lengths[row] for row in rows] for rows in order]
    assert fast == pack_groups_slowly(groups, _prompt(metadata), tokenizer, metadata)
    assert max(len(example["input_ids"]) for example in fast) <= metadata.max_seq_length


@FEW
@given(sizes=GROUPS, fraction=st.sampled_from([0.3, 1.0, 1.5, 2.0, 2.7]), size=st.sampled_from([None, 0.2, 0.5, 1]))
def test_every_record_once_per_pass_and_groups_whole(tokenizer, make_metadata, sizes, fraction, size):
    """Promises D15, D17."""
    sizes = [*sizes, [1], [2, 1]]
    assembler = _assembler(sizes, tokenizer, make_metadata(40, template=""), seed=2, test_size=size)
    whole = assembler.assemble_training_examples()
    examples = assembler.assemble_training_examples(fraction)
    groups = {tuple(rows) for rows in _rows(sizes)}
    trained = {tuple(rows) for rows in _flat(whole.train)}
    test = [tuple(rows) for rows in _flat(examples.test or [])]
    assert trained | set(test) == groups and trained.isdisjoint(test) and len(test) == len(set(test))
    assert bool(test) == (size is not None)
    seen = [tuple(rows) for rows in _flat(examples.train)]
    counts = [seen.count(group) for group in trained]
    assert set(seen) <= trained
    assert min(counts) >= int(fraction) and max(counts) <= int(np.ceil(fraction))
    for example in examples.train:
        assert len(set(map(tuple, sequences_of(example)))) == len(sequences_of(example))
    assert assembler.num_groups_train == len(trained)
    assert assembler.num_groups_validation == len(test)
    assert assembler.num_records_train == sum(map(len, trained))
    assert assembler.num_records_validation == sum(map(len, test))
    assert assembler.num_records_total == sum(map(len, groups))


def test_a_share_of_the_data_is_random_groups_of_so_many_records(tokenizer, make_metadata):
    """Promise D15."""
    sizes = [[1] * (1 + number % 5) for number in range(60)]
    metadata = make_metadata(40, template="")
    found = []
    for seed in range(4):
        rows = _flat(_assembler(sizes, tokenizer, metadata, seed=seed).assemble_training_examples(0.4).train)
        assert all(row in _rows(sizes) for row in rows)
        assert abs(sum(map(len, rows)) - 0.4 * 180) <= 2.5
        found.append(sorted(rows))
    assert len({str(rows) for rows in found}) == 4
    assert any(rows[-1] == _rows(sizes)[-1] for rows in found)


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 2.1])
def test_a_share_is_never_twice_as_many_records_however_large_a_group_is(tokenizer, make_metadata, fraction):
    """Promise D15: groups are whole, so a share is met as near as they allow; large ones are not drawn for small."""
    sizes = [[1] * 100, [1] * 90, [1] * 10]
    held = set()
    for seed in range(12):
        assembler = _assembler(sizes, tokenizer, make_metadata(200, template=""), seed=seed)
        examples = assembler.assemble_training_examples(fraction)
        rows = _flat(examples.train)
        assert all(row in _rows(sizes) for row in rows)
        held.add(sum(map(len, rows)) - 200 * int(fraction))
        assert ranges_of(examples.train).store is assembler.token_store
    wanted = 200 * (fraction % 1)
    assert max(held) < 2 * wanted
    assert held <= ({10} if fraction in (0.1, 2.1) else {10, 90, 100, 110})


@FEW
@given(sizes=GROUPS | EQUAL, cap=st.none() | st.integers(1, 4))
def test_padded_batch_equals_the_lists(tokenizer, make_metadata, sizes, cap):
    metadata = make_metadata(150, cap, bos=True, pad_token_id=0)
    examples = _assembler(sizes, tokenizer, metadata, seed=3).assemble_training_examples()
    ranges = ranges_of(examples.train)
    numbers = [*range(len(ranges)), 0]
    batch = ranges.batch(numbers)
    width = int(ranges.lengths.max())
    for name, value in {"input_ids": 0, "attention_mask": 0, "labels": -100}.items():
        rows = [examples.train[i][name] for i in numbers]
        assert batch[name].tolist() == [row + [value] * (width - len(row)) for row in rows]
    assert [ranges.example(i) for i in range(len(ranges))] == list(examples.train)
    assert ranges.num_sequences.tolist() == [len(sequences_of(example)) for example in examples.train]
    shuffled = examples.train.shuffle(seed=1)
    assert [ranges_of(shuffled).example(i) for i in range(len(shuffled))] == list(shuffled)


def test_same_seed_same_examples_and_another_seed_others(tokenizer, make_metadata):
    """Promise D21."""

    def make(seed):
        assembler = _assembler([[2, 2]] * 30, tokenizer, make_metadata(14, template=""), seed=seed, test_size=0.25)
        examples = assembler.assemble_training_examples(1.5)
        return list(examples.train), list(examples.test)

    assert make(5) == make(5)
    assert make(5) != make(6)


def test_labels_are_masked_on_the_prompt_alone(tokenizer, make_metadata):
    metadata = make_metadata(bos=True, eos=True)
    example = _assembler([[2, 1], [1]], tokenizer, metadata, seed=0).assemble_training_examples().train[0]
    masked = len(inference_prefix(_prompt(metadata), tokenizer, metadata)) - 1
    assert example["labels"] == [-100] * masked + example["input_ids"][masked:]
    assert example["input_ids"][masked:].count(1) == example["input_ids"][masked:].count(2) == 2
    assert example["attention_mask"] == [1] * len(example["input_ids"])


@FEW
@given(sizes=GROUPS)
def test_statistics_equal_a_slow_computation(tokenizer, make_metadata, sizes):
    """Promise D16."""
    sizes = [*sizes, [1], [2, 1]]
    assembler = _assembler(sizes, tokenizer, make_metadata(40, template=""), seed=4, test_size=1)
    examples = assembler.assemble_training_examples()
    groups = [
        [length for length, row in zip(joined(sizes), range(999), strict=False) if row in rows]
        for rows in _flat(examples.train)
    ]
    expected = {
        "tokens_per_record": joined(groups),
        "tokens_per_group": [sum(group) for group in groups],
        "records_per_group": [len(group) for group in groups],
        "tokens_per_example": [len(example["input_ids"]) for example in examples.train],
        "records_per_example": [len(joined(sequences_of(example))) for example in examples.train],
        "groups_per_example": [len(sequences_of(example)) for example in examples.train],
    }
    assert set(examples.stats) == set(expected)
    for name, values in expected.items():
        found = examples.stats[name]
        assert (found.count, found.min, found.max) == (len(values), min(values), max(values))
        assert found.mean == pytest.approx(statistics.mean(values))
        assert found.stddev == pytest.approx(statistics.stdev(values) if len(values) > 1 else 0)


# Groups that do not fit


def test_overlong_groups_are_named(tokenizer, make_metadata):
    """Promise D18."""
    table = pa.table({"g": ["ann", "bob", "bob", "cy"], "a": [1, 2, 3, 4]})
    store = TokenStore.from_records([[10] * length for length in (3, 6, 6, 9)])
    with pytest.raises(OverlongGroupError) as caught:
        GroupedDataExampleAssembler(
            "g", None, table, tokenizer, make_metadata(10, template=""), token_store=store
        ).assemble_training_examples()
    text = str(caught.value)
    assert "2 of 3 groups" in text and "the 8 tokens" in text
    assert "'bob' (2 records, 12 tokens), 'cy' (1 records, 9 tokens)" in text
    assert "assembler: {name: grouped, options: {overlong: split}}" in text
    assert "overlong to 'split'" in text and "'skip'" in text and "base_max_seq_length is 10" in text


def test_overlong_groups_are_named_as_the_user_names_them(tokenizer, make_metadata):
    names = pa.table({"g": ["x", "y", "y"], "h": ["1", "2", "2"]})
    assembler = _assembler([[3], [6, 6]], tokenizer, make_metadata(10, template=""), group_values=names)
    with pytest.raises(OverlongGroupError, match=r": 'y' \(2 records, 12 tokens\)\. "):
        assembler.assemble_training_examples()


def test_overlong_groups_are_skipped_and_counted(tokenizer, make_metadata, caplog):
    """Promise D19."""
    sizes = [[3], [6, 6], [3, 3], [9], [8]]
    assembler = _assembler(sizes, tokenizer, make_metadata(10, template=""), overlong="skip", seed=0)
    with caplog.at_level(logging.WARNING):
        examples = assembler.assemble_training_examples()
    assert sorted(_flat(examples.train)) == [[0], [3, 4], [6]]
    assert examples.stats["tokens_per_skipped_group"].count == assembler.num_groups_skipped == 2
    assert (assembler.num_groups_split, assembler.num_groups_train, assembler.num_records_total) == (0, 3, 4)
    assert "2 of 5 groups" in caplog.text and "group 2 (2 records, 12 tokens)" in caplog.text


@FEW
@given(sizes=GROUPS, room=st.integers(6, 12), fraction=st.sampled_from([1.0, 2.0]))
def test_overlong_groups_are_split_in_order(tokenizer, make_metadata, sizes, room, fraction):
    """Promise D20."""
    metadata = make_metadata(room + 2, template="")
    assembler = _assembler(sizes, tokenizer, metadata, overlong="split", seed=0)
    examples = assembler.assemble_training_examples(fraction)
    found = _flat(examples.train)
    assert sorted(joined(found)) == sorted(joined(_rows(sizes)) * int(fraction))
    assert max(len(example["input_ids"]) for example in examples.train) <= room + 2
    long = [rows for rows, group in zip(_rows(sizes), sizes, strict=True) if sum(group) > room]
    for rows in _rows(sizes):
        parts = [part for part in found if part[0] in rows]
        assert joined(parts) == rows * int(fraction)
        assert (len(parts) > fraction) == (rows in long)
    assert assembler.num_groups_split == len(long)
    assert examples.stats.get("tokens_per_split_group", examples.stats["tokens_per_group"]).count >= len(long)


def test_a_record_that_does_not_fit_cannot_be_split(tokenizer, make_metadata):
    assembler = _assembler([[3, 9], [2]], tokenizer, make_metadata(10, template=""), overlong="split")
    with pytest.raises(OverlongRecordError, match=r"row 2 \(9 tokens\).*cannot be split.*'skip'"):
        assembler.assemble_training_examples()


def test_nothing_left_is_an_error(tokenizer, make_metadata):
    with pytest.raises(AssemblyError, match="leaves no group"):
        _assembler([[9]], tokenizer, make_metadata(10, template=""), overlong="skip").assemble_training_examples()
    with pytest.raises(AssemblyError, match="no records"):
        _assembler([], tokenizer, make_metadata()).assemble_training_examples()
    with pytest.raises(AssemblyError, match="schema prompt takes"):
        _assembler([[1]], tokenizer, make_metadata(8)).assemble_training_examples()


# Packing


def test_an_example_is_filled_to_the_last_token(tokenizer, make_metadata):
    """Promise D11: Neither is the prompt counted twice nor are the tokens that enclose the next group left out."""
    metadata = make_metadata(1_000, bos=True, eos=True)
    prompt = len(inference_prefix(_prompt(metadata), tokenizer, metadata)) - 1
    for length, expected in ((prompt + 3 * 6, 3), (prompt + 3 * 6 - 1, 2)):
        metadata.base_max_seq_length = length
        examples = _assembler([[2, 2]] * 6, tokenizer, metadata, seed=0).assemble_training_examples()
        assert examples.stats["groups_per_example"].max == expected
        assert examples.stats["tokens_per_example"].max <= length


def test_cap_counts_groups(tokenizer, make_metadata):
    """Promise D12."""
    examples = _assembler([[1, 1, 1]] * 6, tokenizer, make_metadata(200, 2), seed=0).assemble_training_examples()
    assert examples.stats["groups_per_example"].min == examples.stats["groups_per_example"].max == 2
    assert examples.stats["records_per_example"].max == 6


def test_more_passes_hold_no_copies_of_the_tokens(tokenizer, make_metadata):
    """Promise D15."""
    assembler = _assembler([[5, 5]] * 50, tokenizer, make_metadata(template=""), seed=0)
    once, often = (ranges_of(assembler.assemble_training_examples(fraction).train) for fraction in (1, 7))
    assert once.store is often.store
    assert len(often.order) == 700


# Splits


@pytest.mark.parametrize(("size", "records"), [(50, 50), (0.05, 50), (100, 100), (999, 980)])
def test_test_size_counts_records_and_not_groups(tokenizer, make_metadata, size, records):
    """Promise D13: 50 records of 1,000 in 50 groups are 2 or 3 groups and not all of them."""
    assembler = _assembler([[1] * 20] * 50, tokenizer, make_metadata(200), test_size=size, seed=0)
    assert abs(assembler.num_records_validation - records) <= 10
    assert assembler.num_records_validation == 20 * assembler.num_groups_validation
    assert assembler.num_groups_train + assembler.num_groups_validation == 50


def test_a_long_group_is_not_drawn_for_a_small_validation_set(tokenizer, make_metadata):
    sizes = [[1] * 300, *[[1] * 2] * 30]
    for seed in range(10):
        assembler = _assembler(sizes, tokenizer, make_metadata(1_000), test_size=20, seed=seed)
        assert assembler.num_records_validation == 20


def test_a_single_group_is_trained_on(tokenizer, make_metadata, caplog):
    """Promise D14."""
    assembler = _assembler([[1] * 20], tokenizer, make_metadata(200), test_size=0.1)
    with caplog.at_level(logging.WARNING):
        examples = assembler.assemble_training_examples()
    assert examples.test is None
    assert (assembler.num_groups_train, assembler.num_groups_validation) == (1, 0)
    assert "one group" in caplog.text


def test_too_many_validation_records_are_refused_with_numbers(tokenizer, make_metadata):
    with pytest.raises(ParameterError, match=r"6 records and the dataset has 6.*at most 5"):
        _assembler([[1, 1]] * 3, tokenizer, make_metadata(), test_size=6).assemble_training_examples()


# Groups by value


def _by_value(table, tokenizer, metadata, group="g", order=None, **more):
    """Record numbers of each sequence; records are tokenized elsewhere."""
    store = TokenStore.from_records([[10 + row] for row in range(len(table))])
    assembler = GroupedDataExampleAssembler(group, order, table, tokenizer, metadata, token_store=store, seed=0, **more)
    return sorted(_flat(assembler.assemble_training_examples().train))


@pytest.mark.parametrize("coded", [False, True])
def test_groups_are_found_wherever_their_rows_stand(tokenizer, make_metadata, coded):
    """Promises D4, D6."""
    names = pa.array(["b", "a", "b", "c", "a"])
    table = pa.table({"g": names.dictionary_encode() if coded else names})
    assert _by_value(table, tokenizer, make_metadata()) == [[0, 2], [1, 4], [3]]


def test_several_columns_make_a_group(tokenizer, make_metadata):
    """Promise D3."""
    table = pa.table({"g": ["a", "a", "b", "a", "b"], "h": [1, 2, 1, 1, 1], "t": [5, 4, 3, 2, 1]})
    metadata = make_metadata()
    assert _by_value(table, tokenizer, metadata, ["g", "h"]) == [[0, 3], [1], [2, 4]]
    assert _by_value(table, tokenizer, metadata, ("h", "g"), "t") == [[1], [3, 0], [4, 2]]


DATES = ["2/1/2020", "10/1/2020", "1/15/2021", "9/30/2020"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["9", "10", "-1", "9.5"], [2, 0, 3, 1]),
        ([9, 10, -1, 9], [2, 0, 3, 1]),
        ([0.5, 1e10, -1e-3, 0.25], [2, 3, 0, 1]),
        (DATES, [0, 3, 1, 2]),
        (["9223372036854775807", "9223372036854775806", "2", "1"], [3, 2, 1, 0]),
        (["2020-01-01T10:00:00", "2020-01-01T09:59:59", "2019-12-31T00:00:00", "2020-01-01T09:59:59"], [2, 1, 3, 0]),
        (["20200201", "20191231", "20200101", "20191230"], [3, 1, 2, 0]),
        ([True, False, True, False], [1, 3, 0, 2]),
    ],
)
def test_order_is_that_of_values_and_ties_stay(tokenizer, make_metadata, values, expected):
    """Promise D5."""
    table = pa.table({"g": ["a"] * 4, "t": values})
    assert _by_value(table, tokenizer, make_metadata(), order="t") == [expected]
    coded = pa.table({"g": ["a"] * 4, "t": pa.array(values).dictionary_encode()})
    assert _by_value(coded, tokenizer, make_metadata(), order="t") == [expected]


def test_a_value_that_no_row_uses_does_not_decide_how_others_are_read(tokenizer, make_metadata):
    codes = pa.DictionaryArray.from_arrays(pa.array([1, 2], pa.int32()), pa.array(["x", "10", "9"]))
    assert _by_value(pa.table({"g": ["a", "a"], "t": codes}), tokenizer, make_metadata(), order="t") == [[1, 0]]


def test_datasets_are_grouped_like_tables(tokenizer, make_metadata):
    from datasets import Dataset

    rows = {"g": ["b", "a", "b"], "t": ["10", "1", "9"]}
    for data in (pa.table(rows), Dataset.from_dict(rows)):
        assembler = GroupedDataExampleAssembler("g", "t", data, tokenizer, make_metadata(template=""), seed=0)
        example = assembler.assemble_training_examples().train[0]
        lines = tokenizer.decode(example["input_ids"], skip_special_tokens=True).splitlines()
        assert lines[lines.index('{"g":"b","t":"9"}') + 1] == '{"g":"b","t":"10"}'
        assert len(lines) == 3


@pytest.mark.parametrize("values", [["a", None, "b", None], [1.0, float("nan"), 2.0, float("nan")]])
@pytest.mark.parametrize("coded", [False, True])
def test_missing_group_values_are_an_error_and_not_dropped(tokenizer, make_metadata, values, coded):
    """Promise D7."""
    column = pa.array(values)
    table = pa.table({"g": column.dictionary_encode() if coded else column})
    with pytest.raises(DataError, match=r"'g' has no value in rows 2, 4 .*group_training_examples_by"):
        _by_value(table, tokenizer, make_metadata())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["10", None, "9", None, "2"], [4, 2, 0, 1, 3]),
        ([10, None, 9, None, 2], [4, 2, 0, 1, 3]),
        ([1.5, float("nan"), 0.5, None, -1.0], [4, 2, 0, 1, 3]),
        (["2/1/2020", None, "10/1/2020", None, "1/15/2020"], [4, 0, 2, 1, 3]),
        ([None] * 5, [0, 1, 2, 3, 4]),
    ],
)
@pytest.mark.parametrize("coded", [False, True])
def test_records_without_an_order_value_are_the_last_of_their_group(
    tokenizer, make_metadata, caplog, values, expected, coded
):
    """Promise D23."""
    column = pa.array(values)
    table = pa.table({"g": ["a"] * 5, "t": column.dictionary_encode() if coded else column})
    with caplog.at_level(logging.WARNING):
        assert _by_value(table, tokenizer, make_metadata(), order="t") == [expected]
    count = 5 if values[0] is None else 2
    assert f"'t' has no value in {count} of 5 rows; they are the last of their group" in caplog.text


def test_text_that_has_no_order_is_refused(tokenizer, make_metadata):
    table = pa.table({"g": ["a"] * 3, "t": ["1", "x", "2"]})
    with pytest.raises(DataError, match=r"'t' orders the records.*neither numbers nor date-times"):
        _by_value(table, tokenizer, make_metadata(), order="t")


def test_a_step_column_begins_the_groups(tokenizer, make_metadata):
    step = ModelColumn(
        name="~step", kind=JsonKind.STRING, nullable=True, timing=Timing(role=TimingRole.STEP, amounts={"next": 1.0})
    )
    other = ModelColumn(name="a", kind=JsonKind.NUMBER, nullable=False)
    metadata = make_metadata(template="", model_schema=ModelSchema(columns=(step, other)))
    table = pa.table({"~step": [None, "next", "next", None, None, "next"], "a": range(6)})
    assert _by_value(table, tokenizer, metadata) == [[0, 1, 2], [3], [4, 5]]


def test_given_groups_need_no_columns_and_no_token_store_that_has_them(tokenizer, make_metadata):
    table = pa.table({"a": [str(number) for number in range(5)]})
    groups = np.array([0, 0, 1, 1, 1])
    assert _by_value(table, tokenizer, make_metadata(), "gone", "gone", groups=groups) == [[0, 1], [2, 3, 4]]
    assembler = GroupedDataExampleAssembler("gone", "gone", table, tokenizer, make_metadata(), groups=groups)
    assert (assembler.num_groups_train, assembler.num_records_train) == (2, 5)
    with pytest.raises(ParameterError, match="groups has 5 numbers and the dataset has 3 records"):
        GroupedDataExampleAssembler("gone", None, _table(3), tokenizer, make_metadata(), groups=groups)


# The constructor


def test_constructor_checks_columns_and_touches_nothing_else(make_metadata):
    """Promises D8, D9."""

    class Untouchable:
        def __getattr__(self, name):
            raise AssertionError(f"the tokenizer was asked for {name}")

    def make(group="a", order=None, **more):
        return GroupedDataExampleAssembler(group, order, _table(3), Untouchable(), make_metadata(), **more)

    assert make(["b", "a"], "a", keep_columns=["a", "b"]).keep_columns == ["b", "a"]
    assert make().retained_columns.column_names == ["a"]
    with pytest.raises(ParameterError, match=r"group_training_examples_by names 'c'.*'a', 'b'"):
        make("c")
    with pytest.raises(ParameterError, match=r"order_training_examples_by names 'c'"):
        make("a", "c")
    with pytest.raises(ParameterError, match="keep_columns names 'c'"):
        make("a", keep_columns=["c"])
    with pytest.raises(ParameterError, match=r"overlong is 'cut'.*split"):
        make(overlong="cut")
    with pytest.raises(ParameterError, match="group_training_examples_by is empty"):
        make([])
    with pytest.raises(ParameterError, match="names a column twice"):
        make(["a", "a"])
    with pytest.raises(ParameterError, match="2 records and the dataset has 3"):
        make(token_store=TokenStore.from_records([[1], [2]]))


def test_parameters_stand_in_the_documented_order():
    """Promise D1."""
    parameters = inspect.signature(GroupedDataExampleAssembler).parameters
    documented = (
        "group_training_examples_by order_training_examples_by dataset tokenizer metadata test_size "
        "cache_file_path seed keep_columns"
    )
    assert list(parameters)[:9] == documented.split()
    assert all(parameters[name].default is None for name in documented.split()[5:])
    assert all(p.kind is p.KEYWORD_ONLY for p in list(parameters.values())[9:])


def test_more_than_the_documented_arguments_are_refused(make_metadata):
    """Promise D22."""
    positional = ("a", None, _table(3), None, make_metadata(), None, None, None, None)
    assert GroupedDataExampleAssembler(*positional).keep_columns == ["a"]
    with pytest.raises(TypeError, match="positional"):
        GroupedDataExampleAssembler(*positional, 1)
    with pytest.raises(TypeError, match="tset_size"):
        GroupedDataExampleAssembler(*positional, tset_size=2)


def test_the_prompt_names_the_columns(make_metadata):
    """Promise C33."""
    assembler = GroupedDataExampleAssembler("a", None, _table(3), None, make_metadata())
    assert assembler.schema_prompt == 'Say columns "a":<unk>,"b":<unk>\n'
