"""The grouped processor: every line is a valid or an invalid record, every group whole or not at all."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata
from rowsmith.config import DataConfig, RunConfig
from rowsmith.config.defaults import processor_for
from rowsmith.context import BuildContext
from rowsmith.errors import PluginContractError, RecordError
from rowsmith.generation import Batch, Completion, FinishReason
from rowsmith.generation.processors import TRUNCATED
from rowsmith.randomness.seeds import Seeds
from rowsmith.table.schema import (
    ColumnSchema,
    ColumnType,
    JsonKind,
    ModelColumn,
    ModelSchema,
    TableSchema,
    Timing,
    TimingRole,
)
from rowsmith_plugins.processors.delineation import Delineator
from rowsmith_plugins.processors.grouped import GroupColumns, GroupedProcessor, build
from rowsmith_plugins.processors.options import GroupedOptions

MARKS = Delineator("<s>", "</s>")
NO_MARKS = "Group BOS and/or EOS tokens missing"
OTHERS = "Invalid JSON in other groupby records"
NOT_UNIQUE = "Groupby value is not unique"
NOT_ORDERED = "Group not ordered"


class Dialect:
    """Records ``{"g": text, "t": integer or null}``."""

    def decode(self, line):
        try:
            record = json.loads(line)
        except ValueError:
            raise RecordError(f"not JSON: {line}", "Invalid JSON") from None
        if not isinstance(record, dict) or set(record) != {"g", "t"}:
            raise RecordError("other columns", "required")
        return record


def processor(**options):
    return GroupedProcessor(Dialect(), GroupColumns(group=("g",), order="t"), MARKS, GroupedOptions(**options))


def line(group, time):
    return json.dumps({"g": group, "t": time}, separators=(",", ":")) + "\n"


def read(text, reason=None, **options):
    return processor(**options).read_completion(5, Completion(text, reason))


def told(response):
    return [message for message, _ in response.errors]


A1, A2, A3, B1, BAD = line("a", 1), line("a", 2), line("a", 3), line("b", 1), '{"g":1}\n'
STOP, LENGTH = FinishReason.STOP, FinishReason.LENGTH


# Where groups begin and end


@pytest.mark.parametrize(
    ("text", "reason", "sizes", "failed", "invalid"),
    [
        (f"{A1}{A2}", STOP, [2], 0, 0),
        (f"{A1}{A2}", "stop", [2], 0, 0),
        (f"{A1}{A2}", LENGTH, [], 1, 2),
        (f"{A1}{A2}", None, [], 1, 2),
        (f"{A1}{A2}</s>", LENGTH, [2], 0, 0),
        (f"<s>{A1}{A2}</s>", None, [2], 0, 0),
        (f" <s> {A1} {A2} </s> ", None, [2], 0, 0),
        (f"<s>{A1}</s><s>{B1}</s>", None, [1, 1], 0, 0),
        (f"<s>{A1}</s>\n<s>{B1}", LENGTH, [1], 1, 1),
        (f"<s>{A1}</s>\n<s>{B1}", STOP, [1, 1], 0, 0),
        (f"<s>{A1}<s>{B1}</s>", None, [1], 1, 1),
        (f"{A1}<s>{B1}</s>", None, [1], 1, 1),
        (f"<s>{A1}</s>{B1}<s>{B1}</s>", None, [1, 1], 1, 1),
        (f"<s>{A1}</s>{B1}</s>", STOP, [1], 1, 1),
        ("<s></s>", None, [], 1, 0),
        (f"<s></s><s>{A1}</s>", None, [1], 1, 0),
        ("", STOP, [], 1, 0),
        ("", LENGTH, [], 0, 0),
        ("\n \n", LENGTH, [], 0, 0),
        ("Sure, here you are", STOP, [], 1, 1),
        (f'<s>{{"g":"</s>","t":1}}\n{A1}', STOP, [], 1, 2),
        ('<s>{"g":"a <s> \\" </s>","t":1}\n</s>', None, [1], 0, 0),
    ],
)
def test_a_group_stands_between_its_marks_or_is_the_completion(text, reason, sizes, failed, invalid):
    response = read(text, reason)
    assert (response.group_sizes, response.num_invalid_groups) == (sizes, failed)
    assert (len(response.valid_records), len(response.invalid_records)) == (sum(sizes), invalid)
    assert response.prompt_number == 5


def test_a_text_alone_needs_an_end_mark_since_nobody_knows_how_it_ended():
    assert processor()(0, A1).group_sizes == []
    assert processor()(0, A1 + "</s>").group_sizes == [1]


def test_one_token_may_both_begin_and_end_groups():
    reader = GroupedProcessor(Dialect(), delineator=Delineator("|", "|"))
    assert reader(0, f"{A1}|{A2}|").group_sizes == [1, 1]
    assert reader(0, f"|{A1}||{A2}{A3}|").group_sizes == [1, 2]
    assert reader.read_completion(0, Completion(f"{A1}|", STOP)).num_invalid_groups == 0


def test_a_group_that_was_cut_off_fails_with_all_its_records():
    response = read(f'{A1}{A2}{{"g":', LENGTH)
    assert response.invalid_records == ['{"g":', A1.strip(), A2.strip()]
    assert [summary for _, summary in response.errors] == [TRUNCATED, "groupby", "groupby"]
    assert told(response)[1:] == [NO_MARKS] * 2


# What is forgiven or put right


def test_accept_no_delineator_reads_a_text_without_one_delimited_group_as_a_group():
    given = {"group_by_accept_no_delineator": True}
    assert read(A1 + A2, LENGTH, **given).group_sizes == [2]
    assert processor(**given)(0, A1 + A2).group_sizes == [2]
    assert read(f"<s>{A1}<s>{A2}", LENGTH, **given).group_sizes == [2]
    assert read(f"<s>{A1}</s><s>{A2}", LENGTH, **given).group_sizes == [1]
    assert read("", LENGTH, **given).group_sizes == []
    assert read("", LENGTH, **given).num_invalid_groups == 0
    assert read(A1 + '{"g"', LENGTH, **given).group_sizes == []
    ignoring = read(A1 + '{"g"', LENGTH, **given, group_by_ignore_invalid_records=True)
    assert (ignoring.group_sizes, len(ignoring.invalid_records)) == ([1], 1)


def test_ignore_invalid_records_keeps_the_others():
    strict, kind = read(A1 + BAD + A2, STOP), read(A1 + BAD + A2, STOP, group_by_ignore_invalid_records=True)
    assert told(strict) == ["other columns", OTHERS, OTHERS]
    assert (strict.group_sizes, strict.num_invalid_groups) == ([], 1)
    assert told(kind) == ["other columns"]
    assert (kind.group_sizes, kind.num_invalid_groups) == ([2], 0)
    assert [record["t"] for record in kind.valid_records] == [1, 2]
    assert read(BAD, STOP, group_by_ignore_invalid_records=True).num_invalid_groups == 1


def test_fix_non_unique_value_takes_that_of_the_first_record():
    strict, kind = read(B1 + A2, STOP), read(B1 + A2, STOP, group_by_fix_non_unique_value=True)
    assert told(strict) == [NOT_UNIQUE] * 2
    assert kind.valid_records == [{"g": "b", "t": 1}, {"g": "b", "t": 2}]
    assert kind.group_sizes == [2]


def test_fix_unordered_records_sorts_and_keeps_ties_as_they_are():
    text = line("a", 10) + line("a", 9) + '{"t":9,"g":"a"}\n'
    strict, kind = read(text, STOP), read(text, STOP, group_by_fix_unordered_records=True)
    assert told(strict) == [NOT_ORDERED] * 3
    assert [list(record.values()) for record in kind.valid_records] == [["a", 9], [9, "a"], ["a", 10]]
    assert kind.valid_spans[2][0] == 0


def test_order_is_that_of_values_and_ties_are_in_order():
    assert read(line("a", 9) + line("a", 10) + line("a", 10), STOP).group_sizes == [3]


def test_a_record_without_a_place_in_the_order_is_the_last_of_its_group():
    assert read(A1 + line("a", None) * 2, STOP).group_sizes == [3]
    assert told(read(line("a", None) + A1, STOP)) == [NOT_ORDERED] * 2
    kind = read(line("a", None) + A2 + A1, STOP, group_by_fix_unordered_records=True)
    assert [record["t"] for record in kind.valid_records] == [1, 2, None]


def test_an_ignored_record_does_not_hide_that_others_are_out_of_order():
    text = A2 + BAD + A1
    kind = read(text, STOP, group_by_ignore_invalid_records=True)
    assert told(kind) == ["other columns", NOT_ORDERED, NOT_ORDERED]


# Nothing is lost


@given(
    parts=st.lists(st.sampled_from([A1, A2, B1, BAD, "<s>", "</s>", "\n", " ", '{"g":"<s>', "x", '"']), max_size=12),
    reason=st.sampled_from([STOP, LENGTH, None]),
    options=st.tuples(*[st.booleans()] * 4),
    ids=st.booleans(),
)
def test_no_line_is_lost_or_counted_twice_and_tokens_add_up(parts, reason, options, ids):
    text = "".join(parts)
    names = [
        "group_by_accept_no_delineator",
        "group_by_ignore_invalid_records",
        "group_by_fix_non_unique_value",
        "group_by_fix_unordered_records",
    ]
    reader = processor(**dict(zip(names, options, strict=True)))
    completion = Completion(text, reason, len(text) + 1, [*map(ord, text), 0] if ids else None, decoded)
    response = reader.read_completion(0, completion)
    spans = sorted([*response.valid_spans, *response.invalid_spans])
    assert all(start < end for start, end in spans)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    assert sum(response.group_sizes) == len(response.valid_records) == len(response.valid_spans)
    assert len(response.errors) == len(response.invalid_records) == len(response.invalid_spans)
    for (start, end), record in zip(response.valid_spans, response.valid_records, strict=True):
        assert json.loads(text[start:end])["t"] == record["t"]
    outside = list(text)
    for start, end in spans:
        outside[start:end] = " " * (end - start)
    # Text around the record of a line belongs to no record; a line without a whole record is an invalid one.
    assert not set(outside) & set("{}")
    batch = Batch(reader, count_tokens=len)
    batch.process_completion(0, completion)
    assert batch.num_completion_tokens == len(text) + 1
    assert batch.num_valid_record_tokens == sum(end - start for start, end in response.valid_spans)
    assert batch.num_invalid_record_tokens == sum(end - start for start, end in response.invalid_spans)
    assert (batch.num_valid_groups, batch.num_invalid_groups) == (
        len(response.group_sizes),
        response.num_invalid_groups,
    )


def decoded(ids):
    return "".join(chr(token) for token in ids if token)


# Building


GROUP = ModelColumn(name="who", kind=JsonKind.STRING, nullable=False, values=("x", "y"))
WHEN = ModelColumn(name="when", kind=JsonKind.STRING, nullable=False, values=("10/1/2020", "9/30/2020"))
NUMBER = ModelColumn(name="when", kind=JsonKind.NUMBER, nullable=False, values=("9", "10"), integral=True)
STEP = ModelColumn(
    name="~step", kind=JsonKind.STRING, nullable=True, values=("next",), timing=Timing(role=TimingRole.STEP)
)
TABLE = TableSchema(
    columns=(
        ColumnSchema(name="who", type=ColumnType.CATEGORICAL),
        ColumnSchema(name="when", type=ColumnType.DATETIME, datetime_format="%-m/%-d/%Y"),
    )
)


def build_for(*columns, options=None, table=TABLE):
    config = RunConfig(data=DataConfig(group_training_examples_by="who", order_training_examples_by="when"))
    prompt = LLMPromptConfig("", False, False, "<s>", 1, "</s>", 2)
    context = BuildContext(
        config=config,
        registry=None,
        seeds=Seeds(0),
        table_schema=table,
        model_schema=ModelSchema(columns=columns) if columns else None,
        metadata=ModelMetadata("model", prompt),
    )
    return build(context, options)


def test_it_cannot_be_built_before_the_columns_are_known():
    with pytest.raises(PluginContractError, match="columns"):
        build_for()


def test_it_checks_the_users_own_columns_where_the_model_writes_them():
    first, later = '{"who":"x","when":"9/30/2020"}\n', '{"who":"x","when":"10/1/2020"}\n'
    other = later.replace("x", "y")
    reader = build_for(GROUP, WHEN)
    assert reader(0, f"<s>{first}{later}</s>").group_sizes == [2]
    assert told(reader(0, f"<s>{later}{first}</s>")) == [NOT_ORDERED] * 2
    assert told(reader(0, f"<s>{first}{other}</s>")) == [NOT_UNIQUE] * 2
    fixing = build_for(
        GROUP,
        WHEN,
        options=GroupedOptions(group_by_fix_non_unique_value=True, group_by_fix_unordered_records=True),
    )
    response = fixing(0, f"<s>{other}{first}</s>")
    assert response.valid_records == [{"who": "y", "when": "9/30/2020"}, {"who": "y", "when": "10/1/2020"}]


def test_numbers_are_ordered_as_numbers():
    reader = build_for(GROUP, NUMBER)
    lines = ['{"who":"x","when":9}\n', '{"who":"x","when":10}\n']
    assert reader(0, f"<s>{''.join(lines)}</s>").group_sizes == [2]
    assert told(reader(0, f"<s>{''.join(reversed(lines))}</s>")) == [NOT_ORDERED] * 2


def test_labels_that_stand_for_something_else_have_no_order():
    table = TableSchema(columns=(TABLE["who"], ColumnSchema(name="when", type=ColumnType.TEXT)))
    reader = build_for(GROUP, WHEN, table=table)
    assert reader(0, '<s>{"who":"x","when":"9/30/2020"}\n{"who":"x","when":"10/1/2020"}\n</s>').group_sizes == [2]
    assert reader(0, '<s>{"who":"x","when":"10/1/2020"}\n{"who":"x","when":"9/30/2020"}\n</s>').group_sizes == [2]


@pytest.mark.parametrize(
    ("steps", "sizes"),
    [
        (["null", '"next"', '"next"'], [3]),
        (["null"], [1]),
        (['"next"'], []),
        (["null", "null"], []),
        (["null", '"next"', "null"], []),
    ],
)
def test_only_the_first_record_of_a_group_is_without_a_step(steps, sizes):
    # The order column of such a model holds labels of places, which have no order of their own.
    text = "".join(f'{{"~step":{step},"when":"10/1/2020"}}\n' for step in steps)
    response = build_for(STEP, WHEN).read_completion(0, Completion(text, STOP))
    assert response.group_sizes == sizes
    assert len(response.errors) == (0 if sizes else len(steps))
    assert {summary for _, summary in response.errors} <= {"groupby"}


def test_auto_is_grouped_for_groups():
    plain, groups = RunConfig(), RunConfig(data=DataConfig(group_training_examples_by="who"))
    assert processor_for(plain).name == "tabular"
    assert processor_for(groups).name == "grouped"
    assert processor_for(plain, ModelSchema(columns=(GROUP,))).name == "tabular"
    assert processor_for(plain, ModelSchema(columns=(STEP, GROUP))).name == "grouped"
