"""Bad inputs, one by one: each is read exactly or refused with where it is and what to do."""

from __future__ import annotations

import contextlib
import gzip
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.errors import DataError
from rowsmith.table import from_frame, read_table
from rowsmith.table.limits import Limits
from rowsmith.table.schema import ColumnType

REFUSED = [
    ("B1", b"a,b\n1,2,3\n4,5,6\n", ["row 1", "3 fields", "2"]),
    ("B2", b"a,b\n1,2\n4,5,6\n", ["row 2", "3 fields"]),
    ("B2", b"a,b\n" + b"1,2\n" * 9 + b"1,2,3,4\n", ["row 10", "4 fields"]),
    ("B3", b"a,b\n1,2\n4\n", ["row 2", "1 field"]),
    ("B4", b"a,b,a\n1,2,3\n", ["'a'", "column 3"]),
    ("B5", b"", ["empty"]),
    ("B5", b"\n\n", ["empty"]),
    ("B5", b"a,b\n", ["no rows"]),
    ("B5", b"a,b", ["no rows"]),
    ("B10", b"a,b\n1,caf\xe9\n", ["byte 9", "0xe9", "UTF-8"]),
    ("B10", "a,b\n1,2\n".encode("utf-16"), ["UTF-16"]),
    ("B10", "a,b\n1,2\n".encode("utf-32"), ["UTF-32"]),
    ("B10", "a,b\n1,2\n".encode("utf-16-le"), ["NUL", "byte 1"]),
    ("B10", b"a,b\n1,\x00\n", ["NUL", "byte 6"]),
    ("B10", b'a,b\n1,"x\n2,y\n', ["row 1", "quote"]),
    ("B10", b'a,b\n1,2\n3,"', ["row 2", "quote"]),
    ("B10", b'a\n"x', ["row 1", "quote"]),
    ("B11", b"a,b\n\xed\xa0\x80,1\n", ["UTF-8", "byte 4"]),
    ("B12", b'""\n1\n', ["column 1", "no name"]),
    ("B12", b'a,""\n1,2\n', ["column 2", "no name"]),
]


@pytest.mark.parametrize(("case", "data", "words"), REFUSED)
def test_refused_text(tmp_path: Path, case: str, data: bytes, words: list[str]) -> None:
    (tmp_path / "x.csv").write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "x.csv")
    for word in words:
        assert word in str(caught.value), case


ACCEPTED: list[tuple[str, bytes, Any, ColumnType]] = [
    ("B5", b"a\nx\n", ["x"], ColumnType.CATEGORICAL),
    ("B5", b"a\n1\n1\n", ["1", "1"], ColumnType.INTEGER),
    ("B6", b"a\nNA\nNull\nNone\nnan\n", ["NA", "Null", "None", "nan"], ColumnType.CATEGORICAL),
    ("B7", b"a\n00123\n10001\n", ["00123", "10001"], ColumnType.CATEGORICAL),
    ("B8", b"a,b\n9007199254740993,1\n,2\n", ["9007199254740993", None], ColumnType.INTEGER),
    ("B9", b"a\n9223372036854775808\n", ["9223372036854775808"], ColumnType.CATEGORICAL),
    ("B9", b"a\n-9223372036854775808\n", ["-9223372036854775808"], ColumnType.INTEGER),
    ("B9", b"a\n1e400\n", ["1e400"], ColumnType.CATEGORICAL),
    ("B9", b"a\ninf\n", ["inf"], ColumnType.CATEGORICAL),
    ("B9", b"a\n-0\n1\n", ["-0", "1"], ColumnType.CATEGORICAL),
    ("B9", b"a\n+5\n", ["+5"], ColumnType.CATEGORICAL),
    ("B10", b"\xef\xbb\xbfa\r\n1\r\n2\r\n", ["1", "2"], ColumnType.INTEGER),
    ("B10", "a,b\n\u2028x,1\n".encode(), ["\u2028x"], ColumnType.CATEGORICAL),
    ("B11", b'a,b\n<|endoftext|>,1\n{"x":1},2\n', ["<|endoftext|>", '{"x":1}'], ColumnType.CATEGORICAL),
    ("B13", b"a\n1\nx\n", ["1", "x"], ColumnType.CATEGORICAL),
    ("B13", b"a,b\n,1\n,2\n", [None, None], ColumnType.NULL),
    ("B13", b"a\n0001-01-01\n9999-12-31\n", ["0001-01-01", "9999-12-31"], ColumnType.DATETIME),
    ("B13", b"a\n0000-01-01\n", ["0000-01-01"], ColumnType.CATEGORICAL),
]


@pytest.mark.parametrize(("case", "data", "values", "type_"), ACCEPTED)
def test_accepted_text(tmp_path: Path, case: str, data: bytes, values: list[str | None], type_: ColumnType) -> None:
    (tmp_path / "x.csv").write_bytes(data)
    table = read_table(tmp_path / "x.csv")
    assert table.columns.column("a").to_pylist() == values, case
    assert table.schema["a"].type is type_
    table.to_frame()


@pytest.mark.parametrize(
    "name",
    [" ", "two\nlines", 'say "hi"', "=cmd", "../x", "__class__", "x" * 300, "é", "e\u0301", "a,b;c|d\te", "\ufeffa"],
)
def test_odd_column_names_are_kept(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({name: ["x"], "other": [1]})
    table = from_frame(frame)
    for suffix in ("csv", "jsonl", "parquet"):
        from rowsmith.table import write_table

        write_table(table.columns, table.schema, tmp_path / f"x.{suffix}")
        assert read_table(tmp_path / f"x.{suffix}").schema.names == (name, "other")


def test_a_megabyte_in_a_cell(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b'a,b\n"' + b"x,\n" * 400_000 + b'",2\n')
    assert read_table(tmp_path / "x.csv").columns.column("b").to_pylist() == ["2"]


SMALL = Limits(rows=1_000, record=2**20, ratio=50, unpacked=2**21)


def packed(folder: Path, name: str, *pieces: bytes) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(b"".join(pieces)))
    return path


@pytest.mark.parametrize(
    ("name", "head", "piece"),
    [
        ("rows.csv.gz", b"a,b\n", b"1,2\n"),
        ("line.csv.gz", b'a,b\n1,"', b"xxxx"),
        ("blank.csv.gz", b"", b"\n\n\n\n"),
        ("rows.jsonl.gz", b"", b'{"a":1}\n'),
        ("line.jsonl.gz", b'{"a":"', b"xxxx"),
    ],
)
def test_a_small_file_that_unpacks_to_very_much_is_ended_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, head: bytes, piece: bytes
) -> None:
    path = packed(tmp_path, name, head, piece * 4_000_000)
    read = [0]
    original = gzip.GzipFile.read

    def counted(self: gzip.GzipFile, size: int | None = -1) -> bytes:
        found = original(self, size)
        read[0] += len(found)
        return found

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    with pytest.raises(DataError, match=r"unpacks to .*over 50 times as many.*unpack the table first"):
        read_table(path, limits=SMALL)
    assert 0 < read[0] < 10_000_000


def test_a_table_that_packs_well_is_read(tmp_path: Path) -> None:
    assert len(read_table(packed(tmp_path, "x.csv.gz", b"a,b\n", b"1,2\n" * 100_000))) == 100_000


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_rows_are_counted_while_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from rowsmith.table.files import csv_reader as csv_reading
    from rowsmith.table.files import jsonl

    monkeypatch.setattr(jsonl, "_BLOCK_ROWS", 100)
    monkeypatch.setattr(csv_reading, "_BLOCK", 1 << 10)
    path, header, row = tmp_path / name, b"a,b\n", b'"1",2\n'
    if name == "x.jsonl":
        header, row = b"", b'{"a":1}\n'
    path.write_bytes(header + row * 1_000)
    assert len(read_table(path, limits=SMALL)) == 1_000
    # What comes long after the limit is not looked at.
    path.write_bytes(header + row * 100_000 + b"1,2,3\n{")
    with pytest.raises(DataError, match="rows, more than the limit of 1,000"):
        read_table(path, limits=SMALL)


@pytest.mark.parametrize(("name", "head"), [("x.csv", b'a,b\n1,"'), ("x.csv", b"a,b\n1,"), ("x.jsonl", b'{"a":"')])
def test_a_row_without_end_is_not_read_to_its_end(tmp_path: Path, name: str, head: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(head + b"x" * 2**23)
    with pytest.raises(DataError, match=r"a row of more than the limit of 1,048,576 bytes.*never closed"):
        read_table(path, limits=SMALL)
    long = b"x" * 2**19
    path.write_bytes(b'a,b\n1,"' + long + b'"\n' if name == "x.csv" else b'{"a":"' + long + b'"}')
    assert len(read_table(path, limits=SMALL)) == 1


@pytest.mark.parametrize("digits", [18, 400, 401, 1_001, 20_000])
@pytest.mark.parametrize("start", ["0.", "", "1e", "-0."])
def test_numbers_of_any_length_are_read(tmp_path: Path, digits: int, start: str) -> None:
    chance = random.Random(digits)
    lengthy = [start + "".join(chance.choice("123456789") for _ in range(digits)) for _ in range(30)]
    for cells in (lengthy, [*(f"{place}.5" for place in range(40)), lengthy[0]], [*map(str, range(40)), lengthy[0]]):
        (tmp_path / "x.csv").write_text("a,b\n" + "".join(f"{cell},1\n" for cell in cells))
        table = read_table(tmp_path / "x.csv")
        assert table.columns.column("a").to_pylist() == cells
        # One that is not written as the others are is told.
        assert bool(table.notes) is (table.schema["a"].marked is not None)
        assert digits < 400 or cells is lengthy or table.notes


def test_bytes_that_are_no_utf8_are_found_wherever_they_are(tmp_path: Path) -> None:
    for before in (0, 2**22 - 6, 2**22 - 5, 2**22 + 3):
        (tmp_path / "x.csv").write_bytes(b"a,b\n" + b"x" * before + "é".encode() + b"\xc3,1\n")
        with pytest.raises(DataError, match=f"not UTF-8 at byte {4 + before + 2} .0xc3"):
            read_table(tmp_path / "x.csv")


def test_a_parquet_file_that_unpacks_to_very_much_is_ended_before_or_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.parquet"
    texts = pa.table({"a": ["x" * 2**20 + str(row) for row in range(8)]})
    pq.write_table(texts, path, compression="zstd", use_dictionary=False)
    with pytest.raises(DataError, match=r"unpacks to .*over 50 times as many"):
        read_table(path, limits=SMALL)
    # A footer need not be true.
    monkeypatch.setattr("rowsmith.table.files.parquet._check_footer", lambda *_: None)
    with pytest.raises(DataError, match=r"unpacks to .*over 50 times as many"):
        read_table(path, limits=SMALL)


@pytest.mark.parametrize("name", ["none.csv", ".", "x.xlsx", "x.parquet.gz", "x" * 300 + ".csv", "nul\0.csv"])
def test_files_that_are_none(tmp_path: Path, name: str) -> None:
    if name.startswith("x."):
        (tmp_path / name).write_bytes(b"a\n1\n")
    with pytest.raises(DataError):
        read_table(tmp_path / name)


def test_damaged_or_oversized_gzip(tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 1000)
    for data in (whole[: len(whole) // 2], b"no gzip", whole[:-6] + b"\0" * 6):
        (tmp_path / "x.csv.gz").write_bytes(data)
        with pytest.raises(DataError, match="gzip"):
            read_table(tmp_path / "x.csv.gz")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"a\n" + b"1\n" * 100_000))
    with pytest.raises(DataError, match="limit"):
        read_table(tmp_path / "x.csv.gz", limits=Limits(size=10_000))


def test_the_limits_are_those_of_the_reliability_page() -> None:
    limits = Limits()
    assert (limits.rows, limits.columns, limits.size) == (100_000_000, 10_000, 8 * 2**30)
    assert limits.cells == 2_000_000_000
    assert (limits.record, limits.ratio, limits.unpacked) == (64 * 2**20, 200, 256 * 2**20)


def test_limits_on_shape(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"a,b,c\n1,2,3\n4,5,6\n")
    for limits, word in (
        (Limits(columns=2), "columns"),
        (Limits(rows=1), "rows"),
        (Limits(cells=5), "cells"),
        (Limits(size=3), "bytes"),
    ):
        with pytest.raises(DataError, match=word):
            read_table(tmp_path / "x.csv", limits=limits)


def parquet_bytes(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ["Parquet"]),
        (b"PAR1" + b"\0" * 50, ["Parquet"]),
        (parquet_bytes(pa.table({"a": [1]}))[:-20], ["Parquet"]),
        (parquet_bytes(pa.table({"a": [[1]]})), ["'a'", "nested"]),
        (parquet_bytes(pa.table({"a": [{"x": 1}]})), ["'a'", "nested"]),
        (parquet_bytes(pa.table({"a": [b"x"]})), ["'a'", "binary"]),
        (parquet_bytes(pa.table({"a": pa.array([], pa.int64())})), ["no rows"]),
        (parquet_bytes(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])), ["'a'", "column 2"]),
        (parquet_bytes(pa.table({"a": [1.0, float("inf")]})), ["'a'", "row 2", "infinite"]),
        (
            parquet_bytes(pa.table({"a": [1.0, 1.0, None, float("inf")]}), row_group_size=1),
            ["'a'", "row 4", "infinite"],
        ),
        (parquet_bytes(pa.table({"a": pa.array([0, 0, 10**12], pa.timestamp("s"))})), ["'a'", "row 3", "year"]),
        (
            parquet_bytes(pa.table({"a": pa.array([1.5, 1.5, float("inf")]).dictionary_encode()})),
            ["'a'", "row 3", "infinite"],
        ),
    ],
)
def test_refused_parquet(tmp_path: Path, data: bytes, words: list[str]) -> None:
    (tmp_path / "x.parquet").write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "x.parquet")
    for word in words:
        assert word in str(caught.value)


def test_the_footer_is_checked_before_loading(tmp_path: Path) -> None:
    # A megabyte of text a thousand times over: small on disk, a gigabyte when spread out.
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"a": column.cast(pa.dictionary(pa.int32(), pa.string()))}), tmp_path / "x.parquet")
    table = read_table(tmp_path / "x.parquet")
    assert len(table.columns.column("a").chunk(0).dictionary) == 1
    for limits, word in ((Limits(rows=999), "rows"), (Limits(size=1000), "bytes"), (Limits(columns=0), "columns")):
        with pytest.raises(DataError, match=word):
            read_table(tmp_path / "x.parquet", limits=limits)


@given(st.data())
@settings(max_examples=60)
def test_damaged_parquet_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = bytearray(parquet_bytes(pa.table({"a": [1, 2], "b": ["x", None]})))
    for _ in range(data.draw(st.integers(1, 3))):
        # The footer's own bytes; damage there is what a reader must survive.
        whole[data.draw(st.integers(len(whole) - 40, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "x.parquet"
    path.write_bytes(bytes(whole))
    with contextlib.suppress(DataError):
        read_table(path)


JSON_REFUSED = [
    (b"", ["empty"]),
    (b"[1]\n", ["line 1"]),
    (b'{"a":1}\n{"a":1\n', ["line 2"]),
    (b'{"a":1}\n{"b":1}\n', ["line 2", "'a'"]),
    (b'{"a":1}\n{"a":1,"b":1}\n', ["line 2", "'b'"]),
    (b'{"a":1,"a":2}\n', ["line 1", "'a'", "twice"]),
    (b'{"a":[1]}\n', ["line 1", "'a'", "nested"]),
    (b'{"a":{}}\n', ["line 1", "'a'", "nested"]),
    (b'{"a":NaN}\n', ["line 1", "NaN"]),
    (b'{"a":01}\n', ["line 1"]),
    (b'{"a":1}\n{"a":"x"}\n', ["line 2", "'a'", "string among numbers"]),
    (b'{"a":"\\ud800"}\n', ["'a'", "surrogate"]),
    (b'{"a":"\xff"}\n', ["line 1"]),
    (b"{}\n", ["no columns"]),
    (b'{"":1}\n', ["no name"]),
    (b"[" * 100_000, ["line 1"]),
    (b'{"a":1}\n' * 3 + b'{"a":1}{"a":2}\n', ["line 4"]),
]


@pytest.mark.parametrize(("data", "words"), JSON_REFUSED)
def test_refused_json_lines(tmp_path: Path, data: bytes, words: list[str]) -> None:
    (tmp_path / "x.jsonl").write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "x.jsonl")
    for word in words:
        assert word in str(caught.value)
