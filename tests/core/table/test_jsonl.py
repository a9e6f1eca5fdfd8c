"""JSON lines keep kinds and spelling."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.errors import DataError
from rowsmith.table import Table, from_frame, read_table, write_table
from rowsmith.table.limits import Limits
from rowsmith.table.schema import ColumnType

from ...shared.table_strategies import frames, names, unicode_text


def written(table: Table) -> bytes:
    stream = io.BytesIO()
    write_table(table.columns, table.schema, stream, "jsonl")
    return stream.getvalue()


@st.composite
def json_lines(draw: st.DrawFn) -> bytes:
    rows = draw(st.integers(1, 5))
    kinds = (
        unicode_text.map(lambda text: json.dumps(text, ensure_ascii=False)),
        st.integers().map(str),
        st.sampled_from(["1.50", "-0.0", "1e5", "1E+400", "0.1", "12"]),
        st.booleans().map(lambda truth: str(truth).lower()),
    )
    labels = draw(names)
    cells = [
        draw(st.lists(draw(st.sampled_from(kinds)) | st.just("null"), min_size=rows, max_size=rows)) for _ in labels
    ]
    lines = [
        ",".join(f"{json.dumps(name, ensure_ascii=False)}:{cell}" for name, cell in zip(labels, row, strict=True))
        for row in zip(*cells, strict=True)
    ]
    return "".join("{" + line + "}\n" for line in lines).encode()


@given(json_lines())
@settings(max_examples=150)
def test_lines_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("json") / "x.jsonl"
    path.write_bytes(data)
    table = read_table(path)
    again = written(table)
    keep = {"parse_int": str, "parse_float": str}
    assert [json.loads(line, **keep) for line in again.split(b"\n")[:-1]] == [
        json.loads(line, **keep) for line in data.split(b"\n")[:-1]
    ]
    table.to_frame()


@given(
    st.binary(max_size=40)
    | st.lists(st.sampled_from(['{"a":', "1", '"x"', "}", "\n", ",", "[", "null"])).map(
        lambda parts: "".join(parts).encode()
    )
)
@settings(max_examples=150)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("json") / "x.jsonl"
    path.write_bytes(data)
    with contextlib.suppress(DataError):
        read_table(path).to_frame()


@given(frames())
@settings(max_examples=50)
def test_every_frame_gives_json(tmp_path_factory: pytest.TempPathFactory, frame: object) -> None:
    table = from_frame(frame)  # type: ignore[arg-type]
    data = written(table)
    assert len([json.loads(line) for line in data.split(b"\n")[:-1]]) == len(table)
    path = tmp_path_factory.mktemp("json") / "x.jsonl"
    path.write_bytes(data)
    assert read_table(path).schema.names == table.schema.names


def test_text_that_looks_like_a_number_stays_text(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"a":"123","b":123,"c":"2020-01-01","d":true}\n')
    table = read_table(tmp_path / "x.jsonl")
    types = [column.type for column in table.schema]
    assert types == [ColumnType.CATEGORICAL, ColumnType.INTEGER, ColumnType.DATETIME, ColumnType.BOOLEAN]
    assert written(table) == b'{"a":"123","b":123,"c":"2020-01-01","d":true}\n'


BLOCK = 1 << 18


def test_more_rows_than_a_block_are_one_table(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    rows = [(None if n % 7 == 0 else str(n % 300), f"t{n // BLOCK}") for n in range(BLOCK + 1)]
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
        file.write("\ufeff" + "".join(f'{{"n":{n or "null"},"t":"{t}"}}\n' for n, t in rows))
    table = read_table(path)
    assert list(zip(*(table.columns.column(name).to_pylist() for name in ("n", "t")), strict=True)) == rows


def test_a_whole_block_is_a_table(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"n":1}\n' * BLOCK)
    assert len(read_table(path)) == BLOCK


def test_a_line_of_a_later_block_is_named_as_any_other(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"n":1}\n' * BLOCK + '\n{"n":"x"}\n')
    with pytest.raises(DataError, match=f"line {BLOCK + 2}, column 'n': a string among numbers"):
        read_table(path)


def test_rows_beyond_the_limit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"n":1}\n' * 4)
    assert len(read_table(path, limits=Limits(rows=4))) == 4
    with pytest.raises(DataError, match="has 4 rows, more than the limit of 3"):
        read_table(path, limits=Limits(rows=3))
