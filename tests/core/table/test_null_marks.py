"""Texts that stand for null are read as null and written back at their shares."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.runs.plan.planning import fingerprint
from rowsmith.table.files import ReadOptions, read_table, write_table
from rowsmith.table.frames import from_frame
from rowsmith.table.frames.respelling import spell_frame
from rowsmith.table.schema import ColumnType
from rowsmith.table.table import Table

MARKS = ("NA", "?", "n/a", "")
OPTIONS = ReadOptions(null_values=MARKS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("marks")


def read(folder: Path, text: str, name: str = "x.csv", options: ReadOptions = OPTIONS) -> Table:
    (folder / name).write_text(text)
    return read_table(folder / name, options=options)


def written(table: Table, format_: str = "csv") -> bytes:
    stream = io.BytesIO()
    write_table(table.columns, table.schema, stream, format_)
    return stream.getvalue()


@given(st.lists(st.integers(-99, 99) | st.sampled_from([*MARKS, " NA", None]), min_size=1, max_size=30))
@settings(max_examples=80)
def test_numbers_with_marks_come_back_as_numbers_with_marks(folder: Path, values: list[Any]) -> None:
    cells = ["" if value is None else '""' if value == "" else str(value) for value in values]
    table = read(folder, "n,x\n" + "".join(f"{cell},1\n" for cell in cells))
    expected = [str(value) if isinstance(value, int) else None for value in values]
    assert table.columns.column("n").to_pylist() == expected
    numbers = any(each is not None for each in expected)
    assert table.schema["n"].type is (ColumnType.INTEGER if numbers else ColumnType.NULL)
    again = read(folder, written(table).decode())
    assert again.columns.column("n").to_pylist() == expected
    known = {mark for mark, _ in table.schema["n"].storage.null_marks}
    assert {mark for mark, _ in again.schema["n"].storage.null_marks} <= known
    if len(known) == 1:
        assert again.schema == table.schema
    assert written(table) == written(table)


def test_marks_are_drawn_at_their_shares(folder: Path) -> None:
    chance = np.random.default_rng(3)
    cells = chance.choice(["NA", "?", "", "7.5", "8.25"], 20_000, p=[0.3, 0.05, 0.15, 0.25, 0.25])
    table = read(folder, "n,m\n" + "".join(f"{cell},1\n" for cell in cells))
    assert table.schema["n"].type is ColumnType.DECIMAL
    found = Counter(line.split(",")[0] for line in written(table).decode().splitlines()[1:])
    for mark, share in (("NA", 0.3), ("?", 0.05), ("", 0.15)):
        assert abs(found[mark] / 20_000 - share) < 0.01
    assert [note for note in table.notes if "'NA' is read as null in 'n' (" in note]


def test_each_column_has_its_own_marks(folder: Path) -> None:
    table = read(folder, "a,b,c\nNA,1,x\n3,?,y\n4,,?\n")
    assert written(table) == b"a,b,c\nNA,1,x\n3,?,y\n4,,?\n" or written(table) == b"a,b,c\nNA,1,x\n3,,y\n4,?,?\n"
    assert written(table, "jsonl").decode().splitlines()[0] == '{"a":"NA","b":1,"c":"x"}'
    assert table.to_frame()["a"].dtype == "Int64"


def test_without_the_setting_a_mark_is_text(folder: Path) -> None:
    table = read(folder, "a,b\nNA,1\n", options=ReadOptions())
    assert table.columns.column("a").to_pylist() == ["NA"]
    assert table.notes == ()


def test_a_mark_that_is_nowhere_is_told(folder: Path) -> None:
    assert read(folder, "a,b\n1,2\n", options=ReadOptions(null_values=("NA",))).notes == (
        "data.null_values names 'NA', which no column of text holds",
    )


def test_json_numbers_may_have_texts_for_null(folder: Path) -> None:
    text = '{"a":1,"b":"3"}\n{"a":"NA","b":"?"}\n{"a":2.5,"b":"4"}\n'
    table = read(folder, text, "x.jsonl")
    assert [column.type for column in table.schema] == [ColumnType.DECIMAL, ColumnType.INTEGER]
    assert written(table, "jsonl").decode() == text
    assert written(table) == b"a,b\n1,3\nNA,?\n2.5,4\n"


OBJECTS = {
    "floats": [1.5, "NA", 2.0, None],
    "integers": [7, "?", 8, 9],
    "texts": ["7", "NA", "8", "NA"],
    "words": ["yes", "no", "n/a", "no"],
    "nothing": ["NA", "NA", "NA", "NA"],
}


@pytest.mark.parametrize("dtype", [object, "str", "string[python]", pd.ArrowDtype(pa.string())])
@pytest.mark.parametrize("kind", OBJECTS)
def test_frames_give_their_marks_back(kind: str, dtype: Any) -> None:
    values = OBJECTS[kind]
    if dtype is not object and kind in ("floats", "integers"):
        values = [None if value is None else str(value) for value in values]
    frame = pd.DataFrame({"a": pd.Series(values, dtype=dtype), "b": [1, 2, 3, 4]})
    table = from_frame(frame, options=OPTIONS)
    back = table.to_frame()
    if kind == "floats":  # Two kinds of null: which comes where is drawn.
        assert back["a"].dtype == frame["a"].dtype
        assert set(back["a"].dropna()) <= {1.5, 2.0, "1.5", "2.0", "NA"}
    else:
        pd.testing.assert_frame_equal(back, frame)
        assert spell_frame(back, table.schema).to_pydict() == table.columns.to_pydict()
    if kind != "words":
        assert table.schema["a"].type in (ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.NULL)
    parquet = pd.read_parquet(io.BytesIO(written(table, "parquet")))
    assert len(parquet) == 4
    assert json.loads(written(table, "jsonl").splitlines()[0])["b"] == 1


def test_other_marks_make_another_table(folder: Path) -> None:
    first = read(folder, "a,b\nNA,1\n2,3\n")
    second = read(folder, "a,b\n?,1\n2,3\n")
    assert first.columns.to_pydict() == second.columns.to_pydict()
    assert fingerprint(first) != fingerprint(second)
