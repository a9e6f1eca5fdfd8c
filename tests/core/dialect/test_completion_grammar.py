"""What a completion may be, from its beginning or from the middle of a record."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.dialect import RecordDialect
from rowsmith.errors import GenerationError
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema, Timing, TimingRole
from rowsmith_backends.grammar.completion_regex import completion_regex

from ...shared.record_strategies import tables

STEP = ModelColumn(
    name="step", kind=JsonKind.STRING, nullable=True, values=("1", "2"), timing=Timing(role=TimingRole.STEP)
)
CHANGE = ModelColumn(
    name="change", kind=JsonKind.STRING, nullable=True, values=("up",), timing=Timing(role=TimingRole.CHANGE, of="x")
)
LEVEL = ModelColumn(
    name="level", kind=JsonKind.NUMBER, nullable=False, values=("1", "12"), timing=Timing(role=TimingRole.LEVEL, of="x")
)
GROUPS = ModelSchema(columns=(STEP, CHANGE, LEVEL))
FIRST = '{"step":null,"change":null,"level":12}\n'
LATER = '{"step":"1","change":"up","level":1}\n'
STILL = '{"step":"2","change":null,"level":12}\n'


def matches(text: str, **how: Any) -> bool:
    return re.fullmatch(completion_regex(GROUPS, **how), text) is not None


@given(tables(max_rows=4))
@settings(max_examples=100)
def test_records_that_stand_alone_come_any_number_of_times(case: tuple[ModelSchema, pa.Table]) -> None:
    schema, table = case
    lines = RecordDialect(schema).encode(table)
    assert re.fullmatch(completion_regex(schema), "".join(lines))
    assert re.fullmatch(completion_regex(schema, most_records=len(lines)), "".join(lines))
    assert not re.fullmatch(completion_regex(schema, most_records=len(lines)), "".join([*lines, lines[0]]))
    assert not re.fullmatch(completion_regex(schema), "")


@given(tables(max_rows=2), st.data())
@settings(max_examples=200)
def test_what_has_begun_goes_on_as_it_would_have(case: tuple[ModelSchema, pa.Table], data: st.DataObject) -> None:
    schema, table = case
    text = "".join(RecordDialect(schema).encode(table))
    place = data.draw(st.integers(0, text.index("\n") + 1))
    try:
        regex = completion_regex(schema, begun=text[:place])
    except GenerationError:
        # Nobody can tell how a value of an open column goes on.
        assert not all(column.closed for column in schema)
        return
    assert re.fullmatch(regex, text[place:])


@given(tables(max_rows=1), st.data())
@settings(max_examples=100)
def test_it_goes_on_with_nothing_that_no_record_has(case: tuple[ModelSchema, pa.Table], data: st.DataObject) -> None:
    schema, table = case
    text = RecordDialect(schema).encode(table)[0]
    place = data.draw(st.integers(0, len(text)))
    wrong = data.draw(st.sampled_from(['"', "0", "9", "-", ".", "e", ",", "\\", "null"])) + text[place + 1 :]
    try:
        regex = completion_regex(schema, begun=text[:place], most_records=1)
    except GenerationError:
        return
    if re.fullmatch(regex, wrong):
        RecordDialect(schema).decode(text[:place] + wrong)


def test_a_group_begins_without_a_step_and_goes_on_with_one() -> None:
    assert matches(FIRST)
    assert matches(FIRST + LATER + STILL)
    assert not matches(LATER)
    assert not matches(FIRST + FIRST)
    assert not matches(FIRST.replace('"change":null', '"change":"up"'))


def test_what_follows_records_of_its_group_has_a_step() -> None:
    assert matches(LATER + STILL, follows=True)
    assert not matches(FIRST, follows=True)
    assert matches('"change":"up","level":1}\n' + STILL, follows=True, begun='{"step":"1",')
    assert matches("2}\n", follows=True, begun='{"step":"1","change":null,"level":1', most_records=1)
    assert matches("}\n", follows=True, begun='{"step":"1","change":null,"level":1', most_records=1)
    assert not matches("2}\n", follows=True, begun='{"step":"1","change":null,"level":12', most_records=1)


@pytest.mark.parametrize(
    "begun", ["x", '{"step":"3"', '{"step":"1","level"', FIRST + "x", '{"step":"1","change":"up"x']
)
def test_a_beginning_that_no_record_has_is_refused(begun: str) -> None:
    with pytest.raises(GenerationError, match="no record begins with the forced text"):
        completion_regex(GROUPS, follows=True, begun=begun)


def test_inside_an_open_value_nobody_can_tell() -> None:
    schema = ModelSchema(columns=(evolve(LEVEL, name="n", values=None, timing=None, integral=True), CHANGE))
    with pytest.raises(GenerationError, match="ends inside a value of 'n'"):
        completion_regex(schema, begun='{"n":1')
    assert re.fullmatch(completion_regex(schema, begun='{"n":1,'), '"change":"up"}\n')
