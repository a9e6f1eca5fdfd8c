"""Saved states of a training whose pickles name more than numbers are passed over, and nothing of them runs."""

from __future__ import annotations

import json
import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowsmith.model.checkpoints import CHECKPOINT_FOLDER, Checkpoints, hashes
from rowsmith.model.tensor_files import holds_tensors_alone
from rowsmith.storage.run_directory import RunDirectory

torch = pytest.importorskip("torch")


class Bomb:
    """A pickle that writes a file as it is loaded."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.canary}",))


@pytest.mark.parametrize("raw", [True, False])
def test_a_state_with_a_hostile_pickle_gives_way_to_the_one_before(
    tmp_path: Path, canary: Callable[[], bool], raw: bool
) -> None:
    notes: list[str] = []
    states = Checkpoints(RunDirectory(tmp_path / "run"), resume=True, note=notes.append)
    for number in (1, 2):
        with states.writing({"number": number}) as folder:
            torch.save({"cpu": torch.get_rng_state()}, folder / "rng_state.pth")
    newest = tmp_path / "run" / CHECKPOINT_FOLDER / "00000002"
    bomb = Bomb(tmp_path / "canary")
    if raw:
        (newest / "rng_state.pth").write_bytes(pickle.dumps(bomb))
    else:
        torch.save({"cpu": bomb}, newest / "rng_state.pth")
    (newest / "manifest.json").unlink()
    (newest / "manifest.json").write_text(json.dumps(hashes(newest)))
    found = states.latest()
    assert found is not None
    assert found.state == {"number": 1}
    assert any("holds more than numbers" in note for note in notes)
    assert not canary()


def test_what_a_training_saves_is_numbers_alone(tmp_path: Path) -> None:
    layer = torch.nn.Linear(3, 3)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    random_states = {"python": random.getstate(), "numpy": np.random.get_state(), "cpu": torch.get_rng_state()}
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    for name, state in (
        ("optimizer.pt", optimizer.state_dict()),
        ("scheduler.pt", scheduler.state_dict()),
        ("rng_state.pth", random_states),
    ):
        torch.save(state, tmp_path / name)
        assert holds_tensors_alone(tmp_path / name)
