"""Runs that are broken off and taken up again, through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from rowsmith.interruption import StopRequest
from rowsmith.model import TrainingProgress

pytest.importorskip("torch")

Call = Callable[..., Result]


@pytest.fixture
def run(invoke: Call, table: Path, tiny: list[str], tmp_path: Path) -> Call:
    def call(*args: str | Path, command: str = "run", directory: str = "run") -> Result:
        options = [*tiny, "--set", "training.max_steps=6", "--set", "generation.num_records=40"]
        return invoke(command, table, "--run-dir", tmp_path / directory, *options, *args)

    return call


@pytest.fixture
def broken(run: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a run whose training was stopped."""
    from rowsmith.cli.display.progress import PlainReporter

    def stop(self: PlainReporter, progress: TrainingProgress) -> None:
        if progress.phase.startswith("fold 1") and progress.step == 3:
            asked[0].requested = True

    asked: list[StopRequest] = []
    made = StopRequest.__init__

    def remember(self: StopRequest) -> None:
        made(self)
        asked[:] = [self]

    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "__init__", remember)
        patch.setattr(PlainReporter, "training", stop)
        result = run()
    assert result.exit_code == 130, result.stderr
    assert "Interrupted: training was stopped after step" in result.stderr
    assert "go on with --resume" in result.stderr
    return tmp_path / "run"


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(run: Call, broken: Path, tmp_path: Path) -> None:
    assert run(directory="whole").exit_code == 0
    resumed = run("--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert "training goes on from step" in resumed.stderr
    for name in ("synthetic.csv", "bundle/model/model.safetensors"):
        assert (broken / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (broken / "checkpoints").exists()


def test_unfinished_work_is_neither_overwritten_nor_mixed(run: Call, broken: Path) -> None:
    before = {path: path.read_bytes() for path in broken.rglob("*.safetensors")}
    plain = run()
    assert plain.exit_code == 2
    assert "--resume" in plain.stderr
    assert "--force" in plain.stderr
    other = run("--resume", "--seed", "9", "--set", "model.options.width=64")
    assert other.exit_code == 2
    assert "model.options.width was 32 and is 64" in other.stderr
    assert "seed was 0 and is 9" in other.stderr
    assert {path: path.read_bytes() for path in broken.rglob("*.safetensors")} == before
    assert run("--force").exit_code == 0


def test_another_table_is_told(run: Call, broken: Path, table: Path) -> None:
    table.write_text(table.read_text() + "33,12.00,yes,Ulm\n")
    other = run("--resume")
    assert other.exit_code == 2
    assert "the data are not the same" in other.stderr


def test_a_trained_model_is_taken_up(run: Call, tmp_path: Path) -> None:
    assert run(command="train").exit_code == 0
    model = tmp_path / "run" / "bundle" / "model" / "model.safetensors"
    written = model.stat().st_mtime_ns
    assert "--resume" in run().stderr
    resumed = run("--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert "training has finished already" in resumed.stderr
    assert model.stat().st_mtime_ns == written
    assert json.loads((tmp_path / "run" / "plan.json").read_text())["steps"]["steps"] > 0


def test_nothing_to_resume_is_a_fresh_start(run: Call) -> None:
    result = run("--resume")
    assert result.exit_code == 0, result.stderr
    assert "nothing to resume" in result.stderr


@pytest.mark.parametrize("args", [("--resume", "--force"), ("--resume",)])
def test_what_makes_no_sense_is_refused(invoke: Call, table: Path, args: tuple[str, ...]) -> None:
    where = ("--run-dir", "x") if len(args) == 2 else ()
    result = invoke("run", table, *where, *args)
    assert result.exit_code == 2
    assert args[-1] in result.stderr


def test_a_run_that_is_over_is_left_alone(run: Call, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    assert run("-o", output).exit_code == 0
    written = (tmp_path / "run" / "synthetic.csv").stat().st_mtime_ns
    again = run("-o", output, "--resume", "--json")
    assert again.exit_code == 0, again.stderr
    assert "finished already: 40 rows" in again.stderr
    assert json.loads(again.stdout)["rows"] == 40
    assert (tmp_path / "run" / "synthetic.csv").stat().st_mtime_ns == written
    (tmp_path / "run" / "metrics.json").unlink()
    output.write_text("half a ro")
    assert run("-o", output, "--resume").exit_code == 0
    assert output.read_bytes() == (tmp_path / "run" / "synthetic.csv").read_bytes()


def test_a_folder_in_use_or_not_writable_is_told_before_any_work(run: Call, invoke: Call, table: Path) -> None:
    from rowsmith.storage.run_directory import RunDirectory

    with RunDirectory(table.parent / "run").lock():
        taken = run()
    assert taken.exit_code == 2
    assert "is in use by process" in taken.stderr
    for arguments in (("--run-dir", "/proc"), ("--run-dir", table.parent / "new", "-o", "/proc/out.csv")):
        refused = invoke("run", table, *arguments)
        assert refused.exit_code == 2, refused.stderr
        assert "/proc" in refused.stderr
        assert "reading" not in refused.stderr
    assert not (table.parent / "new").exists()


def test_a_model_that_finds_no_room_is_told_and_the_run_resumed(
    run: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError
    from transformers import PreTrainedModel

    assert run(directory="whole").exit_code == 0

    def full(*_: object, **__: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with monkeypatch.context() as patch:
        patch.setattr(PreTrainedModel, "save_pretrained", full)
        failed = run()
    assert failed.exit_code == 2, failed.stderr
    assert f"Cannot write {tmp_path / 'run' / 'bundle' / 'model'}: No space left on device after" in failed.stderr
    assert "bytes are free" in failed.stderr
    assert run("--resume").exit_code == 0
    for name in ("synthetic.csv", "bundle/model/model.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_damaged_model_is_told(run: Call, invoke: Call, tmp_path: Path) -> None:
    assert run(command="train").exit_code == 0
    bundle = tmp_path / "run" / "bundle"
    for path in [path for path in bundle.rglob("*") if path.is_file()]:
        whole = path.read_bytes()
        middle = len(whole) // 2
        for damaged in (whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], whole[:-1024], b"", None):
            if damaged is None:
                path.unlink()
            else:
                path.write_bytes(damaged)
            refused = invoke("generate", "--run-dir", tmp_path / "run", "-n", "5", "-o", tmp_path / "out.csv")
            assert refused.exit_code == 2, refused.stderr
            # Without bundle.json there is no model to speak of.
            named = path if path.name != "bundle.json" or damaged is not None else bundle.parent
            assert str(named) in refused.stderr
            path.write_bytes(whole)
    assert invoke("generate", "--run-dir", tmp_path / "run", "-n", "5", "-o", tmp_path / "out.csv").exit_code == 0
