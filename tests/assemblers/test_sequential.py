"""``SequentialExampleAssembler``: the fast path against the slow one, and what it promises."""

from __future__ import annotations

import inspect
import logging
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowsmith.assembly import Example, ranges_of
from rowsmith.assembly.metadata import ModelMetadata
from rowsmith.assembly.prompts import inference_prefix, schema_prompt
from rowsmith.assembly.token_store import TokenStore
from rowsmith.errors import AssemblyError, DataError, OverlongRecordError, ParameterError
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema
from rowsmith_assemblers import PSEUDO_GROUP_COLUMN, SequentialExampleAssembler
from rowsmith_assemblers.series import MAX_FILL_RATIO, MIN_FILL_RATIO

from .read_back import joined, sequences_of

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Groups of records of so many tokens.
GROUPS = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=12), min_size=2, max_size=8)


def _table(count):
    return pa.table({"g": ["x"] * count, "t": pa.array(range(count))})


def _lengths(sizes):
    return [length for group in sizes for length in group]


def _group_of(sizes):
    return [number for number, group in enumerate(sizes) for _ in group]


def _assembler(sizes, tokenizer, metadata, **more):
    """Groups that stand in order, tokenized."""
    records = [[10 + row] * length for row, length in enumerate(_lengths(sizes))]
    store = TokenStore.from_records(records, _group_of(sizes))
    return _sequential(_table(len(store)), tokenizer, metadata, "g", "t", token_store=store, **more)


def _sequential(table, tokenizer, metadata, group=PSEUDO_GROUP_COLUMN, order=None, **more):
    return SequentialExampleAssembler(
        table, tokenizer, metadata, group_training_examples_by=group, order_training_examples_by=order, **more
    )


def _prompt(metadata):
    return schema_prompt(["g", "t"], metadata.instruction, metadata.prompt_config.template)


def _rows(examples):
    """Record numbers of each example; an example is one sequence."""
    found = [sequences_of(example) for example in examples or ()]
    assert all(len(sequences) == 1 for sequences in found)
    return [sequences[0] for sequences in found]


def _flow(lengths, groups, budget, cap):
    """The documents' flow, a record at a time, for one budget."""
    examples, held = [], []
    for row, length in enumerate(lengths):
        changed = held and groups[held[-1]] != groups[row]
        if changed or len(held) == cap or (held and sum(lengths[each] for each in held) + length > budget):
            examples.append(held)
            held = []
        held = [*held, row]
    return [*examples, held]


@FEW
@given(sizes=GROUPS, room=st.integers(6, 40), cap=st.none() | st.integers(1, 5), prompted=st.booleans())
def test_examples_are_laid_out_like_those_made_one_by_one(tokenizer, make_metadata, sizes, room, cap, prompted):
    """Promise E14."""
    metadata = make_metadata(1_000, cap, template="{instruction}{schema}" if prompted else "", bos=True, eos=True)
    metadata.base_max_seq_length = room + len(inference_prefix(_prompt(metadata), tokenizer, metadata)) + 1
    examples = _assembler(sizes, tokenizer, metadata, seed=1, test_size=1).assemble_training_examples()
    lengths, groups = _lengths(sizes), _group_of(sizes)
    for part in (examples.train, examples.test):
        for rows, fast in zip(_rows(part), part, strict=True):
            slow = Example(_prompt(metadata), tokenizer, metadata)
            ids = joined([10 + row] * lengths[row] for row in rows)
            slow.add_sequence({"input_ids": ids, "attention_mask": [1] * len(ids)})
            expected = slow.to_dict()
            if groups[rows[-1]] == groups[min(rows[-1] + 1, len(lengths) - 1)] and rows[-1] + 1 < len(lengths):
                expected["labels"][-1] = -100
            assert fast == expected


def test_the_end_of_an_example_is_not_learned_as_the_end_of_a_series(tokenizer, make_metadata):
    """Promise E15."""
    metadata = make_metadata(32, template="")
    examples = _assembler([[1] * 100, [1] * 5], tokenizer, metadata, seed=0).assemble_training_examples(2)
    for rows, example in zip(_rows(examples.train), examples.train, strict=True):
        assert example["input_ids"][-1] == 2
        assert example["labels"][-1] == (2 if rows[-1] in (99, 104) else -100)
        assert example["labels"][:-1] == example["input_ids"][:-1]
    cut = _assembler([[1] * 100], tokenizer, metadata, seed=0, test_size=0.1).assemble_training_examples()
    assert {example["labels"][-1] for example in cut.train} == {-100}
    assert cut.test[-1]["labels"][-1] == 2


@FEW
@given(sizes=GROUPS, room=st.integers(6, 40), cap=st.none() | st.integers(1, 5))
def test_validation_examples_follow_the_documented_flow(tokenizer, make_metadata, sizes, room, cap):
    """Promise E23."""
    metadata = make_metadata(room + 2, cap, template="")
    assembler = _assembler(sizes, tokenizer, metadata, seed=1, test_size=0.5)
    found = _rows(assembler.assemble_training_examples().test)
    groups = _group_of(sizes)
    chosen = {groups[row] for rows in found for row in rows}
    flow = [rows for rows in _flow(_lengths(sizes), groups, room, cap) if groups[rows[0]] in chosen]
    assert found == flow


@FEW
@given(sizes=GROUPS, room=st.integers(6, 40), cap=st.none() | st.integers(1, 5))
def test_training_examples_end_where_they_must(tokenizer, make_metadata, sizes, room, cap):
    """Promise E12."""
    metadata = make_metadata(room + 2, cap, template="")
    examples = _assembler(sizes, tokenizer, metadata, seed=1).assemble_training_examples()
    lengths, groups = _lengths(sizes), _group_of(sizes)
    found = _rows(examples.train)
    assert joined(found) == list(range(len(lengths)))
    for rows, following in zip(found, [*found[1:], [None]], strict=True):
        tokens = sum(lengths[row] for row in rows)
        assert tokens <= room and len(rows) <= (cap or len(rows))
        assert len({groups[row] for row in rows}) == 1
        ended = following[0] is None or groups[following[0]] != groups[rows[0]] or len(rows) == cap
        assert ended or tokens + lengths[following[0]] > int(room * MIN_FILL_RATIO)


def test_budgets_are_drawn_for_each_example_between_the_ratios(tokenizer, make_metadata):
    """Promise E22."""
    metadata = make_metadata(1_002, template="")
    examples = _assembler([[1] * 200_000], tokenizer, metadata, seed=0).assemble_training_examples()
    counts = ranges_of(examples.train).num_records[:-1]
    assert (MIN_FILL_RATIO, MAX_FILL_RATIO) == (0.7, 1.0)
    assert counts.min() >= 700 and counts.max() <= 1_000
    assert counts.min() < 710 and counts.max() > 990 and len(set(counts.tolist())) > 100


def test_a_first_record_beyond_its_budget_stands_in_its_example(tokenizer, make_metadata):
    """Promise E22: records fill the context, and budgets are drawn below it."""
    assembler = _assembler([[6] * 50], tokenizer, make_metadata(8, template=""), seed=0)
    examples = assembler.assemble_training_examples()
    assert _rows(examples.train) == [[row] for row in range(50)]


@FEW
@given(sizes=GROUPS, fraction=st.sampled_from([0.3, 1.0, 1.5, 2.0, 2.7]), size=st.sampled_from([None, 0.2, 0.5, 1]))
def test_every_record_once_per_pass_and_no_group_in_both_splits(tokenizer, make_metadata, sizes, fraction, size):
    """Promises E10, E16, E27."""
    assembler = _assembler(sizes, tokenizer, make_metadata(14, template=""), seed=2, test_size=size)
    groups = np.array(_group_of(sizes))
    whole, examples = (assembler.assemble_training_examples(share) for share in (1, fraction))
    trained, test = joined(_rows(whole.train)), joined(_rows(examples.test))
    assert sorted(trained + test) == list(range(len(groups)))
    assert set(groups[trained]).isdisjoint(groups[test])
    seen = np.bincount(joined(_rows(examples.train)), minlength=len(groups))
    assert seen[test].sum() == 0
    assert seen[trained].min() >= int(fraction) and seen[trained].max() <= int(np.ceil(fraction))
    assert sum(len(set(seen[groups == group])) > 1 for group in set(groups[trained])) <= 1
    assert all(rows == list(range(rows[0], rows[-1] + 1)) for rows in _rows(examples.train))
    assert assembler.num_records_train == len(trained)
    assert assembler.num_records_validation == len(test)
    assert assembler.num_groups_train == len(set(groups[trained]))
    assert assembler.num_groups_validation == len(set(groups[test]))
    assert assembler.num_groups_train + assembler.num_groups_validation == len(sizes)


def test_the_documents_example(tokenizer, make_metadata):
    """Promise E13: Two groups of five and four records, about three to an example."""
    found = _rows(
        _assembler([[2] * 5, [2] * 4], tokenizer, make_metadata(9, template=""), seed=0, test_size=None)
        .assemble_training_examples()
        .train
    )
    assert joined(found) == list(range(9))
    assert not any({4, 5} <= set(rows) for rows in found)
    assert max(map(len, found)) == 3


def test_passes_are_cut_at_other_places_and_hold_no_copies(tokenizer, make_metadata):
    """Promises E18, E19."""
    assembler = _assembler([[2] * 300], tokenizer, make_metadata(100, template=""), seed=0)
    once, often = (ranges_of(assembler.assemble_training_examples(fraction).train) for fraction in (1, 3))
    assert once.store is often.store
    assert len(often.order) == 300
    begins = np.flatnonzero(often.starts == 0)
    assert len(begins) == 3
    assert often.starts[begins[0] : begins[1]].tolist() != often.starts[begins[1] : begins[2]].tolist()


def test_a_share_of_the_data_is_random_groups_and_not_the_first(tokenizer, make_metadata):
    """Promise E20."""
    sizes = [[1] * 10] * 40
    groups = np.array(_group_of(sizes))
    chosen = []
    for seed in range(5):
        rows = joined(
            _rows(_assembler(sizes, tokenizer, make_metadata(), seed=seed).assemble_training_examples(0.25).train)
        )
        assert rows == sorted(rows) and len(rows) == 100
        chosen.append(tuple(sorted(set(groups[rows]))))
    assert len(set(chosen)) == 5
    assert max(max(each) for each in chosen) > 30


@FEW
@given(sizes=GROUPS, fraction=st.sampled_from([0.01, 0.1, 0.25, 0.5, 0.9, 1.1]), seed=st.integers(0, 9))
def test_a_share_of_the_data_is_exactly_so_many_records(tokenizer, make_metadata, sizes, fraction, seed):
    """Promise E20: however large the groups are: of the last group that is drawn a stretch is taken."""
    sizes = [*sizes, [1] * 100]
    assembler = _assembler(sizes, tokenizer, make_metadata(30, template=""), seed=seed)
    examples = assembler.assemble_training_examples(fraction)
    count, groups = len(_lengths(sizes)), np.array(_group_of(sizes))
    rows = joined(_rows(examples.train))
    assert len(rows) == math.ceil(round(fraction * count, 9))
    seen = np.bincount(rows, minlength=count) - int(fraction)
    assert set(seen.tolist()) <= {0, 1}
    partly = 0
    for group in range(len(sizes)):
        taken = np.flatnonzero(seen[groups == group])
        assert not len(taken) or np.all(np.diff(taken) == 1)
        partly += 0 < len(taken) < len(sizes[group])
    assert partly <= 1


def test_a_share_of_one_series_is_a_random_stretch(tokenizer, make_metadata):
    """Promise E21."""
    starts = set()
    for seed in range(5):
        assembler = _assembler([[1] * 200], tokenizer, make_metadata(30, template=""), seed=seed)
        rows = joined(_rows(assembler.assemble_training_examples(0.25).train))
        assert rows == list(range(rows[0], rows[0] + 50))
        starts.add(rows[0])
    assert len(starts) > 2


def test_a_share_goes_round_a_record_that_was_left_out(tokenizer, make_metadata):
    metadata = make_metadata(10, template="")
    for seed in range(5):
        assembler = _assembler([[1, 1, 9, 1, 1]] * 2, tokenizer, metadata, seed=seed, overlong="skip")
        rows = joined(_rows(assembler.assemble_training_examples(0.75).train))
        assert len(rows) == 6 and not {2, 7} & set(rows)


@pytest.mark.parametrize(("size", "count"), [(0.1, 10), (25, 25)])
def test_validation_of_one_series_is_its_end(tokenizer, make_metadata, size, count):
    """Promises E17, E27."""
    assembler = _assembler([[1] * 100], tokenizer, make_metadata(30, template=""), seed=0, test_size=size)
    examples = assembler.assemble_training_examples(2)
    assert joined(_rows(examples.test)) == list(range(100 - count, 100))
    assert max(joined(_rows(examples.train))) == 99 - count
    assert (assembler.num_groups_train, assembler.num_groups_validation) == (1, 1)


def test_same_seed_same_examples_and_another_seed_others(tokenizer, make_metadata):
    def make(seed):
        assembler = _assembler([[1] * 50] * 8, tokenizer, make_metadata(40, template=""), seed=seed, test_size=0.25)
        examples = assembler.assemble_training_examples(1.5)
        return list(examples.train), list(examples.test)

    assert make(5) == make(5)
    assert make(5) != make(6)


def test_statistics(tokenizer, make_metadata):
    """Promise E26."""
    sizes = [[1, 2, 3], [4] * 10, [5]]
    examples = _assembler(sizes, tokenizer, make_metadata(14, template=""), seed=0).assemble_training_examples()
    rows = _rows(examples.train)
    groups = _group_of(sizes)
    expected = {
        "tokens_per_record": _lengths(sizes),
        "tokens_per_example": [len(example["input_ids"]) for example in examples.train],
        "records_per_example": [len(each) for each in rows],
        "examples_per_group": np.bincount([groups[each[0]] for each in rows]).tolist(),
    }
    assert set(examples.stats) == set(expected)
    for name, values in expected.items():
        found = examples.stats[name]
        assert (found.count, found.min, found.max) == (len(values), min(values), max(values))
        assert found.mean == pytest.approx(np.mean(values))


# Records that do not fit


def test_overlong_records_are_named(tokenizer, make_metadata):
    """Promise E28."""
    with pytest.raises(OverlongRecordError, match=r"1 of 4 records.*row 2 \(9 tokens\).*overlong to 'skip'"):
        _assembler([[3, 9], [3, 2]], tokenizer, make_metadata(10, template="")).assemble_training_examples()


def test_an_example_ends_where_a_record_was_left_out(tokenizer, make_metadata, caplog):
    """Promise E29."""
    sizes = [[1, 9, 1, 1], [9], [1, 9]]
    assembler = _assembler(sizes, tokenizer, make_metadata(10, template=""), overlong="skip", seed=0)
    with caplog.at_level(logging.WARNING):
        examples = assembler.assemble_training_examples()
    assert _rows(examples.train) == [[0], [2, 3], [5]]
    assert examples.stats["tokens_per_skipped_record"].count == assembler.num_records_skipped == 3
    assert (assembler.num_groups_train, assembler.num_records_total) == (2, 4)
    assert "3 of 7 records" in caplog.text


def test_nothing_left_is_an_error(tokenizer, make_metadata):
    with pytest.raises(AssemblyError, match="leaves no record"):
        _assembler([[9]], tokenizer, make_metadata(10, template=""), overlong="skip").assemble_training_examples()
    with pytest.raises(AssemblyError, match="no records"):
        _assembler([], tokenizer, make_metadata()).assemble_training_examples()


# Columns and text


def _lines(assembler, tokenizer):
    examples = assembler.assemble_training_examples()
    return [tokenizer.decode(example["input_ids"], skip_special_tokens=True) for example in examples.train]


ROWS = {"v": [1, 2, 3], "when": ["10/1/2020", "2/1/2020", "9/30/2020"], "shop": ["b", "b", "a"]}


@pytest.mark.parametrize("kind", ["table", "dataset"])
def test_group_comes_first_and_order_next(tokenizer, make_metadata, kind):
    """Promises E6, E7."""
    from datasets import Dataset

    data = pa.table(ROWS) if kind == "table" else Dataset.from_dict(ROWS)
    assembler = _sequential(data, tokenizer, make_metadata(1_000), "shop", "when", keep_columns=["v"], seed=0)
    assert assembler.dataset.column_names == ["shop", "when", "v"]
    assert assembler.retained_columns.column_names == ["shop", "when", "v"]
    schema = 'Say columns "shop":<unk>,"when":<unk>,"v":<unk>\n'
    assert _lines(assembler, tokenizer) == [
        schema + '{"shop":"b","when":"2/1/2020","v":2}\n{"shop":"b","when":"10/1/2020","v":1}\n',
        schema + '{"shop":"a","when":"9/30/2020","v":3}\n',
    ]


def test_times_are_sorted_as_times_in_the_format_given(tokenizer, make_metadata):
    """Promise E11."""
    table = pa.table({"when": ["03/02/2020", "02/03/2020"]})
    metadata = make_metadata(template="")
    as_days, as_months = (
        _lines(_sequential(table, tokenizer, metadata, order="when", timestamp_format=format_), tokenizer)
        for format_ in ("%d/%m/%Y", "%m/%d/%Y")
    )
    assert as_days[0].index("03/02") < as_days[0].index("02/03")
    assert as_months[0].index("03/02") > as_months[0].index("02/03")
    with pytest.raises(DataError, match=r"'when' orders the records.*%Y"):
        _lines(_sequential(table, tokenizer, metadata, order="when", timestamp_format="%Y"), tokenizer)


def test_records_without_an_order_value_are_the_last_of_their_group(tokenizer, make_metadata, caplog):
    """Promise E31: 98 of 200 patients' events have no time in one of the reference's own tables."""
    table = pa.table({"g": ["b", "a", "b", "a", "b"], "t": [None, 2, 1, None, 0], "v": range(5)})
    with caplog.at_level(logging.WARNING):
        found = _lines(_sequential(table, tokenizer, make_metadata(template=""), "g", "t", seed=0), tokenizer)
    assert found == [
        '{"g":"b","t":0,"v":4}\n{"g":"b","t":1,"v":2}\n{"g":"b","t":null,"v":0}\n',
        '{"g":"a","t":2,"v":1}\n{"g":"a","t":null,"v":3}\n',
    ]
    assert "'t' has no value in 2 of 5 rows" in caplog.text


@pytest.mark.parametrize("kind", ["column at hand", "table", "dataset"])
def test_the_pseudo_group_is_added_where_it_is_missing_and_seen_nowhere(tokenizer, make_metadata, kind):
    """Promises E8, E9."""
    from datasets import Dataset

    rows = {"when": [2, 1], "v": [5, 6]}
    data = Dataset.from_dict(rows) if kind == "dataset" else pa.table(rows)
    if kind == "column at hand":
        data = data.append_column(PSEUDO_GROUP_COLUMN, pa.array([0, 0]))
    assembler = _sequential(data, tokenizer, make_metadata(1_000), order="when", seed=0)
    prompt = 'Say columns "when":<unk>,"v":<unk>\n'
    assert assembler.schema_prompt == prompt
    assert _lines(assembler, tokenizer) == [prompt + '{"when":1,"v":6}\n{"when":2,"v":5}\n']
    assert assembler.num_groups_train == 1
    assert assembler.group_by_column == PSEUDO_GROUP_COLUMN
    assert assembler.dataset.column_names == [PSEUDO_GROUP_COLUMN, "when", "v"]
    assert assembler.retained_columns.column_names == assembler.keep_columns == [PSEUDO_GROUP_COLUMN, "when"]


def test_the_pseudo_group_is_hidden_from_a_model_that_knows_its_columns(tokenizer, make_metadata):
    columns = [ModelColumn(name=name, kind=JsonKind.NUMBER, nullable=False) for name in ("v", PSEUDO_GROUP_COLUMN)]
    metadata = make_metadata(1_000, model_schema=ModelSchema(columns=tuple(columns)))
    table = pa.table({PSEUDO_GROUP_COLUMN: [0, 0], "v": [5, 6]})
    text = 'Say columns "v":<unk>\n{"v":5}\n{"v":6}\n'
    assert _lines(_sequential(table, tokenizer, metadata), tokenizer) == [text]


# What generation begins with


def test_no_real_row_is_kept_unless_asked_for(tokenizer, make_metadata):
    """Promise E24."""
    metadata = make_metadata(1_000)
    _sequential(pa.table(ROWS), tokenizer, metadata, "shop", "when").assemble_training_examples()
    assert metadata.initial_prefill is None


def test_the_first_records_of_each_training_group_in_the_record_dialect(tokenizer, make_metadata):
    """Promise E25."""
    table = pa.table({"g": ["a", "b", "a", "a", "a", "b"], "t": [4, 2, 3, 2, 1, 1]})
    metadata = make_metadata(1_000, template="")
    assembler = _sequential(table, tokenizer, metadata, "g", "t", seed=0, keep_prefill=True)
    text = dict(zip("ab", _lines(assembler, tokenizer), strict=True))
    expected = {"a": '{"g":"a","t":1}\n{"g":"a","t":2}\n{"g":"a","t":3}\n', "b": '{"g":"b","t":1}\n{"g":"b","t":2}\n'}
    assert metadata.initial_prefill == expected
    assert all(text[group].startswith(prefill) for group, prefill in expected.items())


def test_prefill_is_of_training_groups_alone(tokenizer, make_metadata):
    table = pa.table({"g": ["a", "b", "c", "d"], "t": [1, 2, 3, 4]})
    metadata: ModelMetadata = make_metadata(1_000)
    assembler = _sequential(
        table, tokenizer, metadata, "g", "t", seed=0, test_size=2, keep_prefill=True, prefill_records=1
    )
    examples = assembler.assemble_training_examples()
    assert len(metadata.initial_prefill) == assembler.num_groups_train == len(examples.train) == 2
    whole = _sequential(table.select(["t"]), tokenizer, metadata, order="t", keep_prefill=True)
    whole.assemble_training_examples()
    assert metadata.initial_prefill == {"0": '{"t":1}\n{"t":2}\n{"t":3}\n'}


def test_prefill_names_groups_as_the_user_does(tokenizer, make_metadata):
    metadata = make_metadata(1_000)
    names = pa.table({"g": ["x", "y", "y"]})
    _assembler([[3], [6, 6]], tokenizer, metadata, keep_prefill=True, group_values=names).assemble_training_examples()
    assert set(metadata.initial_prefill) == {"x", "y"}


# The constructor


def test_constructor_checks_columns_and_touches_nothing_else(make_metadata):
    """Promises E4, E5."""

    class Untouchable:
        def __getattr__(self, name):
            raise AssertionError(f"the tokenizer was asked for {name}")

    def make(group="g", order="t", **more):
        return _sequential(_table(3), Untouchable(), make_metadata(), group, order, **more)

    assert (make().group_by_column, make().order_by_column) == ("g", "t")
    with pytest.raises(ParameterError, match=r"group_training_examples_by names 'c'.*'g', 't'"):
        make("c")
    with pytest.raises(ParameterError, match="order_training_examples_by names 'c'"):
        make("g", "c")
    with pytest.raises(ParameterError, match=r"overlong is 'split'; give one of error, skip"):
        make(overlong="split")
    with pytest.raises(ParameterError, match="prefill_records is 0"):
        make(prefill_records=0)
    with pytest.raises(ParameterError, match="2 records and the dataset has 3"):
        make(token_store=TokenStore.from_records([[1], [2]]))


def test_parameters_stand_in_the_documented_order():
    """Promise E1."""
    parameters = inspect.signature(SequentialExampleAssembler).parameters
    documented = "dataset tokenizer metadata group_training_examples_by order_training_examples_by keep_columns"
    assert list(parameters)[:6] == documented.split()
    assert [name for name, p in parameters.items() if p.kind is not p.KEYWORD_ONLY] == documented.split()[:3]
    empty = inspect.Parameter.empty
    assert [parameters[name].default for name in documented.split()] == [empty] * 5 + [None]


def test_what_the_base_class_takes_is_taken_by_name_and_nothing_else(make_metadata, tmp_path):
    """Promise E30."""
    more = {"test_size": 2, "cache_file_path": str(tmp_path), "seed": 7}
    assembler = _sequential(_table(3), None, make_metadata(), "g", "t", keep_columns=["t"], **more)
    assert (assembler.test_size, assembler.cache_file_path, assembler.seed) == (2, tmp_path, 7)
    with pytest.raises(TypeError, match="tset_size"):
        _sequential(_table(3), None, make_metadata(), "g", "t", tset_size=2)
