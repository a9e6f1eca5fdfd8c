"""Numbers and dates with a few texts among them are recognised; labels, codes and text are not taken for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rowsmith.cli.commands.starting_config import starting_config
from rowsmith.errors import DataError
from rowsmith.runs.comparison.summary import summarize
from rowsmith.table import Table, from_frame, read_table
from rowsmith.table.read_options import ReadOptions
from rowsmith.table.schema import ColumnType

T = ColumnType
RNG = np.random.default_rng(0)
DECIMALS = [f"{number:.2f}" for number in RNG.gamma(3, 30, 600)]
INTEGERS = [str(number) for number in RNG.integers(0, 400, 600)]
DAYS = [str(day)[:10] for day in np.datetime64("2020-01-01") + RNG.integers(0, 900, 600)]


def read(folder: Path, values: list[str], **types: str) -> Table:
    (folder / "x.csv").write_text("a,b\n" + "".join(f'"{value}",1\n' for value in values), newline="")
    return read_table(folder / "x.csv", types=types)


def with_texts(values: list[str], counts: dict[str, int]) -> list[str]:
    """The values with some texts in the place of others, at the end."""
    texts = [text for text, count in counts.items() for _ in range(count)]
    return values[: len(values) - len(texts)] + texts


@pytest.mark.parametrize(
    ("values", "type_", "marks"),
    [
        (with_texts(DECIMALS, {"NA": 60}), T.DECIMAL, ("NA",)),
        (with_texts(INTEGERS, {"?": 40, "n/a": 12, "<5": 80}), T.INTEGER, ("<5", "?", "n/a")),
        (with_texts(INTEGERS, {"NA": 1, "closed": 2}), T.INTEGER, ("NA",)),
        (with_texts(DECIMALS, {"12..5": 1}), T.DECIMAL, ()),
        (with_texts(DECIMALS, {"1,234.50": 1, "5": 3}), T.DECIMAL, ()),
        (with_texts(DAYS, {"never": 30, "2020-02-30": 1}), T.DATETIME, ("never",)),
        ([*INTEGERS[:20], "-", "NA"], T.INTEGER, ("-", "NA")),
        (["1", "2", "3", "NA"] * 50, T.INTEGER, ("NA",)),
        ([*DECIMALS[:50], *["NA"] * 550], T.DECIMAL, ("NA",)),
    ],
)
def test_numbers_and_dates_with_marks_are_found(
    tmp_path: Path, values: list[str], type_: ColumnType, marks: tuple[str, ...]
) -> None:
    column = read(tmp_path, values).schema["a"]
    assert column.marked is not None
    assert (column.marked.type, column.marked.marks) == (type_, marks)
    assert column.type in (T.TEXT, T.CATEGORICAL)


@pytest.mark.parametrize(
    "values",
    [
        ["0", "1", "2", "3+"] * 100,
        ["0", "1", "2", "3+", "NA"] * 100,
        ["NA"] * 90 + ["1", "2"],
        ["TRUE", "FALSE", "NA"] * 50,
        with_texts([value.zfill(3) for value in INTEGERS], {"A12": 20}),
        with_texts(INTEGERS, {f"{place}A": 1 for place in range(60)}),
        with_texts(INTEGERS, {f"V{place}": 6 for place in range(40)}),
        with_texts(INTEGERS, {"text": 301}),
        [f"word {place}" for place in range(100)],
        ["1", "2", "x"],
    ],
)
def test_labels_codes_and_text_are_not_numbers(tmp_path: Path, values: list[str]) -> None:
    assert read(tmp_path, values).schema["a"].marked is None


def test_an_unfit_cell_is_told_with_row_and_column(tmp_path: Path) -> None:
    values = list(DECIMALS)
    values[411] = "12..5"
    (note,) = read(tmp_path, values).notes
    assert "column 'a', row 412: a text of 5 characters is not a number like the others" in note
    assert "1 of 600 rows, 0.17%" in note
    assert read(tmp_path, with_texts(DECIMALS, {"NA": 60})).notes == ()


def test_many_unfit_cells_are_counted(tmp_path: Path) -> None:
    (note,) = read(tmp_path, with_texts(DECIMALS, {"1..1": 1, "2..2": 1, "3..3": 1, "5": 2})).notes
    assert "row 596: a text of 4 characters" in note
    assert "; and 2 more (5 of 600 rows" in note


def test_the_users_word_wins(tmp_path: Path) -> None:
    values = with_texts(DECIMALS, {"12..5": 1})
    with pytest.raises(DataError, match=r"row 600 holds '12\.\.5'"):
        read(tmp_path, values, a="decimal")
    assert read(tmp_path, values, a="text").schema["a"].marked is None


def test_texts_of_a_frame_are_numbers_where_a_mark_says_so() -> None:
    marked = from_frame(pd.DataFrame({"a": with_texts(INTEGERS, {"?": 40})})).schema["a"].marked
    assert marked is not None
    assert marked.marks == ("?",)
    assert from_frame(pd.DataFrame({"a": INTEGERS})).schema["a"].marked is None
    assert from_frame(pd.DataFrame({"a": with_texts(INTEGERS, {"oops": 1})})).schema["a"].marked is None


def test_marks_come_back_as_the_text_they_were(tmp_path: Path) -> None:
    table = read(tmp_path, with_texts(INTEGERS, {"?": 40}))
    assert table.to_frame()["a"].tolist() == with_texts(INTEGERS, {"?": 40})


def test_the_starting_configuration_shows_marks_and_unfit_cells(tmp_path: Path) -> None:
    text = starting_config("x.csv", read(tmp_path, with_texts(INTEGERS, {"?": 60, "1x": 1})), ReadOptions())
    assert "integer" in text
    assert "; marks: '?' 10.0%" in text
    assert "# column 'a', row 600: a text of 2 characters" in text


def test_numbers_with_marks_are_compared_as_numbers(tmp_path: Path) -> None:
    real = read(tmp_path, with_texts(INTEGERS, {"?": 60}))
    (same, _) = summarize(real.columns, real.columns, real.schema)
    assert (same.type, same.measure, same.distance) == (T.INTEGER, "KS", 0)
    inner = np.sort([int(value) for value in INTEGERS[:540]])
    assert same.real.mean == pytest.approx(inner.clip(inner[4], inner[-5]).mean())
    other = read(tmp_path, with_texts(INTEGERS, {"?": 300}))
    (found, _) = summarize(real.columns, other.columns, real.schema)
    assert found.distance == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("huge", ["1e+300", "-1.7976931348623157e+308"])
def test_a_huge_number_is_a_number(tmp_path: Path, huge: str) -> None:
    column = read(tmp_path, ["1.5", "2.25", "3.125", huge]).schema["a"]
    assert (column.type, column.max_scale) == (T.DECIMAL, 3)
    numbers = [float(value) for value in DECIMALS] + [float(huge)] * 9
    table = from_frame(pd.DataFrame({"a": numbers}))
    assert table.schema["a"].type is T.DECIMAL
    (compared,) = summarize(table.columns, table.columns, table.schema)
    assert compared.real.mean == pytest.approx(float(huge) / 609 * 9)


def test_a_number_of_another_style_is_never_rounded(tmp_path: Path) -> None:
    table = read(tmp_path, [*(str(number % 211) for number in range(600)), *[".12982"] * 40])
    column = table.schema["a"]
    assert column.marked is not None and column.marked.type is ColumnType.DECIMAL
    assert "is read in the style of the others" in table.notes[0]


def test_labels_that_are_numbers_of_several_styles_stay_as_they_are_written(tmp_path: Path) -> None:
    table = read(tmp_path, [*["0"] * 400, *["1"] * 150, *[".12982"] * 40])
    column = table.schema["a"]
    assert column.type is ColumnType.CATEGORICAL and column.marked is None
    assert table.notes == ()
