"""Delimited text with a preamble, without a header, in another encoding; and messages that name the likely cause."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.errors import DataError
from rowsmith.table.files import ReadOptions, read_table, text_encoding, write_table
from rowsmith.table.schema import ColumnType
from rowsmith.table.table import Table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("options")


def read(folder: Path, data: bytes | str, name: str = "x.csv", **options: object) -> Table:
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_table(folder / name, options=ReadOptions(**options))  # type: ignore[arg-type]


def written(table: Table) -> str:
    stream = io.BytesIO()
    write_table(table.columns, table.schema, stream, "csv")
    return stream.getvalue().decode()


def refusal(folder: Path, data: bytes | str, name: str = "x.csv", **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, data, name, **options)
    return str(caught.value)


ENCODINGS = {
    "latin-1": st.characters(max_codepoint=255, exclude_categories=["Cs"], exclude_characters="\0"),
    "cp1252": st.sampled_from("aé€œ,\"\n;'"),
    "utf-16": st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    "utf-32-be": st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    "shift_jis": st.sampled_from('aア東京,"\n'),
}


@given(st.sampled_from([*ENCODINGS]), st.booleans(), st.integers(0, 3), st.integers(1, 40), st.booleans(), st.data())
@settings(max_examples=80)
def test_any_encoding_header_and_preamble(
    folder: Path, encoding: str, header: bool, skipped: int, piece: int, packed: bool, data: st.DataObject
) -> None:
    words = st.text(ENCODINGS[encoding], max_size=8)
    rows = data.draw(st.lists(st.tuples(words, words), min_size=1, max_size=4))
    fields = [[*"ab"], *rows] if header else rows
    text = "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in fields)
    preamble = "".join(data.draw(st.sampled_from(["about, this\r\n", "\n", 'say "hi"\n'])) for _ in range(skipped))
    raw = (preamble + text).encode(encoding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_encoding, "_PIECE", piece)
        name = "x.csv.gz" if packed else "x.csv"
        raw = gzip.compress(raw, mtime=0) if packed else raw
        table = read(folder, raw, name, encoding=encoding, header=header, skip_rows=skipped)
    assert table.schema.names == (("a", "b") if header else ("column_1", "column_2"))
    assert list(zip(*(each.to_pylist() for each in table.columns.columns), strict=True)) == rows
    again = read(folder, written(table), header=header)
    assert again.columns.to_pydict() == table.columns.to_pydict()
    assert any("written as UTF-8" in note for note in table.notes)


def test_a_table_without_header_goes_back_without_one(folder: Path) -> None:
    table = read(folder, "5.1,x\n4.9,y\n", header=False)
    assert [column.type for column in table.schema] == [ColumnType.DECIMAL, ColumnType.CATEGORICAL]
    assert written(table) == "5.1,x\n4.9,y\n"
    assert len(read(folder, "x\n", header=False)) == 1


def test_json_lines_may_have_an_encoding_and_a_preamble(folder: Path) -> None:
    table = read(folder, '# made\n{"a":"é"}\n'.encode("latin-1"), "x.jsonl", encoding="latin-1", skip_rows=1)
    assert table.columns.column("a").to_pylist() == ["é"]
    assert "data.encoding" in refusal(folder, '{"a":"é"}\n'.encode("latin-1"), "x.jsonl")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("a,b\n" + "1,2,\n" * 5, ["every row ends with a delimiter", "data.skip_rows: 1", "data.header: false"]),
        ("a,b,\n" + "1,2\n" * 5, ["the header ends with a delimiter", "data.header: false"]),
        ('"a","b"\n' + '"r","2","3"\n' * 5, ["a field more than the header", "col.names"]),
        ("Report\na,b\n" + "1,2\n" * 5, ["a field more than the header", "data.skip_rows: 1"]),
        ("A long\nstory\n" * 40 + "a,b,c\n" + "1,2,3\n" * 5, ["row 80: 3 fields", "set data.skip_rows to"]),
        ("Report,,\na,b,c\n" + "1,2,3\n" * 5, ["column 2 has no name", "set data.skip_rows to"]),
        ("made by,made by\na,b\n" + "1,2\n" * 5, ["two columns are named 'made by'", "set data.skip_rows to"]),
        ("Report\nof 2020\n\na,b\n" + "1,2\n" * 5, ["data.skip_rows: 2"]),
        ("Source, us\n\n,\na;b;c\n" + "1;2;3\n" * 5, ["data.skip_rows: 3"]),
        ("1,0,0,2\n1,3,4,5\n", ["two columns are named '0'", "data.header: false"]),
        ("a,a\n1,3\n", ["two columns are named 'a'"]),
        ("a,b\n1,caf\xe9\n".encode("latin-1"), ["byte 9", "0xe9", "data.encoding", "cp1252"]),
        (b"a,b\n1,caf\xe9\x81\n", ["data.encoding", "latin-1"]),
        ("a,b\n1,é\n".encode("utf-16"), ["data.encoding: utf-16"]),
        ("a,b\n1,x\n".encode("utf-16-be"), ["data.encoding: utf-16-be"]),
        ("a,b\n1,2\n" * 3 + "1,2,3\n", ["row 6: 3 fields", "quotes"]),
    ],
)
def test_refusals_name_the_likely_cause_and_the_setting(folder: Path, data: bytes | str, words: list[str]) -> None:
    message = refusal(folder, data)
    assert [word for word in words if word not in message] == [], message


def test_a_wrong_encoding_is_told_with_its_byte(folder: Path) -> None:
    message = refusal(folder, b"a,b\n" + b"x,1\n" * 300_000 + b"\xc3\xa9,2\n", encoding="ascii")
    assert "not ascii at byte 1200004 (0xc3)" in message
    assert "perhaps utf-8" in message


def test_a_preamble_that_hides_the_table_is_noted(folder: Path) -> None:
    assert "data.skip_rows: 1" in read(folder, "Report\na;b\n" + "1;2\n" * 5).notes[0]
    assert read(folder, "tag\nx;y\nz\n").notes == ()


def test_a_preamble_as_wide_as_the_table_is_read_as_its_header(folder: Path) -> None:
    table = read(folder, "Report,of 2020\na,b\n" + "1,2\n" * 5)
    assert table.schema.names == ("Report", "of 2020")
    assert table.notes == ()


@pytest.mark.parametrize(("data", "noted"), [("5.1,x\n4.9,y\n", True), ("a,2020\nx,4\n", True), ("a,b\nx,4\n", False)])
def test_names_that_look_like_values_are_noted(folder: Path, data: str, noted: bool) -> None:
    assert any("data.header: false" in note for note in read(folder, data).notes) == noted


def test_nothing_behind_the_preamble(folder: Path) -> None:
    assert "data.skip_rows" in refusal(folder, "a,b\n1,2\n", skip_rows=9)
    assert "header but no rows" in refusal(folder, "a,b\n1,2\n", skip_rows=1)


def test_columns_are_left_out(folder: Path) -> None:
    for name, data in (("x.csv", "a,b,b\n1,2,3\n"), ("x.jsonl", '{"a":1,"b":[2]}\n{"b":{},"a":3}\n')):
        table = read(folder, data, name, drop=("b",))
        assert table.schema.names == ("a",)
    assert "did you mean 'alpha'?" in refusal(folder, "alpha,b\n1,2\n", drop=("alfa",))
    assert "leaves no column" in refusal(folder, "a\n1\n", drop=("a",))
