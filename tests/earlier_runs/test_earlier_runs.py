"""Runs that an earlier version of the code began: their models are loaded, and the runs resumed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import rowsmith
from rowsmith import Synthesizer

pytest.importorskip("torch")

RUNS = Path(__file__).parent / "runs_of_0_1_0"
CALL = ("run", "-c", "config.yaml", "--run-dir", "run")
GENERATED = ("plain", "grouped", "time-series")
ROWS = {"plain": 40, "plain-in-training": 40, "grouped": None, "time-series": 48}

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """The command line, called in this process: its exit code, stdout and stderr."""
    from rowsmith.cli import main

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rowsmith", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return call


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Copies a case and goes to its folder, as its configuration names the table beside it."""
    import torch

    torch.set_num_threads(1)

    def copy(name: str) -> Path:
        folder = shutil.copytree(RUNS / name, tmp_path / name)
        monkeypatch.chdir(folder)
        return folder

    return copy


@pytest.fixture
def begun(copied: Callable[[str], Path], command: Call) -> Callable[[str], Path]:
    """A copy of a case that says it was begun with the libraries that are installed here.

    A run is resumed with the very libraries that it was begun with; here it is not they that are tried.
    """

    def copy(name: str) -> Path:
        folder = copied(name)
        path = folder / "run" / "plan.json"
        plan = json.loads(path.read_text(encoding="utf-8"))
        assert plan["rowsmith"] == rowsmith.__version__, "a run is resumed by its version alone: make the cases again"
        code, told, problems = command(*CALL[:-1], "another", "--dry-run", "--json")
        assert code == 0, problems
        today = json.loads(told)
        # Today's plans may list more components than those of then.
        plugins = {place: today["plugins"][place] for place in plan["plugins"]}
        assert {place: used["component"] for place, used in plugins.items()} == {
            place: used["component"] for place, used in plan["plugins"].items()
        }
        begun = {**plan, "libraries": today["libraries"], "plugins": plugins}
        path.write_text(json.dumps(begun), encoding="utf-8")
        return folder

    return copy


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What a journal held each time that it was put on the disk."""
    contents: list[bytes] = []
    sync = os.fsync

    def read(file: Any) -> None:
        sync(file)
        path = Path(f"/proc/self/fd/{file}").resolve()
        if path.suffix == ".journal":
            contents.append(path.read_bytes())

    monkeypatch.setattr(os, "fsync", read)
    return contents


def check_rows(name: str, rows: pd.DataFrame, table: pd.DataFrame) -> None:
    """Rows are those of the case's table: its columns, its labels, its patterns and its order."""
    assert [*rows.columns] == [*table.columns]
    if name == "plain":
        assert rows["id"].str.fullmatch(r"C-\d+").all()
        assert rows["id"].is_unique
        assert not {*rows["id"]} & {*table["id"]}
        assert {*rows["city"]} <= {*table["city"]}
        assert rows["age"].between(table["age"].min(), table["age"].max()).all()
        assert pd.to_datetime(rows["joined"]).dt.year.between(2017, 2023).all()
    elif name == "plain-in-training":
        assert {*rows["shop"]} <= {*table["shop"]}
        assert rows["amount"].between(table["amount"].min(), table["amount"].max()).all()
    elif name == "grouped":
        assert not {*rows["customer"]} & {*table["customer"]}
        assert (rows.groupby("customer")["shop"].nunique() == 1).all()
        assert rows.groupby("customer")["day"].is_monotonic_increasing.all()
    else:
        assert rows["sensor"].nunique() == 3
        steps = pd.to_datetime(rows["at"]).groupby(rows["sensor"]).diff().dropna()
        assert (steps == pd.Timedelta(hours=1)).all()
        assert {*rows["state"]} <= {"on", "off"}


@pytest.mark.parametrize("name", GENERATED)
def test_a_model_of_an_earlier_version_makes_rows(name: str, copied: Callable[[str], Path]) -> None:
    folder = copied(name)
    synthesizer = Synthesizer.load("run")
    rows = synthesizer.sample(30, seed=2) if name == "plain" else synthesizer.sample(groups=3, seed=2)
    check_rows(name, rows, pd.read_csv(folder / "table.csv"))


@pytest.mark.skipif(sys.platform != "linux", reason="looks at open files as Linux shows them")
@pytest.mark.parametrize("name", GENERATED)
def test_a_generation_that_an_earlier_version_began_is_resumed(
    name: str, begun: Callable[[str], Path], command: Call, synced: list[bytes]
) -> None:
    folder = begun(name)
    (journal,) = (folder / "run").glob("*.journal")
    kept, model = journal.read_bytes(), (folder / "run/bundle/bundle.json").read_bytes()
    code, _, told = command(*CALL, "--resume")
    assert code == 0, told
    assert "training has finished already" in told
    assert len(synced) > 0
    assert all(len(content) > len(kept) and content.startswith(kept) for content in synced), "batches follow those kept"
    assert not journal.exists()
    assert (folder / "run/bundle/bundle.json").read_bytes() == model
    rows = pd.read_csv(folder / "run/synthetic.csv")
    assert ROWS[name] in (None, len(rows))
    check_rows(name, rows, pd.read_csv(folder / "table.csv"))


def test_a_training_that_an_earlier_version_began_is_resumed(begun: Callable[[str], Path], command: Call) -> None:
    folder = begun("plain-in-training")
    assert not (folder / "run/bundle/bundle.json").exists()
    code, _, told = command(*CALL, "--resume")
    assert code == 0, told
    assert "step 1 of fold 3 of 4" in told, "it goes on from the saved state"
    assert "fold 2 of 4" not in told, "folds that are done are not done again"
    assert not (folder / "run/checkpoints").exists()
    rows = pd.read_csv(folder / "run/synthetic.csv")
    assert len(rows) == 40
    check_rows("plain-in-training", rows, pd.read_csv(folder / "table.csv"))
