"""Statements about columns: read, written and evaluated, and refused with a position."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.errors import ParameterError
from rowsmith.expressions import Comparison, held_by, parse_statement
from rowsmith.expressions.evaluation import check_types
from rowsmith.expressions.statements import Binary, Column, Dependency, Expression, Negative, Number, Refusal, Rounded
from rowsmith.table.columns import CODED_TEXT
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema

SCHEMA = TableSchema(
    columns=(
        ColumnSchema(name="net", type=ColumnType.DECIMAL, nullable=True),
        ColumnSchema(name="rate", type=ColumnType.DECIMAL),
        ColumnSchema(name="vat", type=ColumnType.DECIMAL),
        ColumnSchema(name="ordered", type=ColumnType.DATETIME, datetime_format="%Y-%m-%d"),
        ColumnSchema(name="due", type=ColumnType.DATETIME, datetime_format="%d.%m.%Y"),
        ColumnSchema(name="city", type=ColumnType.CATEGORICAL),
        ColumnSchema(name="home", type=ColumnType.CATEGORICAL),
    )
)
ROWS = {
    "net": ["10.00", "20.00", None, "0.30"],
    "rate": ["0.19", "0.07", "0.19", "0"],
    "vat": ["1.9", "1.5", "3", "0"],
    "ordered": ["2024-01-31", "2024-02-01", "2024-02-01", "2024-03-01"],
    "due": ["14.02.2024", "31.01.2024", "01.02.2024", "15.03.2024"],
    "city": ["a", "b", "c", "d"],
    "home": ["a", "c", "b", "d"],
}
TABLE = pa.table({name: pa.array(values, pa.string()).cast(CODED_TEXT) for name, values in ROWS.items()})


def held(text: str) -> tuple[list[bool], list[bool]]:
    statement = parse_statement(text)
    assert isinstance(statement, Comparison)
    check_types(statement, SCHEMA)
    holds, known = held_by(statement, TABLE, SCHEMA)
    return holds.tolist(), known.tolist()


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("vat = round(net * rate, 2)", [True, False, False, True]),
        ("vat <= net", [True, True, False, True]),
        ("vat < net - 18.5", [False, False, False, False]),
        ("net * 3 = 0.9", [False, False, False, True]),
        ("floor(net, -1) = net", [True, True, False, False]),
        ("-net < 0", [True, True, False, True]),
        ("ordered <= due", [True, False, True, True]),
        ("due = ordered + 14", [True, False, False, True]),
        ("city = home", [True, False, False, True]),
    ],
)
def test_a_comparison_is_evaluated_row_by_row(text: str, holds: list[bool]) -> None:
    assert held(text)[0] == holds


def test_rows_with_null_or_a_division_by_zero_are_not_known() -> None:
    assert held("net > 0")[1] == [True, True, False, True]
    assert held("vat / rate > 0")[1] == [True, True, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gross = ", "character 9 .* expected the name of a column, the statement ends"),
        ("gross net", "character 7 .* expected an operator"),
        ("gross = foo(net)", "character 9 .* unknown function 'foo'; there are round and floor"),
        ("a = b $ c", r"character 7 .* '\$' is unknown here"),
        ("city -> 3", "character 9 .* expected the name of a column, got '3'"),
        ("a -> a", "both sides"),
        ("a, a -> b", "named twice"),
        ("`a = b", "a backtick without its partner"),
        ("1 = 2", "names at least one column"),
        ("... -> a", "expected the name of a column"),
        ("a = round(b, 99)", "must be from -15 to 15"),
        ("a = " + "(" * 200 + "b", "nested more than 50 deep|at most 300"),
        ("a" * 3000, "at most 2,000 characters"),
        ("", "the statement ends"),
    ],
)
def test_what_is_no_statement_is_refused_with_its_position(text: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        parse_statement(text)


def test_nothing_is_computed_with_labels() -> None:
    statement = parse_statement("city <= home")
    assert isinstance(statement, Comparison)
    with pytest.raises(ParameterError, match="'city' is categorical"):
        check_types(statement, SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "sign(open) ->> status",
        "sign(due - paid) -> status",
        "is_null(phone) -> area",
        "prefix(code, 2) -> country",
        "city -> prefix(postcode, 2)",
        "not sign(a) -> ...",
        "not ... -> a",
    ],
)
def test_what_a_column_follows_from_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_statement(text)) == text


names = st.one_of(st.sampled_from(["a", "net", "not", "round", "x.y"]), st.text(min_size=1, max_size=8))
numbers = st.builds(Number, st.integers(0, 999).map(str) | st.floats(0.01, 99).map(lambda n: f"{n:.3f}"))
expressions: st.SearchStrategy[Expression] = st.recursive(
    numbers | st.builds(Column, names),
    lambda inner: (
        st.builds(Binary, st.sampled_from(["+", "-", "*", "/"]), inner, inner)
        | st.builds(Negative, inner)
        | st.builds(Rounded, st.sampled_from(["round", "floor"]), inner, st.integers(-3, 6))
    ),
    max_leaves=8,
)
comparisons = st.builds(Comparison, st.builds(Column, names), st.sampled_from(["=", "<=", "<", ">=", ">"]), expressions)
dependencies = st.lists(names, min_size=2, max_size=4, unique=True).flatmap(
    lambda columns: st.builds(
        Dependency, st.just(tuple(columns[1:])), st.just(columns[0]), st.just("value"), st.booleans(), st.just(None)
    )
)


@settings(max_examples=150)
@given(statement=comparisons | dependencies | st.builds(Refusal, comparisons | dependencies | st.none()))
def test_a_statement_is_read_as_it_is_written(statement: Comparison | Dependency | Refusal) -> None:
    assert parse_statement(str(statement)) == statement


@settings(max_examples=100)
@given(text=st.text(alphabet="ab`()+-*/=<>.,1 notround", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_statement(text)
    except ParameterError:
        return


def test_a_floor_is_not_off_by_the_spelling_of_doubles() -> None:
    numbers_ = pa.array(["0.3", "0.7"], pa.string()).cast(CODED_TEXT)
    tenths = pa.array(["3", "7"], pa.string()).cast(CODED_TEXT)
    schema = TableSchema(columns=tuple(ColumnSchema(name=name, type=ColumnType.DECIMAL) for name in "xy"))
    statement = parse_statement("y = floor(x * 10)")
    assert isinstance(statement, Comparison)
    assert np.all(held_by(statement, pa.table({"x": numbers_, "y": tenths}), schema)[0])
