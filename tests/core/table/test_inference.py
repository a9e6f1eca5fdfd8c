"""Types found, types wanted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rowsmith.errors import DataError
from rowsmith.table import Table, from_frame, read_table
from rowsmith.table.schema import ColumnType, Role

T = ColumnType


def read(folder: Path, lines: list[str], **types: str) -> Table:
    (folder / "x.csv").write_text("a,b\n" + "".join(f"{line},1\n" for line in lines), newline="")
    return read_table(folder / "x.csv", types=types)


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["true", "false"], T.BOOLEAN),
        (["True", "", "False"], T.BOOLEAN),
        (["TRUE"], T.BOOLEAN),
        (["True", "false"], T.CATEGORICAL),
        (["0", "1"], T.INTEGER),
        (["-12", "0", "9223372036854775807"], T.INTEGER),
        (["9223372036854775808"], T.CATEGORICAL),
        (["01", "2"], T.CATEGORICAL),
        (["1.0", "2.0"], T.DECIMAL),
        (["1", "2.5"], T.DECIMAL),
        (["1.50", "2.5"], T.CATEGORICAL),
        (["1.5", "x"], T.CATEGORICAL),
        ([".5"], T.CATEGORICAL),
        (["2020-01-01"], T.DATETIME),
        (["", ""], T.NULL),
    ],
)
def test_types_found(tmp_path: Path, values: list[str], type_: ColumnType) -> None:
    assert read(tmp_path, values).schema["a"].type is type_


@pytest.mark.parametrize(
    ("values", "wanted", "type_"),
    [
        (["0", "1"], "boolean", T.BOOLEAN),
        (["yes", "no"], "boolean", T.BOOLEAN),
        (["1", "2"], "categorical", T.CATEGORICAL),
        (["1", "2"], "text", T.TEXT),
        (["1", "2"], "decimal", T.DECIMAL),
        (["20200131"], "datetime", T.DATETIME),
        (["", ""], "integer", T.NULL),
        (["", ""], "text", T.TEXT),
    ],
)
def test_types_wanted(tmp_path: Path, values: list[str], wanted: str, type_: ColumnType) -> None:
    table = read(tmp_path, values, a=wanted)
    assert table.schema["a"].type is type_
    assert table.schema["a"].role is Role.VALUE
    assert table.columns.column("a").to_pylist() == [value or None for value in values]


@pytest.mark.parametrize(
    ("values", "wanted", "words"),
    [
        (["1", "", "x", "y"], "integer", ["row 3", "'x'"]),
        (["1", "007"], "integer", ["row 2", "'007'"]),
        (["1.5", "2.50"], "decimal", ["row 2", "'2.50'"]),
        (["2020-01-01", "2020-13-01"], "datetime", ["row 2", "'2020-13-01'"]),
        (["x"], "datetime", ["row 1", "'x'"]),
        (["yes", "no", "maybe"], "boolean", ["row 3", "'maybe'"]),
        (["1"], "null", ["row 1", "'1'"]),
        (["1", "1", "2"], "constant", ["row 3"]),
        (["1"], "integr", ["'integr'", "did you mean 'integer'"]),
    ],
)
def test_values_that_do_not_fit_are_named(tmp_path: Path, values: list[str], wanted: str, words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, values, a=wanted)
    for word in ["'a'", *words]:
        assert word in str(caught.value)


def test_an_unknown_column_is_met_with_a_guess(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^data\.types names .*'agee'.*did you mean 'age'"):
        from_frame(pd.DataFrame({"age": [1]}), types={"agee": "integer"})


def test_roles_come_from_the_user_alone(tmp_path: Path) -> None:
    schema = read(tmp_path, ["1", "2"], a="key", b="constant").schema
    assert [(column.type, column.role) for column in schema] == [(T.INTEGER, Role.KEY), (T.INTEGER, Role.CONSTANT)]
    assert read(tmp_path, ["1", "2"]).schema["b"].role is Role.VALUE


def many(counts: dict[str, int], singles: int) -> ColumnType:
    values = [value for value, count in counts.items() for _ in range(count)] + [f"only {i}" for i in range(singles)]
    return from_frame(pd.DataFrame({"x": values})).schema["x"].type


@pytest.mark.parametrize(
    ("counts", "singles", "type_"),
    [
        ({}, 30, T.CATEGORICAL),
        ({}, 31, T.TEXT),
        ({f"twice {i}": 2 for i in range(40)}, 5, T.TEXT),
        ({"often": 90, **{f"twice {i}": 2 for i in range(40)}}, 5, T.CATEGORICAL),
        ({f"twice {i}": 2 for i in range(40)}, 20, T.TEXT),
        ({f"four {i}": 4 for i in range(200)}, 0, T.TEXT),
        ({f"five {i}": 5 for i in range(200)}, 0, T.CATEGORICAL),
        ({f"nine {i}": 9 for i in range(600)}, 0, T.TEXT),
        ({f"ten {i}": 10 for i in range(600)}, 0, T.CATEGORICAL),
    ],
)
def test_labels_repeat_and_text_does_not(counts: dict[str, int], singles: int, type_: ColumnType) -> None:
    assert many(counts, singles) is type_


def test_nulls_do_not_count_as_values() -> None:
    frame = pd.DataFrame({"x": [None, *[f"v{i % 40}" for i in range(400)]]})
    column = from_frame(frame).schema["x"]
    assert column.type is T.CATEGORICAL
    assert column.nullable


def test_a_table_of_numbers_is_read_at_speed() -> None:
    values = np.random.default_rng(0).normal(size=200_000)
    frame = pd.DataFrame({"x": values, "y": np.round(values, 2), "z": np.arange(200_000)})
    schema = from_frame(frame).schema
    assert [(column.type, column.scale) for column in schema] == [
        (T.DECIMAL, None),
        (T.DECIMAL, 2),
        (T.INTEGER, None),
    ]
