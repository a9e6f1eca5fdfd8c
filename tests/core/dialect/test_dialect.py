"""Rows become text and come back; what breaks the dialect is told by category."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.dialect import OTHER, RecordDialect, json_string, split_lines
from rowsmith.errors import DataError, RecordError
from rowsmith.table.columns import from_codes
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema

from ...shared.record_strategies import HOSTILE, tables, texts

NUMBER, STRING, BOOLEAN = JsonKind.NUMBER, JsonKind.STRING, JsonKind.BOOLEAN


def column(name: str, kind: JsonKind, **more: Any) -> ModelColumn:
    return ModelColumn(**{"name": name, "kind": kind, "nullable": False, **more})


def dialect(*columns: ModelColumn) -> RecordDialect:
    return RecordDialect(ModelSchema(columns=columns))


@given(tables())
@settings(max_examples=200)
def test_rows_come_back(case: tuple[ModelSchema, pa.Table]) -> None:
    schema, table = case
    it = RecordDialect(schema)
    lines = it.encode(table)
    again = it.spell([it.decode(line) for line in lines])
    assert again.to_pydict() == table.to_pydict()
    assert again.schema.names == list(schema.names)


@given(tables())
@settings(max_examples=100)
def test_the_fast_way_equals_the_slow_one(case: tuple[ModelSchema, pa.Table]) -> None:
    schema, table = case
    it = RecordDialect(schema)
    rows = [dict(zip(table.column_names, row, strict=True)) for row in zip(*table.to_pydict().values(), strict=True)]
    assert it.encode(table) == [it.encode_record(row) for row in rows]


@given(tables())
@settings(max_examples=100)
def test_text_is_what_json_writes(case: tuple[ModelSchema, pa.Table]) -> None:
    schema, table = case
    for line in RecordDialect(schema).encode(table):
        assert line.endswith("\n")
        assert line.count("\n") == 1
        assert list(json.loads(line)) == list(schema.names)
        keep: Any = {"parse_int": _Spelled, "parse_float": _Spelled}
        assert _dumped(json.loads(line, **keep)) + "\n" == line


class _Spelled(str):
    pass


def _dumped(record: dict[str, Any]) -> str:
    def cell(value: Any) -> str:
        return str(value) if isinstance(value, _Spelled) else json.dumps(value, ensure_ascii=False)

    return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{cell(value)}" for key, value in record.items()) + "}"


@given(tables(max_rows=3))
@settings(max_examples=150)
def test_the_grammar_matches_what_is_written(case: tuple[ModelSchema, pa.Table]) -> None:
    schema, table = case
    it = RecordDialect(schema)
    for line in it.encode(table):
        assert re.fullmatch(it.regex(), line)


@given(tables(max_rows=3))
@settings(max_examples=100)
def test_the_json_schema_accepts_what_is_written(case: tuple[ModelSchema, pa.Table]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema, table = case
    it = RecordDialect(schema)
    for line in it.encode(table):
        jsonschema.validate(json.loads(line), it.json_schema())


MUTATIONS = ('"', "0", "9", "-", ".", "e", ",", "\n", "\\", "", "null", "\x01")


@given(tables(max_rows=1), st.data())
@settings(max_examples=400)
def test_the_grammar_matches_nothing_that_is_refused(case: tuple[ModelSchema, pa.Table], data: st.DataObject) -> None:
    schema, table = case
    it = RecordDialect(schema)
    text = it.encode(table)[0]
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.integers(0, len(text)))
        drop = data.draw(st.integers(0, 2))
        text = text[:place] + data.draw(st.sampled_from(MUTATIONS)) + text[place + drop :]
    if re.fullmatch(it.regex(), text):
        it.decode(text)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, 2.5, -1.25])
    | st.sampled_from(["", "x", "y"]),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=2,
)
ORACLE = (
    column("a", NUMBER, integral=True, nullable=True),
    column("b", STRING),
    column("c", BOOLEAN, nullable=True),
    column("d", NUMBER, values=("1", "2.5")),
    column("e", STRING, values=("x",), nullable=True),
    column("f", NUMBER),
    column("g", BOOLEAN, values=("True",)),
)


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), JSON_VALUES),
    st.fixed_dictionaries({name: JSON_VALUES for name in "abcdefg"}),
)
@settings(max_examples=400)
def test_the_validator_agrees_with_json_schema(some: dict[str, Any], whole: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    it = dialect(*ORACLE)
    checker = jsonschema.Draft202012Validator(it.json_schema())
    for record in (some, {**whole, **some}, whole):
        errors = {error.validator for error in checker.iter_errors(record)}
        try:
            decoded = it.decode(json.dumps(record))
        except RecordError as error:
            assert error.summary in errors
        else:
            assert not errors
            assert list(decoded) == list("abcdefg")


ONE = dialect(
    column("a", NUMBER, integral=True),
    column("b", STRING, nullable=True),
    column("c", NUMBER, scale=2),
    column("d", STRING, values=("x", "y"), other=True),
)
GOOD = '{"a":1,"b":"x","c":1.50,"d":"x"}'


@pytest.mark.parametrize(
    ("line", "summary", "words"),
    [
        ("", "Invalid JSON", []),
        ("{", "Invalid JSON", []),
        (GOOD + "x", "Invalid JSON", []),
        (GOOD + "\n" + GOOD, "Invalid JSON", []),
        (GOOD.replace(":1,", ":01,"), "Invalid JSON", []),
        (GOOD.replace(":1,", ":+1,"), "Invalid JSON", []),
        (GOOD.replace(":1,", ":NaN,"), "Invalid JSON", ["NaN"]),
        (GOOD.replace(":1,", ":-Infinity,"), "Invalid JSON", ["Infinity"]),
        (GOOD.replace(":1,", f":{'9' * 5000},"), "Invalid JSON", []),
        (GOOD.replace('"b"', '"a"'), "Invalid JSON", ["'a'", "twice"]),
        (GOOD.replace('"x","c"', '"\n","c"'), "Invalid JSON", []),
        (GOOD.replace('"x","c"', '"\\ud800","c"'), "Invalid JSON", ["surrogate"]),
        ("[" * 100_000, "Invalid JSON", []),
        ("[]", "type", ["object"]),
        ("1", "type", ["object"]),
        ("{}", "required", ["'a'"]),
        (GOOD.replace(',"d":"x"', ""), "required", ["'d'"]),
        (GOOD.replace("}", ',"e":1}'), "additionalProperties", ["'e'"]),
        (GOOD.replace(":1,", ":1.0,"), "type", ["integer"]),
        (GOOD.replace(":1,", ":true,"), "type", ["integer"]),
        (GOOD.replace(":1,", ":null,"), "type", ["None", "integer"]),
        (GOOD.replace(":1,", ":18446744073709551616,"), "maximum", []),
        (GOOD.replace(":1,", ":-9223372036854775809,"), "minimum", []),
        (GOOD.replace('"b":"x"', '"b":1'), "type", ["string"]),
        (GOOD.replace('"b":"x"', '"b":["x"]'), "type", ["string"]),
        (GOOD.replace("1.50", "1.5"), "multipleOf", ["0.01"]),
        (GOOD.replace("1.50", "1e999"), "Float Conversion", ["1e999"]),
        (GOOD.replace("1.50", '"1.50"'), "type", ["number"]),
        (GOOD.replace('"d":"x"', '"d":"z"'), "enum", ["'z'", "'x'"]),
        (GOOD.replace('"d":"x"', '"d":{}'), "enum", []),
        (GOOD.replace('"d":"x"', '"d":"\\u0000other"'), "enum", []),
    ],
)
def test_categories_of_errors(line: str, summary: str, words: list[str]) -> None:
    with pytest.raises(RecordError) as caught:
        ONE.decode(line)
    assert caught.value.summary == summary
    for word in words:
        assert word in caught.value.detailed


def test_reading_is_lenient_where_json_is() -> None:
    found = ONE.decode(' { "d" : "x", "c":1.50, "b":null, "a":1 } \n')
    assert list(found.items()) == [("a", 1), ("b", None), ("c", Decimal("1.50")), ("d", "x")]
    assert str(found["c"]) == "1.50"


def test_zero_and_minus_zero_are_two_values() -> None:
    it = dialect(column("a", NUMBER, values=("0.0", "-0.0", "1.5")))
    lines = ['{"a":-0.0}\n', '{"a":0.0}\n']
    assert it.encode(it.spell([it.decode(line) for line in lines])) == lines


def test_numbers_keep_their_exponents() -> None:
    it = dialect(column("a", NUMBER))
    lines = ['{"a":1e-05}\n', '{"a":1E+5}\n', '{"a":100}\n', '{"a":-0.0}\n', '{"a":1.50}\n']
    assert it.encode(it.spell([it.decode(line) for line in lines])) == lines


def test_unseen_values_become_the_marker() -> None:
    it = dialect(column("a", STRING, values=("x",), other=True), column("b", NUMBER, values=("1",), other=True))
    table = pa.table({"a": from_codes(["x", "z"], np.array([0, 1])), "b": from_codes(["1", "2"], np.array([-1, 1]))})
    lines = it.encode(table)
    assert [json.loads(line) for line in lines] == [{"a": "x", "b": OTHER}, {"a": OTHER, "b": OTHER}]
    for line in lines:
        with pytest.raises(RecordError):
            it.decode(line)
        assert not re.fullmatch(it.regex(), line)


@pytest.mark.parametrize(
    ("what", "values", "codes", "words"),
    [
        (column("a", STRING, values=("x",)), ["x", "z"], [0, 1], ["row 2", "'a'", "'z'"]),
        (column("a", STRING), ["x"], [0, -1], ["row 2", "'a'", "missing"]),
        (column("a", NUMBER), ["1", "007"], [0, 1], ["row 2", "'007'"]),
        (column("a", NUMBER, integral=True), ["1.5"], [0], ["row 1", "'1.5'"]),
        (column("a", BOOLEAN), ["yes"], [0], ["row 1", "'yes'"]),
    ],
)
def test_what_a_column_cannot_hold_is_named(
    what: ModelColumn, values: list[str], codes: list[int], words: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        dialect(what).encode(pa.table({"a": from_codes(values, np.array(codes))}))
    for word in words:
        assert word in str(caught.value)


def test_the_marker_and_no_columns_are_refused() -> None:
    with pytest.raises(DataError, match="reserved"):
        dialect(column("a", STRING, values=(OTHER,)))
    with pytest.raises(DataError, match="at least one"):
        dialect()
    with pytest.raises(DataError, match="'b'"):
        ONE.encode_record({"a": "1"})


def test_records_may_pass_through_a_frame() -> None:
    it = dialect(column("a", NUMBER, integral=True, nullable=True), column("b", STRING, nullable=True))
    spelled = it.spell([{"a": 3.0, "b": float("nan")}, {"a": float("nan"), "b": "x"}])
    assert spelled.to_pydict() == {"a": ["3", None], "b": [None, "x"]}


@given(texts)
def test_strings_are_written_as_json_does(text: str) -> None:
    assert json_string(text) == json.dumps(text, ensure_ascii=False)


@given(st.lists(st.sampled_from([*HOSTILE, "\n", "\r", "\u2028", "x"])).map("".join))
def test_lines_end_at_line_feeds_alone(text: str) -> None:
    lines = split_lines(text)
    assert "\n".join(lines) == text.removesuffix("\n")
    assert not any("\n" in line for line in lines)
    assert len(lines) == text.count("\n") + (not text.endswith("\n") and bool(text))
