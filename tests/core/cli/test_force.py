"""``--force`` through the command line: what is there goes when its successor is whole, and not before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

pytest.importorskip("torch")

Invoke = Callable[..., Result]


@pytest.fixture
def done(invoke: Invoke, table: Path, tiny: list[str], tmp_path: Path) -> Path:
    """The directory of a finished run."""
    made = invoke("run", table, "--run-dir", tmp_path / "run", "-n", "20", *tiny)
    assert made.exit_code == 0, made.stderr
    return tmp_path / "run"


def content(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    # Generations are counted, also those that fail.
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.name != "generations.json"}


def test_nothing_is_lost_to_work_that_cannot_begin(
    done: Path, invoke: Invoke, table: Path, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(done)
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2,3\n" + "1,2\n" * 30)
    few = tmp_path / "few.csv"
    few.write_text("a,b\n1,2\n")
    remote = ("--set", "backend=remote", "--set")
    generate = ("generate", "--run-dir", done, "-n", "5", "--force")
    fresh = ("--run-dir", done, "--force", *tiny)
    for call in (
        ("run", bad, *fresh),
        ("run", few, *fresh),
        ("train", bad, *fresh),
        ("run", table, *fresh, "--set", "training.learning_rate=-1"),
        ("run", table, *fresh, "-o", tmp_path / "no" / "x.csv"),
        (*generate, *remote, "backend.options.url=http://user:X@h/v1"),
        (*generate, *remote, "backend.options.url=http://127.0.0.1:9/v1", "--set", "backend.options.retries=0"),
    ):
        failed = invoke(*call)
        assert failed.exit_code not in (0, 1), failed.stderr
        assert content(done) == before, call

    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("rowsmith.runs.stages.learning.fit_transforms", fail)
        assert invoke("run", table, *fresh).exit_code == 4
    assert content(done) == before

    def stop(run: Any, *_: Any) -> None:
        run.directory.write_text("checkpoints/00000001/x", "y")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("rowsmith.runs.stages.learn", stop)
        for _ in range(2):
            stopped = invoke("run", table, *fresh)
            assert stopped.exit_code == 130
            assert f"What was there before is in {done / 'replaced'}" in stopped.stderr
            assert content(done / "replaced") == before
    refused = invoke("generate", "--run-dir", done, "-n", "5")
    assert refused.exit_code == 2
    assert f"was there before is in {done / 'replaced'}" in refused.stderr
    assert invoke("run", table, "--run-dir", done, "--force", "-n", "7", *tiny).exit_code == 0
    assert len((done / "synthetic.csv").read_text().splitlines()) == 8
    assert set(content(done)) == set(before)
    assert invoke(*generate).exit_code == 0
    assert len((done / "synthetic.csv").read_text().splitlines()) == 6
    # What was found of other rows goes with them.
    assert set(content(done)) == set(before) - {"evaluation.json", "report.html"}


def test_a_configuration_is_replaced_whole_or_not_at_all(
    invoke: Invoke, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("mine: yes\n")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        failed = invoke("init", table, "-o", path, "--force")
    assert failed.exit_code == 2
    assert "No space left" in failed.stderr
    assert path.read_text() == "mine: yes\n"
