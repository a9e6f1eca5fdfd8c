"""The row index, marks of null and columns left out, from the file that is read to those that are written."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result

from rowsmith.config import load_config

pytest.importorskip("torch")


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """What R writes of a table with missing values: row names, and NA."""
    chance = random.Random(4)
    lines = ['"","ozone","month","city","note"']
    for row in range(1, 151):
        ozone = "NA" if chance.random() < 0.2 else "?" if chance.random() < 0.1 else f"{chance.gauss(40, 9):.1f}"
        lines.append(f'"{row}",{ozone},{chance.randint(5, 9)},"{chance.choice(["Rome", "Ulm"])}","n{row}"')
    path = tmp_path / "measured.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


SETTINGS = ["--set", "data.null_values=[NA, '?']", "--set", "data.drop=[note]"]


def test_a_run_writes_the_index_and_the_marks_again(
    measured: Path, tiny: list[str], invoke: Callable[..., Result], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    result = invoke("run", measured, "--run-dir", run, "-n", "60", *tiny, *SETTINGS)
    assert result.exit_code == 0, result.stderr
    told = " ".join(result.stderr.split())
    assert "counts the rows from 1" in told
    assert "'NA' is read as null in 'ozone'" in told
    lines = [line.split(",") for line in (run / "synthetic.csv").read_text().splitlines()]
    assert lines[0] == ["", "ozone", "month", "city"]
    assert [line[0] for line in lines[1:]] == [str(row) for row in range(1, 61)]
    assert all(cell in ("NA", "?") or float(cell) for _, cell, *_ in lines[1:])
    assert {"NA"} <= {line[1] for line in lines}
    columns = json.loads((run / "metrics.json").read_text())["columns"]
    assert [each["name"] for each in columns] == ["ozone", "month", "city"]

    result = invoke("generate", "--run-dir", run, "-n", "20", "-o", tmp_path / "more.parquet", "--quiet")
    assert result.exit_code == 0, result.stderr
    parquet = pd.read_parquet(tmp_path / "more.parquet")
    assert list(parquet.columns) == ["ozone", "month", "city"]
    assert parquet["ozone"].dtype == "float64"

    (run / "synthetic.csv").unlink()
    changed = ["--set", "data.null_values=[NA]", "--set", "data.drop=[note]"]
    refused = invoke("run", measured, "--run-dir", run, "-n", "60", "--resume", *tiny, *changed)
    assert refused.exit_code == 2
    assert "data.null_values" in refused.stderr


def test_groups_are_counted_through(
    measured: Path, tiny: list[str], invoke: Callable[..., Result], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    result = invoke(
        "run", measured, "--run-dir", run, "-g", "3", "--group-by", "month", *tiny, *SETTINGS, "--set", "data.holdout=0"
    )
    assert result.exit_code in (0, 1), result.stderr
    lines = (run / "synthetic.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [str(row) for row in range(1, len(lines))]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["data.drop=[citi]"], "did you mean 'city'"),
        (["data.drop=[city]", "data.group_training_examples_by=city"], "data.group_training_examples_by names it"),
        (["data.drop=[city]", "data.types={city: text}"], "data.types names it"),
        (
            ["data.drop=[city]", "time_series.is_timeseries=true", "time_series.timestamp_column=city"],
            "time_series.timestamp_column names it",
        ),
        (["data.encoding=cp-1252x"], "cp1252"),
        (["data.skip_rows=-1"], "data.skip_rows"),
        (["data.header=no way"], "data.header"),
    ],
)
def test_settings_that_cannot_be(
    settings: list[str], told: str, measured: Path, invoke: Callable[..., Result], tmp_path: Path
) -> None:
    given = [part for setting in settings for part in ("--set", setting)]
    result = invoke("run", measured, "--run-dir", tmp_path / "run", "--dry-run", *given)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


def test_init_finds_the_encoding_the_index_and_the_marks(
    measured: Path, invoke: Callable[..., Result], tmp_path: Path
) -> None:
    path = tmp_path / "new.yaml"
    measured.write_bytes(measured.read_text().replace("Rome", "Orléans").encode("cp1252"))
    assert invoke("init", measured, "-o", path).exit_code == 0
    data = load_config(path).data
    assert (data.encoding, {*data.null_values}, data.drop) == ("cp1252", {"NA", "?"}, ())
    text = path.read_text()
    assert "ozone  decimal" in text
    assert "counts the rows from 1" in text
    assert invoke("validate", path).exit_code == 0


def test_init_finds_where_the_table_begins(invoke: Callable[..., Result], tmp_path: Path) -> None:
    path, config = tmp_path / "report.csv", tmp_path / "new.yaml"
    for preamble, lines in (("Sales\n2024, all shops\n\n", 2), ("Sales\n", 1), ("", 0)):
        path.write_text(preamble + "shop;sold\n" + "a;1\nb;2\n" * 4)
        assert invoke("init", path, "-o", config, "--force").exit_code == 0
        assert load_config(config).data.skip_rows == lines
    path.write_text("shop,sold\n" + "a,1,\nb,2,\n" * 4)
    refused = invoke("init", path, "-o", config, "--force")
    assert refused.exit_code == 2
    assert "every row ends with a delimiter" in " ".join(refused.stderr.split())


def test_init_leaves_marks_among_texts_alone(invoke: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text("word,n\nNA,1\nyes,2\n-,3\n")
    assert "null_values: []" in invoke("init", path, "-o", "-").stdout


def test_a_frame_loses_its_dropped_columns_and_keeps_its_marks() -> None:
    from rowsmith import Synthesizer

    chance = random.Random(1)
    frame = pd.DataFrame(
        {
            "size": pd.Series(
                [chance.choice([1.5, 2.5, 3.5, "NA"]) for _ in range(80)], index=range(5, 85), dtype=object
            ),
            "kind": [chance.choice("ab") for _ in range(80)],
            "odd": [{"a": 1}] * 80,
        },
        index=range(5, 85),
    )
    model = {"name": "scratch", "options": {"width": 32, "layers": 1, "dtype": "float32"}}
    synthesizer = Synthesizer(
        model=model, training={"max_steps": 3}, data={"drop": ["odd"], "null_values": ["NA"], "holdout": 0}
    )
    made = synthesizer.fit(frame).sample(40)
    assert list(made.columns) == ["size", "kind"]
    assert set(made["size"]) <= {1.5, 2.5, 3.5, "NA"}
    assert list(made.index) == list(range(40))
