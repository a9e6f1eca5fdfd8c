"""Random spelled tables for tests of the columnar model."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from rowsmith.table.columns import from_codes
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema

_NUMBERS = st.one_of(st.integers(-(10**6), 10**6).map(str), st.sampled_from(["0", "-1", "9007199254740993"]))
_HOSTILE = st.sampled_from(
    [
        '"',
        "\\",
        "\n",
        "",
        "null",
        '","a":"',
        "<|endoftext|>",
        "é",
        "🦊",
        "\x00other",
        "\x7f",
        "}\n",
        '{"a":1}',
        "\u2028",
    ]
)
_TEXT = st.one_of(_HOSTILE, st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
_NAMES = st.one_of(st.sampled_from(["a", "b", 'q"uote', "comma,", "back\\slash", "sp ace", "né", ",", "n.1"]), _TEXT)


def column(values: list[str | None]) -> pa.DictionaryArray:
    """A spelled column of these cells."""
    known = list(dict.fromkeys(value for value in values if value is not None))
    place = {value: i for i, value in enumerate(known)}
    return from_codes(known, np.array([-1 if value is None else place[value] for value in values], dtype=np.int32))


def table(**cells: list[str | None]) -> pa.Table:
    """A spelled table of these columns."""
    return pa.table({name: column(values) for name, values in cells.items()})


def schema(**types: ColumnType) -> TableSchema:
    """A schema of these columns."""
    return TableSchema(columns=tuple(ColumnSchema(name=name, type=kind) for name, kind in types.items()))


@st.composite
def tables(draw: st.DrawFn) -> tuple[pa.Table, TableSchema]:
    """A spelled table with closed and open columns, and its schema."""
    names = draw(st.lists(_NAMES.filter(bool), min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(1, 12))
    columns, schemas = {}, []
    for name in names:
        kind = draw(st.sampled_from([ColumnType.INTEGER, ColumnType.CATEGORICAL, ColumnType.TEXT]))
        cells = _NUMBERS if kind is ColumnType.INTEGER else _TEXT.filter(lambda text: text != "\x00other")
        values = draw(st.lists(st.one_of(st.none(), cells), min_size=rows, max_size=rows))
        columns[name] = column(values)
        schemas.append(ColumnSchema(name=name, type=kind))
    return pa.table(columns), TableSchema(columns=tuple(schemas))
