"""The tabular processor: every line with text is one record, valid or not."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.config import RunConfig
from rowsmith.context import BuildContext
from rowsmith.errors import PluginContractError
from rowsmith.generation.processors import TRUNCATED
from rowsmith.randomness.seeds import Seeds
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema
from rowsmith_plugins.processors.tabular import build

ONE = {"a": 1, "b": "x"}


@pytest.mark.parametrize(
    ("text", "valid", "summaries"),
    [
        ("", 0, []),
        ("\n \n\n", 0, []),
        ('{"a":1,"b":"x"}\n', 1, []),
        ('{"a":1,"b":"x"}', 1, []),
        ('{"a":1,"b":"x"}\n{"a":1,"b":"x"}\n', 2, []),
        ('{"a":1,"b":"x"}\n{"a":1,"b":', 1, [TRUNCATED]),
        ('{"a":1,"b":"x"}\n{"a":1,"b":\n', 1, ["Invalid JSON"]),
        ('{"a":1,"b":"x"}\n{', 1, [TRUNCATED]),
        ('{"a":"1","b":"x"}', 0, ["type"]),
        ("{}\n", 0, ["required"]),
        ("Here are your rows:\n", 0, ["Invalid JSON"]),
        ("Here are your rows", 0, ["Invalid JSON"]),
        ('row 1: {"a":1,"b":"x"} done\n', 1, []),
        ('{\n"a":1,\n"b":"x"\n}\n', 0, ["Invalid JSON"] * 4),
        ('{"a":1,"b":"x"}{"a":1,"b":"x"}\n', 0, ["Invalid JSON"]),
        ('{"a":1,"b":"x"} {"a":1\n', 0, ["Invalid JSON"]),
        ('{"a":1,"b":"x\u2028y\x0bz"}\n', 0, ["Invalid JSON"]),
        ('{"a":1,"b":"x\u2028y"}\n', 1, []),
        ('{"a":1,"b":"\ud800"}\n', 0, ["Invalid text"]),
        ('{"a":1,"b":"{x}"}\r\n', 1, []),
    ],
)
def test_every_line_with_text_is_a_valid_or_an_invalid_record(tools, text, valid, summaries):
    response = tools.processor(4, text)
    assert len(response.valid_records) == valid
    assert [summary for _, summary in response.errors] == summaries
    assert len(response.invalid_records) == len(summaries)
    assert response.prompt_number == 4


@given(lines=st.lists(st.text(alphabet='{}":,ab1x é\u2028\ud800', max_size=12), max_size=8))
def test_no_line_is_lost_or_counted_twice(tools, lines):
    text = "\n".join(lines)
    response = tools.processor(0, text)
    assert len(response.valid_records) + len(response.invalid_records) == sum(bool(line.strip()) for line in lines)
    spans = sorted([*response.valid_spans, *response.invalid_spans])
    assert all(start < end for start, end in spans)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    assert not spans or spans[-1][1] <= len(text)


def test_invalid_text_can_be_written_to_a_file(tools):
    (record,) = tools.processor(0, '{"a":1,"b":"\udcff"}\n').invalid_records
    assert record.encode("utf-8")


def test_a_detailed_message_may_quote_a_cell_and_a_summary_never_does(tools):
    ((detailed, summary),) = tools.processor(0, '{"a":"secret","b":"x"}\n').errors
    assert "secret" in detailed
    assert "secret" not in summary


def build_for(schema):
    context = BuildContext(config=RunConfig(), registry=None, seeds=Seeds(0), model_schema=schema)
    return build(context, None)


def test_it_is_built_for_the_columns_that_the_model_speaks():
    columns = (
        ModelColumn(name="n", kind=JsonKind.NUMBER, nullable=True, integral=True),
        ModelColumn(name="c", kind=JsonKind.STRING, nullable=False, values=("x", "y")),
    )
    processor = build_for(ModelSchema(columns=columns))
    response = processor(0, '{"n":12,"c":"x"}\n{"n":null,"c":"z"}\n{"n":12,"c"')
    assert response.valid_records == [{"n": 12, "c": "x"}]
    assert [summary for _, summary in response.errors] == ["enum", TRUNCATED]


def test_it_cannot_be_built_before_the_columns_are_known():
    with pytest.raises(PluginContractError, match="columns"):
        build_for(None)
