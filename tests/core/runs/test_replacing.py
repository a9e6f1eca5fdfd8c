"""What is there is kept until what replaces it is whole, however the new work ends."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rowsmith.errors import RunDirectoryError
from rowsmith.runs.replacing import REPLACED_FOLDER, discard_replaced, recover, restored_on_failure, set_aside
from rowsmith.storage.run_directory import RunDirectory

ROWS = ("synthetic.csv", "metrics.json", "rejected.jsonl", "series.html")
MODEL = ("plan.json", "generations.json", "bundle/bundle.json", "bundle/model/weights", "generation-0123.journal")


class Killed(BaseException):
    """The process is no more."""


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """A run directory with an old result."""
    return filled(RunDirectory(tmp_path / "run"), "old", (*ROWS, *MODEL))


def filled(directory: RunDirectory, what: str, names: tuple[str, ...]) -> RunDirectory:
    for name in names:
        text = json.dumps({"status": "complete", "of": what}) if name.endswith(".json") else what
        directory.create().write_text(name, text)
    return directory


def content(directory: RunDirectory) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory.root)): path.read_bytes()
        for path in sorted(directory.root.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Iterator[None]]:
    """Ends the process before its n-th change of the disk: no later change, of a handler either, takes place."""

    def arrange(after: int) -> Any:
        left = [after]

        def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
            def counted(*args: Any, **kwargs: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
                return call(*args, **kwargs)

            return counted

        patch = monkeypatch.context()
        patched = patch.__enter__()
        for name in ("rename", "replace", "unlink", "mkdir", "rmdir"):
            patched.setattr(os, name, guarded(getattr(os, name)))
        patched.setattr(shutil, "rmtree", guarded(shutil.rmtree))
        return patch

    return arrange  # type: ignore[return-value]


@pytest.mark.parametrize("model", [True, False])
def test_a_killed_process_leaves_the_old_result_or_the_whole_new_one(
    directory: RunDirectory, kill: Any, model: bool
) -> None:
    if not model:
        directory.discard("generation-0123.journal")
    new = RunDirectory(directory.root.parent / "new")
    old, target = content(directory), content(filled(new, "new", (*(MODEL[:-1] if model else ()), *ROWS[:-1])))
    if not model:
        target |= {name: each for name, each in old.items() if name in MODEL}
    backup = directory.root.parent / "backup"
    shutil.copytree(directory.root, backup)
    outcomes, after = set(), 0
    while "whole" not in outcomes:
        shutil.rmtree(directory.root)
        shutil.copytree(backup, directory.root)
        patch = kill(after)
        try:
            set_aside(directory, model=model)
            for name in (*(MODEL[:-1] if model else ()), *ROWS[:-1]):
                directory.write_bytes(name, target[name])
            discard_replaced(directory)
            outcomes.add("whole")
        except Killed:
            pass
        finally:
            patch.__exit__(None, None, None)
        with directory.lock():
            recover(directory)
        found = content(directory)
        kept = {name.removeprefix(f"{REPLACED_FOLDER}/"): each for name, each in found.items() if "replaced" in name}
        moved = old if model else {name: each for name, each in old.items() if name in ROWS}
        assert found in (old, target) or kept == moved, after
        outcomes.add("old" if found == old else "new" if found == target else "both")
        after += 1
    assert outcomes == {"old", "both", "new", "whole"}


def test_new_work_that_fails_at_once_puts_everything_back(directory: RunDirectory) -> None:
    before = content(directory)
    with pytest.raises(ValueError, match="no"), restored_on_failure(directory):
        set_aside(directory, model=True)
        directory.write_text("plan.json", "new")
        raise ValueError("no")
    assert content(directory) == before


def test_new_work_that_can_be_resumed_keeps_the_old_beside_it_and_says_so(directory: RunDirectory) -> None:
    before = content(directory)
    with pytest.raises(ValueError, match="no") as caught, restored_on_failure(directory):
        set_aside(directory, model=True)
        filled(directory, "new", ("plan.json", "checkpoints/state/weights"))
        raise ValueError("no")
    assert str(directory.path(REPLACED_FOLDER)) in caught.value.__notes__[0]
    recover(directory)
    assert directory.exists("checkpoints/state/weights")
    assert content(RunDirectory(directory.path(REPLACED_FOLDER))) == before
    # The old result outlives any number of attempts.
    set_aside(directory, model=True)
    assert not directory.exists("plan.json")
    assert content(RunDirectory(directory.path(REPLACED_FOLDER))) == before
    discard_replaced(directory)
    assert content(directory) == {}


def test_rows_set_aside_join_the_model_they_came_from(directory: RunDirectory) -> None:
    before = content(directory)
    set_aside(directory, model=False)
    filled(directory, "part", ("synthetic.parquet", "metrics.json"))
    set_aside(directory, model=True)
    assert content(RunDirectory(directory.path(REPLACED_FOLDER))) == before


def test_nothing_is_made_where_nothing_is_to_be_kept(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run").create()
    set_aside(directory, model=True)
    recover(directory)
    discard_replaced(directory)
    assert list(directory.root.iterdir()) == []


def test_a_device_or_folder_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    from rowsmith.runs.result_files import beside

    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(RunDirectoryError, match="no file that could be replaced"), beside(path):
            pass
    assert (tmp_path / "pipe").is_fifo()
