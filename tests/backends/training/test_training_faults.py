"""What goes wrong while a model is trained: each fault, and what becomes of the training."""

from __future__ import annotations

import errno
import itertools
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import PreTrainedModel, Trainer
from transformers.trainer_utils import EvalLoopOutput

from rowsmith.errors import TrainingError
from rowsmith.model.checkpoints import Checkpoints
from rowsmith.storage.run_directory import RunDirectory
from rowsmith_backends.training import ema_callback

from ...shared.interrupted_training import Killed, Training
from ...shared.scratch_training import closed_table

pytestmark = pytest.mark.usefixtures("no_disk")


@pytest.fixture
def at_steps(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has something happen to the loss of some calls of the Trainer's step."""
    original = Trainer.training_step

    def install(happens: Callable[[int, torch.Tensor, Any], torch.Tensor]) -> None:
        calls = itertools.count(1)

        def step(self: Trainer, model: Any, inputs: Any, num: Any = None) -> torch.Tensor:
            return happens(next(calls), original(self, model, inputs, num), model)

        monkeypatch.setattr(Trainer, "training_step", step)

    return install


def test_memory_that_runs_out_once_costs_no_example(whole, tmp_path, at_steps):
    def happens(call: int, loss: torch.Tensor, model: Any) -> torch.Tensor:
        if call == 5:
            raise torch.OutOfMemoryError("out of memory")
        return loss

    at_steps(happens)
    training = Training(tmp_path, every=60, max_steps=14)
    report = training.run()
    assert training.notes == ["memory ran out at step 5: batches are now computed in 2 parts"]
    assert (report.steps, report.tokens) == (whole.report.steps, whole.report.tokens)
    assert report.validation_loss == pytest.approx(whole.report.validation_loss, rel=1e-4)


def test_memory_that_never_suffices_is_told(tmp_path, at_steps):
    def happens(call: int, loss: torch.Tensor, model: Any) -> torch.Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    at_steps(happens)
    with pytest.raises(TrainingError, match=r"memory ran out at step 1, even with 1 of 32 examples at a time: .*width"):
        Training(tmp_path, every=60, max_steps=14).run()


@pytest.mark.parametrize("poisoned", ["loss", "weights"])
def test_numbers_that_are_not_finite_are_told_and_never_saved(whole, tmp_path, at_steps, monkeypatch, poisoned):
    def happens(call: int, loss: torch.Tensor, model: Any) -> torch.Tensor:
        if call == 6 and poisoned == "weights":
            with torch.no_grad():
                next(model.parameters()).fill_(float("nan"))
        return loss * float("nan") if call == 6 and poisoned == "loss" else loss

    at_steps(happens)
    training = Training(tmp_path, max_steps=14)
    with pytest.raises(TrainingError, match=r"at step 6: lower model.options.learning_rate"):
        training.run()
    for file in tmp_path.rglob("*.safetensors"):
        assert all(bool(torch.isfinite(tensor).all()) for tensor in load_file(file).values())
    monkeypatch.undo()
    training.run()
    assert "training goes on from step 5" in training.notes
    assert training.weights == whole.weights


def test_a_clock_that_jumps_changes_no_weight(whole, tmp_path, monkeypatch):
    back = itertools.count(0, -1000)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(back)))
    training = Training(tmp_path, every=60, max_steps=14)
    report = training.run()
    assert training.weights == whole.weights
    assert report.seconds >= 0


@pytest.mark.parametrize(
    ("measured", "stalls_at", "stall"),
    [(0.1, 1, 8), (0.1, 1, 12), (15.0, 1, 12), (0.1, 5, 8), (9.0, None, 0), (0.001, None, 0)],
)
def test_a_machine_that_stands_still_once_takes_that_time_and_no_more(
    measured, stalls_at, stall, tmp_path, monkeypatch, at_steps
):
    """Steps of 0.1 s in 20 s; before, a step is measured to take longer or less, or one takes far longer."""
    clock, measuring = [time.monotonic()], itertools.count(0, measured)

    def happens(call: int, loss: torch.Tensor, model: Any) -> torch.Tensor:
        clock[0] += stall if call == stalls_at else 0.1
        return loss

    at_steps(happens)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(measuring)))
    # The held-out loss falls for ever, so that nothing but time ends the training.
    falling = (1 / number for number in itertools.count(1))
    evaluated = lambda *args, **kwargs: EvalLoopOutput(None, None, {"eval_loss": next(falling)}, 1)  # noqa: E731
    monkeypatch.setattr(Trainer, "evaluation_loop", evaluated)
    report = Training(tmp_path, every=600, table=closed_table, max_time=20).run()
    left = 20 - stall
    assert 0.85 * left / 0.1 < report.steps <= left / 0.1 + 1


@pytest.mark.parametrize(("slow", "too_many"), [(range(150, 1_000), 1), (range(185, 186), 15)])
def test_a_machine_that_slows_down_late_leaves_the_weights_of_the_last_step(
    slow, too_many, tmp_path, monkeypatch, at_steps
):
    """Steps of 0.1 s in 20 s; in the end all take 0.3 s, or one takes 8 s."""
    clock, measuring = [time.monotonic()], itertools.count(0, 0.1)

    def happens(call: int, loss: torch.Tensor, model: Any) -> torch.Tensor:
        clock[0] += 0.1 if call not in slow else 8 if len(slow) == 1 else 0.3
        return loss

    at_steps(happens)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(measuring)))
    report = Training(tmp_path, every=600, table=closed_table, max_time=20).run()
    assert report.best_step == report.steps
    assert report.total_steps - report.steps <= too_many
    assert "time" in report.stop_reason


def test_a_full_disk_does_not_end_a_training(whole, tmp_path, monkeypatch):
    save, calls = ema_callback.save_file, itertools.count()

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        if next(calls) in (3, 4):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        save(tensors, path)

    monkeypatch.setattr(ema_callback, "save_file", full)
    training = Training(tmp_path, max_steps=14)
    with pytest.raises(Killed):
        training.run(kill=("", 6))
    assert "00000004: No space left on device after " in training.notes[0]
    assert "bytes are free" in training.notes[0]
    assert [path.name for path in training.states] == ["00000003"]
    training.run()
    assert training.notes[-1] == "training goes on from step 3"
    assert training.weights == whole.weights


def test_a_full_disk_is_told_once_and_keeps_no_more_than_one_state(whole, tmp_path, monkeypatch):
    save, calls = ema_callback.save_file, itertools.count()

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        if next(calls) in (3, 4, 5):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        save(tensors, path)

    monkeypatch.setattr(ema_callback, "save_file", full)
    training = Training(tmp_path, max_steps=14)
    with pytest.raises(Killed):
        training.run(kill=("", 10))
    assert [note.partition(".")[0] for note in training.notes] == [
        "the state of the training could not be saved",
        "states of the training are saved again",
    ]
    assert len(training.states) == 1
    training.run()
    assert training.weights == whole.weights


@pytest.mark.parametrize("room_beside", [0, 1])
def test_states_give_way_to_the_finished_model_oldest_first_until_there_is_room(
    room_beside, whole, tmp_path, monkeypatch
):
    save, training = PreTrainedModel.save_pretrained, Training(tmp_path, max_steps=14)

    def full(self: PreTrainedModel, folder: Path, *args: Any, **kwargs: Any) -> None:
        if Path(folder).name == "model" and len(training.states) > room_beside:
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        left.append([path.name for path in training.states])
        save(self, folder, *args, **kwargs)

    left: list[list[str]] = []
    monkeypatch.setattr(PreTrainedModel, "save_pretrained", full)
    training.run()
    told = "the disk is full: a saved state of the training is removed to make room for the model"
    assert training.notes == [told] * (2 - room_beside)
    assert left[-1] == ["00000013"][:room_beside]
    assert training.weights == whole.weights


def test_a_state_that_cannot_even_be_begun_does_not_end_a_training(whole, tmp_path, at_steps):
    def happens(call: int, loss: torch.Tensor, model: Any) -> torch.Tensor:
        if call == 6:
            (tmp_path / "checkpoints").rename(tmp_path / "aside")
            (tmp_path / "checkpoints").write_text("a file, in which no folder can be made, not even by root")
        return loss

    at_steps(happens)
    training = Training(tmp_path, max_steps=14)
    training.run()
    assert "could not be saved. Training goes on, and tries again. Cannot create" in training.notes[0]
    assert training.weights == whole.weights


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1024]),
    "emptied": lambda path: path.write_bytes(b""),
    "removed": Path.unlink,
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Training:
    training = Training(tmp_path_factory.mktemp("stopped"), max_steps=14)
    with pytest.raises(Killed):
        training.run(kill=("", 6))
    return training


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_is_told_and_the_one_before_it_taken(stopped, tmp_path, damage):
    files = [path.relative_to(stopped.states[-1]) for path in stopped.states[-1].rglob("*") if path.is_file()]
    assert len(files) >= 8
    for place, file in enumerate(files):
        root = tmp_path / str(place)
        shutil.copytree(stopped.root, root)
        newest = sorted((root / "checkpoints").iterdir())[-1]
        DAMAGES[damage](newest / file)
        notes: list[str] = []
        found = Checkpoints(RunDirectory(root), resume=True, note=notes.append).latest()
        assert found is not None
        assert found.state["step"] == 4
        assert str(newest / (file if file.name != "manifest.json" else "")) in notes[0]
        assert not newest.exists()


def test_a_training_whose_states_are_all_damaged_starts_afresh(stopped, whole, tmp_path):
    broken = Training(tmp_path / "run", max_steps=14)
    shutil.copytree(stopped.root, broken.root)
    for state in broken.states:
        flip(next(state.rglob("optimizer.pt")))
    broken.run()
    assert len(broken.notes) == 2
    assert all("optimizer.pt is not the one that was saved" in note for note in broken.notes)
    assert broken.weights == whole.weights
