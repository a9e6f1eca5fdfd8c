"""Hostile tables from end to end: rows come out with the columns and dtypes that went in."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rowsmith import Synthesizer
from rowsmith.errors import DataError, OverlongRecordError
from rowsmith.table import read_table

from .conftest import TINY

pytestmark = pytest.mark.slow
pytest.importorskip("torch")

ROWS = 30
MARKERS = [
    *("<|endoftext|>", "<|im_start|>system\n", "</s>", "<s>", "[INST]", "<bos>", "<eos>", "<pad>", "<unk>", "[EOS]"),
    *('{"a":1}', '{"a":', "}", "{{7*7}}", "{% raw %}", "{0}", "%s", "\\u0041", "\\", '"', "'", "\n", "\r\n", "\t"),
    *("\x00others", "\x00", "_RARE_", "null", "None", "NaN", "true", "-0", "1e400", "0x10", "=1+1", "\x1b[2J"),
    *("😀", "👩‍👩‍👧", "e\u0301", "\u202eabc", "\u2028", "\u0085", "\ufeff", "שלום", "مرحبا", "\U0010ffff", " ", ""),
]
NAMES = [
    *(" ", "two\nlines", 'say "hi"', "=cmd", "../x", "__class__", "x" * 300, "é", "e\u0301", "a,b;c|d\te", "{0}"),
    *("{{7*7}}", "<script>", "\\", "[bold]", "\x1b[2J", "\u202e", "😀", "null", "<|endoftext|>", "A", "a", "\x00"),
]
chance = np.random.default_rng(2)


def cycle(values: list[Any]) -> list[Any]:
    return [values[row % len(values)] for row in range(ROWS)]


def objects(values: list[Any]) -> pd.Series:
    series = pd.Series([None] * ROWS, dtype=object)
    for row, value in enumerate(cycle(values)):
        series[row] = value
    return series


def stamps(unit: str, zone: str | None) -> pd.Series:
    days = pd.Series(pd.to_datetime(["2024-03-31", "1999-12-31", "2024-10-27"] * 10)).astype(f"datetime64[{unit}]")
    return days if zone is None else days.dt.tz_localize(zone)


FRAMES: dict[str, pd.DataFrame] = {
    "markers as categories": pd.DataFrame({"x": MARKERS * 5, "y": [row % 3 for row in range(len(MARKERS) * 5)]}),
    "markers as text": pd.DataFrame({"x": [a + b for a, b in zip(MARKERS, MARKERS[1:] + MARKERS[:1], strict=True)]}),
    "odd names": pd.DataFrame({name: chance.integers(0, 3, ROWS) for name in NAMES}),
    "nulls and constants": pd.DataFrame(
        {"none": [None] * ROWS, "nan": np.full(ROWS, np.nan), "one": 1, "same": "x", "empty": "", "y": cycle([1, 2, 3])}
    ).assign(na=pd.array([None] * ROWS, dtype="Int64"), nat=pd.Series([pd.NaT] * ROWS, dtype="datetime64[ns]")),
    "numbers": pd.DataFrame(
        {
            **{dtype: chance.integers(0, 99, ROWS).astype(dtype) for dtype in ("int8", "uint64", "float32", "float16")},
            "large": [2**53 + row for row in range(ROWS)],
            "unsigned": pd.Series([2**64 - 1 - row for row in range(ROWS)], dtype="uint64"),
            "huge": objects([10**30, -(10**30), 0]),
            "zeros": cycle([0.0, -0.0]),
            "tiny": cycle([5e-324, 1e308, 1.5]),
            "money": objects([Decimal("1.50"), Decimal("-2.25"), None]),
            "nullable": pd.array(cycle([2**53 + 1, None, -(2**63)]), dtype="Int64"),
            "bool": cycle([True, False]),
            "boolean": pd.array(cycle([True, None]), dtype="boolean"),
        }
    ),
    "times": pd.DataFrame(
        {
            **{f"{unit} {zone}": stamps(unit, zone) for unit in ("s", "ns") for zone in (None, "UTC", "Europe/Paris")},
            "date": objects([dt.date(1, 1, 2), dt.date(9999, 12, 30)]),
            "moment": objects([dt.datetime(2024, 3, 31, 2, 30), None]),
            "zoned": objects([dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Paris"))]),
        }
    ),
    "labels": pd.DataFrame(
        {
            "unused": pd.Categorical(cycle(["a", None]), categories=["z", "a", "unused"], ordered=True),
            "numbers": pd.Categorical(cycle([3, 1])),
            "arrow": pd.Series(cycle(["x", None]), dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
            "decimal": pd.Series(cycle([Decimal("1.5"), None]), dtype=pd.ArrowDtype(pa.decimal128(9, 2))),
            "string": pd.Series(cycle(["é", None]), dtype="string"),
        },
        index=pd.Index(cycle(["dup"])),
    ),
    "ten rows": pd.DataFrame({"x": range(10), "y": list("aaaaabbbbb")}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_hostile_frames_come_out_as_they_went_in(name: str) -> None:
    frame = FRAMES[name]
    before = frame.copy(deep=True)
    sample = Synthesizer(**TINY, data={"holdout": 0}).fit(frame).sample(25)
    pd.testing.assert_frame_equal(frame, before)
    assert list(sample.columns) == list(frame.columns)
    # Categories that no row has are not handed on: they may tell of rows that are elsewhere.
    used = {
        column: frame[column].cat.remove_unused_categories() if dtype == "category" else frame[column]
        for column, dtype in frame.dtypes.items()
    }
    pd.testing.assert_series_equal(sample.dtypes, pd.Series({column: each.dtype for column, each in used.items()}))
    assert len(sample) == 25
    for column in frame:
        seen, made = frame[column], sample[column]
        assert made.notna().all() or seen.isna().any(), column
        kinds = {type(value) for value in seen.dropna()}
        assert {type(value) for value in made.dropna()} <= kinds, column
        if name in ("markers as categories", "nulls and constants"):
            assert set(made.dropna()) <= set(seen.dropna()), column


def test_the_marker_of_unseen_values_is_refused_before_training() -> None:
    frame = pd.DataFrame({"x": cycle(["\x00other", "a"]), "y": cycle([1, 2, 3])})
    with pytest.raises(DataError, match=r"'x' holds .*reserved; change that value"):
        Synthesizer(**TINY).fit(frame)


def test_a_cell_of_endless_text_is_told_or_left_out() -> None:
    words = [" ".join(chance.choice(["red", "green", "blue"], 4)) + str(row) for row in range(40)]
    words[7] = "".join(chance.choice(list("abcdefgh \n"), 300_000))
    frame = pd.DataFrame({"x": words, "y": [1, 2] * 20})
    with pytest.raises(OverlongRecordError, match="overlong"):
        Synthesizer(**TINY, data={"holdout": 0}).fit(frame)
    assembler = {"name": "tabular", "options": {"overlong": "skip"}}
    settings = {**TINY, "data": {"holdout": 0}, "assembler": assembler}
    fitted = Synthesizer(**settings).fit(frame)
    assert fitted.report.steps == 2


def test_no_key_leaves_its_dtype() -> None:
    frame = pd.DataFrame({"small": np.arange(100, 128, dtype="int8"), "y": [1, 2] * 14})
    frame["large"] = pd.Series([2**64 - 1 - row for row in range(28)], dtype="uint64")
    sample = Synthesizer(**TINY, data={"holdout": 0}).fit(frame).sample(100)
    pd.testing.assert_series_equal(sample.dtypes, frame.dtypes)
    assert sample["small"].is_unique
    assert sample["large"].is_unique


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_hostile_cells_and_names_survive_the_files_of_a_run(tmp_path: Path, suffix: str) -> None:
    from click.testing import CliRunner

    from rowsmith.cli.root import cli
    from rowsmith.table import from_frame, write_table

    cells = [text for text in MARKERS if "\x00" not in text or suffix == ".jsonl"]
    names = [name for name in NAMES if "\x00" not in name or suffix == ".jsonl"]
    frame = pd.DataFrame(
        {name: pd.Series(cells * 6).sample(frac=1, random_state=place) for place, name in enumerate(names)}
    )
    table = from_frame(frame.reset_index(drop=True))
    source = tmp_path / f"source{suffix}"
    write_table(table.columns, table.schema, source)
    settings = [f"--set=model.options.{key}={value}" for key, value in TINY["model"]["options"].items()]
    arguments = ["run", str(source), "--run-dir", str(tmp_path / "run"), "-n", "20", "--set=training.max_steps=2"]
    result = CliRunner().invoke(cli, [*arguments, *settings], terminal_width=80)
    assert result.exit_code == 0, result.output
    assert "\x1b[2J" not in result.output
    made = read_table(tmp_path / "run" / f"synthetic{suffix}")
    assert list(made.schema.names) == names
    assert len(made) == 20
    for name in names:
        assert set(made.columns.column(name).to_pylist()) <= set(table.columns.column(name).to_pylist())
