"""Hypothesis strategies for schemas and rows of the record dialect."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema

HOSTILE = (
    "",
    'say "hi"',
    "back\\slash",
    "line\nbreak\r\t\b\f",
    "\x00\x01\x1f\x7f",
    "\u2028\u2029\u0085",
    "<|endoftext|>",
    "</s>",
    "null",
    "1",
    '{"a":1}\n',
    "😀é東",
    "\\u0041",
    "/",
)
texts = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
integers = st.integers(-(2**63), 2**64 - 1).map(str)
numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-(10**9), 10**9, places=3).map(str),
    st.integers(-(10**15), 10**15).map(str),
    st.sampled_from(["-0.0", "0.0", "1e-05", "1E5", "12", "5e-324", "1.50"]),
)


@st.composite
def columns(draw: Any, name: str) -> ModelColumn:
    """One column of any kind, closed or open."""
    kind = draw(st.sampled_from(JsonKind))
    nullable, integral = draw(st.booleans()), draw(st.booleans())
    if kind is JsonKind.BOOLEAN:
        spellings = draw(st.sampled_from([None, ("False", "True"), ("0", "1"), ("no", "yes")]))
        pair = spellings or ("false", "true")
        values = draw(st.sampled_from([None, pair, pair[1:]]))
        return ModelColumn(name=name, kind=kind, nullable=nullable, values=values, spellings=spellings)
    source = texts if kind is JsonKind.STRING else integers if integral else numbers
    # Two spellings of one number cannot both be values of a column.
    key = (lambda text: text) if kind is JsonKind.STRING else lambda text: (float(text), text.startswith("-"))
    values = draw(st.none() | st.lists(source, max_size=5, unique_by=key).map(tuple))
    if values == () and not nullable:
        values = None
    return ModelColumn(name=name, kind=kind, nullable=nullable, values=values, integral=integral)


def cells(column: ModelColumn) -> st.SearchStrategy[str | None]:
    """Spelled values that a column may hold."""
    if column.values is not None:
        found = st.sampled_from(column.values) if column.values else st.nothing()
    elif column.kind is JsonKind.BOOLEAN:
        found = st.sampled_from(column.spellings or ("false", "true"))
    else:
        found = texts if column.kind is JsonKind.STRING else integers if column.integral else numbers
    return st.none() | found if column.nullable else found


@st.composite
def tables(draw: Any, max_rows: int = 5) -> tuple[ModelSchema, pa.Table]:
    """A schema and a spelled table of it."""
    names = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    schema = ModelSchema(columns=tuple(draw(columns(name)) for name in names))
    rows = draw(st.integers(1, max_rows))
    values = [draw(st.lists(cells(column), min_size=rows, max_size=rows)) for column in schema]
    arrays = [pa.array(column, pa.string()).dictionary_encode() for column in values]
    return schema, pa.table(arrays, names=names)
