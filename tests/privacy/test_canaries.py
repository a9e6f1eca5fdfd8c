"""What only one row has, or only one group, is nowhere: in no file, no line and no row; also after a kill."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from ..shared.warm_interpreter import Command
from .canaries import grouped, plain, searched, series, sightings

pytest.importorskip("torch")
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")

TABLES: dict[str, tuple[Callable[[], pd.DataFrame], list[str]]] = {
    "plain": (plain, []),
    "grouped": (
        grouped,
        ["data.group_training_examples_by=who", "data.order_training_examples_by=day"],
    ),
    "series": (
        series,
        [
            "time_series.is_timeseries=true",
            "time_series.timestamp_column=time",
            "data.group_training_examples_by=patient",
        ],
    ),
}
TINY = [
    "model.options.width=32",
    "model.options.layers=1",
    "model.options.dtype=float32",
    "model.options.batch_size=32",
]


def options(kind: str, steps: int) -> list[str]:
    return [f"--set={each}" for each in (*TABLES[kind][1], *TINY, f"training.max_steps={steps}")]


def flags(columns: pd.DataFrame) -> list[str]:
    """The columns that only one row or group says yes in, and that say so anywhere."""
    names = [name for name in ("agreed", "blocked", "flag", "alarm") if name in columns]
    return [name for name in names if columns[name].astype(str).str.lower().eq("true").any()]


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(TABLES))
def test_what_one_row_or_group_has_is_in_no_file_line_or_row(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rowsmith.cli.root import cli

    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    frame = TABLES[kind][0]()
    frame.to_csv(tmp_path / "table.csv", index=False)
    # Series are written whole, so that they are asked for by their number.
    amount = ["--groups", "20"] if kind == "series" else ["-n", "300"]
    run = ["run", str(tmp_path / "table.csv"), "--run-dir", str(tmp_path / "run"), *amount, "-v"]
    result = CliRunner().invoke(cli, [*run, *options(kind, 4)])
    assert result.exit_code == 0, result.output
    places = {"what is printed": result.output}
    places |= dict(searched(tmp_path / "run")) | dict(searched(tmp_path / "temporary"))
    assert {"bundle.json", "metrics.json", "synthetic.csv", "tokenizer.json"} <= set(places)
    assert sightings(places, frame) == []
    made = pd.read_csv(tmp_path / "run" / "synthetic.csv", dtype=str, keep_default_na=False)
    assert len(made) >= 300
    assert flags(made) == []


@posix
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["grouped"])
def test_nothing_of_them_is_left_by_a_run_that_is_killed(kind: str, tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    frame = TABLES[kind][0]()
    frame.to_csv(tmp_path / "table.csv", index=False)
    arguments = ["run", str(tmp_path / "table.csv"), "-v", "-n", "300", "--run-dir", str(tmp_path / "run")]
    arguments += [*options(kind, 100_000), "--set=training.checkpoint_every=1"]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    with open(tmp_path / "told", "wb") as told:
        process = Command(arguments, stdout=told, stderr=told, env=environment)
        waited = time.monotonic() + 120
        while not list((tmp_path / "run").rglob("*.pt")) and time.monotonic() < waited and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
    places = {"what is printed": (tmp_path / "told").read_text(encoding="utf-8", errors="replace")}
    left = dict(searched(tmp_path / "run"))
    assert any(name.endswith(".pt") for name in left), places
    assert sightings(places | left | dict(searched(tmp_path / "temporary")), frame) == []
