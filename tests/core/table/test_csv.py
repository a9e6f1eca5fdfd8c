"""Delimited text: read exactly, written in its own spelling, damage named."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rowsmith.errors import DataError
from rowsmith.table.columns import from_codes
from rowsmith.table.files import read_table, write_table
from rowsmith.table.frames.conversion import Table
from rowsmith.table.schema import ColumnSchema, ColumnType, Source, Storage, TableSchema

from ...shared.table_strategies import names, unicode_text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("csv")


def read(folder: Path, data: bytes, name: str = "x.csv") -> Table:
    (folder / name).write_bytes(data)
    return read_table(folder / name)


def written(table: Table, format_: str = "csv") -> bytes:
    stream = io.BytesIO()
    write_table(table.columns, table.schema, stream, format_)
    return stream.getvalue()


def cells(table: Table) -> dict[str, list[str | None]]:
    return {name: table.columns.column(name).to_pylist() for name in table.schema.names}


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Tables of hostile text and null."""
    labels = draw(names)
    rows = draw(st.integers(1, 5))
    values = {
        name: draw(st.lists(st.none() | unicode_text.map(without_nul), min_size=rows, max_size=rows)) for name in labels
    }
    columns = pa.table({name: pa.array(column, pa.string()).dictionary_encode() for name, column in values.items()})
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    storage = Storage(source=Source.CSV, delimiter=delimiter)
    schema = TableSchema(
        columns=tuple(ColumnSchema(name=name, type=ColumnType.TEXT, nullable=True, storage=storage) for name in labels)
    )
    return Table(columns, schema)


def without_nul(text: str) -> str:
    return text.replace("\0", "")


@given(tables())
@settings(max_examples=150)
def test_what_is_written_is_read_back(folder: Path, table: Table) -> None:
    again = read(folder, written(table))
    assert list(again.schema.names) == list(table.schema.names)
    assert cells(again) == cells(table)


@given(tables())
@settings(max_examples=60)
def test_another_reader_agrees(table: Table) -> None:
    delimiter = table.schema.columns[0].storage.delimiter
    rows = list(csv.reader(io.StringIO(written(table).decode(), newline=""), delimiter=delimiter, strict=True))
    columns = [table.columns.column(name).to_pylist() for name in table.schema.names]
    expected = [list(table.schema.names), *([value or "" for value in row] for row in zip(*columns, strict=True))]
    assert [row or [""] for row in rows] == expected


csv_bytes = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from(list(b'ab1,;"\r\n\t |\x00\xff\xc3\xa9-.')), max_size=40).map(bytes),
    st.lists(st.sampled_from(["a,b", "1,2", '"', "\n", "\r", ",", '""', "x", "\ufeff", "é"]), max_size=14).map(
        lambda parts: "".join(parts).encode()
    ),
)


@given(csv_bytes)
@example(b'a,b\n1,"x\n2,y\n')
@example(b'"a')
@example(b"\xef\xbb\xbf")
@example(b"\n\na,b\n\n1,2\n\n")
@settings(max_examples=400)
def test_any_bytes_are_read_or_refused(folder: Path, data: bytes) -> None:
    try:
        table = read(folder, data)
    except DataError:
        return
    again = read(folder, written(table))
    assert cells(again) == cells(table)
    assert again.schema.names == table.schema.names
    table.to_frame()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'a,b\n1,""\n,x\r\n2,3', {"a": ["1", None, "2"], "b": ["", "x", "3"]}),
        (b"a,b\nNA,None\nnan,null\n", {"a": ["NA", "nan"], "b": ["None", "null"]}),
        (b"a\n1\n\n2\n", {"a": ["1", None, "2"]}),
        (b'a\n""\n\n', {"a": ["", None]}),
        (b"a;b\n1,5;2\n", {"a": ["1,5"], "b": ["2"]}),
        (b"a\tb\n1\t2\n", {"a": ["1"], "b": ["2"]}),
        (b"a|b\n1|2\n", {"a": ["1"], "b": ["2"]}),
        (b'"a,b"\nx\n', {"a,b": ["x"]}),
        (b'"x;y;z",b\n1,2\n', {"x;y;z": ["1"], "b": ["2"]}),
        (b'a,b\n"one\ntwo","say ""hi"""\n', {"a": ["one\ntwo"], "b": ['say "hi"']}),
        ("\ufeffa,b\n1,2\n".encode(), {"a": ["1"], "b": ["2"]}),
        ("a,b\n\u2028,\u0085\n".encode(), {"a": ["\u2028"], "b": ["\u0085"]}),
        (b'a,b\n5" pipe,x\n', {"a": ['5" pipe'], "b": ["x"]}),
        (b"a,b\n1,2\n\n3,4\n", {"a": ["1", "3"], "b": ["2", "4"]}),
    ],
)
def test_fields_are_read_as_they_stand(folder: Path, data: bytes, expected: dict[str, list[str | None]]) -> None:
    assert cells(read(folder, data)) == expected


@pytest.mark.parametrize(
    "data", [b"zip,n\n00123,1\n99,\n", b'a\n""\n\nx\n"x,y"\n', b"a;b\n1,5;2\n", b'a,b\n"x,y",\n,""\n', b"a\tb\n1\t2\n"]
)
def test_the_own_spelling_comes_back(folder: Path, data: bytes) -> None:
    assert written(read(folder, data)) == data


def test_compressed_and_tab_separated(folder: Path) -> None:
    table = read(folder, gzip.compress(b"a,b\n1,2\n"), "x.csv.gz")
    assert gzip.decompress(written(table, "csv.gz")) == b"a,b\n1,2\n"
    assert written(table, "csv.gz") == written(table, "csv.gz")
    assert written(table, "tsv") == b"a\tb\n1\t2\n"


def test_many_blocks_and_long_fields(folder: Path) -> None:
    lines = [f"{row},{'é' * (row % 7)},{row % 3}" for row in range(200_000)]
    data = ("a,b,c\n" + "\n".join(lines) + "\n").encode()
    table = read(folder, data)
    assert table.columns.num_rows == 200_000
    assert written(table) == data.replace(b",,", b",,")
    long = b'a,b\n"' + b"x" * 6_000_000 + b'",1\n2,3\n'
    assert [len(text) for text in cells(read(folder, long))["a"] if text] == [6_000_000, 1]


def test_a_column_may_repeat_a_value_across_blocks(folder: Path) -> None:
    data = b"a,b\n" + b"".join(b"%d,same value here\n" % (row % 100) for row in range(400_000))
    table = read(folder, data)
    assert len(table.columns.column("b").chunk(0).dictionary) == 1
    assert len(table.columns.column("a").chunk(0).dictionary) == 100


def test_codes_without_their_values_are_not_written(folder: Path) -> None:
    import numpy as np

    columns = pa.table({"a": from_codes(["x", "y"], np.array([1, -1]))})
    schema = TableSchema(columns=(ColumnSchema(name="a", type=ColumnType.TEXT),))
    assert written(Table(columns, schema)) == b"a\ny\n\n"
