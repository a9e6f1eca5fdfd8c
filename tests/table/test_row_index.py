"""A first column without a name that counts rows is the row index: not learned, counted anew when written."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.errors import DataError
from rowsmith.runs.planning import fingerprint
from rowsmith.table.files import ReadOptions, read_table, write_table
from rowsmith.table.schema import ColumnType, RowIndex
from rowsmith.table.table import Table

from .strategies import names, unicode_text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index")


def read(folder: Path, text: str, options: ReadOptions | None = None) -> Table:
    (folder / "x.csv").write_text(text, encoding="utf-8")
    return read_table(folder / "x.csv", options=options)


def written(table: Table, format_: str = "csv") -> str:
    stream = io.BytesIO()
    write_table(table.columns, table.schema, stream, format_)
    return stream.getvalue().decode()


@given(names, st.integers(2, 6), st.integers(-3, 10**12), st.booleans(), st.data())
@settings(max_examples=40)
def test_a_counting_column_is_left_out_and_counted_anew(
    folder: Path, labels: list[str], rows: int, start: int, quoted: bool, data: st.DataObject
) -> None:
    cells = st.lists(unicode_text.filter(lambda text: "\0" not in text), min_size=rows, max_size=rows)
    frame = pd.DataFrame({label: data.draw(cells) for label in labels})
    frame.index = pd.RangeIndex(start, start + rows)
    table = read(folder, frame.to_csv(quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_NONNUMERIC))
    assert table.schema.layout.index == RowIndex(start=start)
    assert list(table.schema.names) == labels
    assert "counts the rows" in table.notes[0]
    fewer = list(csv.reader(io.StringIO(written(table.take([rows - 1])), newline="")))
    assert [row[0] for row in fewer] == ["", str(start)]
    again = read(folder, written(table))
    assert again.schema.layout == table.schema.layout
    assert again.columns.to_pydict() == table.columns.to_pydict()


def test_the_index_goes_to_delimited_text_alone(folder: Path) -> None:
    table = read(folder, '"","a"\n"1","x"\n"2","y"\n')
    assert written(table) == ",a\n1,x\n2,y\n"
    assert written(table, "tsv") == "\ta\n1\tx\n2\ty\n"
    assert written(table, "jsonl") == '{"a":"x"}\n{"a":"y"}\n'
    assert list(table.to_frame().columns) == ["a"]


@pytest.mark.parametrize(
    "rows", ["3,x\n1,y\n", "1,x\n3,y\n", "01,x\n02,y\n", "1,x\n,y\n", "b,x\nc,y\n", "7,x\n", "1.0,x\n2.0,y\n"]
)
def test_what_does_not_count_is_a_column_without_a_name(folder: Path, rows: str) -> None:
    table = read(folder, ",a\n" + rows)
    assert table.schema.layout.index is None
    assert table.schema.names == ("", "a")
    assert "the first column has no name, and does not count" in table.notes[0]
    assert written(table) == '"",a\n' + rows
    assert read(folder, written(table)).columns.to_pydict() == table.columns.to_pydict()


def test_a_delimiter_at_every_line_end_makes_a_column_without_values(folder: Path) -> None:
    table = read(folder, ",a,\n1,x,\n2,y,\n")
    assert table.schema.names == ("a", "")
    assert table.schema[""].type is ColumnType.NULL
    assert "every line ends with the delimiter" in table.notes[1]
    assert written(table) == ',a,""\n1,x,\n2,y,\n'
    assert read(folder, ",a,\n1,x,\n2,y,\n", ReadOptions(drop=("",))).schema.names == ("a",)


@pytest.mark.parametrize(
    "text", ["a,,b\n1,2,3\n", "a,,b\n1,,3\n", "a,\n1,2\n", '""\nx\n', ",a,\nr,1,\ns,2,\n", ",,a\n1,2,x\n2,3,y\n"]
)
def test_any_other_column_needs_a_name(folder: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"has no name.*data\.drop"):
        read(folder, text)


def test_another_index_is_another_table(folder: Path) -> None:
    first, second = (fingerprint(read(folder, text)) for text in (",a\n1,x\n2,y\n", ",a\n0,x\n1,y\n"))
    assert first != second
    assert fingerprint(read(folder, "a\nx\ny\n")) not in (first, second)
