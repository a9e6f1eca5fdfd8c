"""A ``Synthesizer`` is pickled and copied, fitted or not, and the random state of the process is left alone."""

from __future__ import annotations

import copy
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rowsmith import Synthesizer
from rowsmith.errors import DataError, ParameterError, RunDirectoryError
from rowsmith.plugins import Registry
from rowsmith.randomness.global_state import preserve_random_state
from rowsmith.runs.reporting import Reporter

COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda each: pickle.loads(pickle.dumps(each)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.fixture(scope="module")
def fitted() -> Synthesizer:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    options = {"width": 32, "layers": 1, "dtype": "float32"}
    frame = pd.DataFrame({0: [1, 2, 3, 4] * 10, "b": ["x", "y"] * 20})
    return Synthesizer(training={"max_steps": 1}, model={"name": "scratch", "options": options}).fit(frame)


@pytest.mark.parametrize("made", COPIES.values(), ids=COPIES)
def test_an_unfitted_synthesizer_is_copied(made: Callable[[Any], Any]) -> None:
    again = made(Synthesizer(seed=3, group_by="a", run_directory=Path("somewhere")))
    assert again.config == Synthesizer(seed=3, group_by="a").config
    assert repr(again) == "<Synthesizer, not fitted>"


@pytest.mark.parametrize("made", COPIES.values(), ids=COPIES)
def test_a_fitted_synthesizer_is_copied_with_its_model(made: Callable[[Any], Any], fitted: Synthesizer) -> None:
    fitted.sample(5)
    again = made(fitted)
    pd.testing.assert_frame_equal(again.sample(20, seed=1), fitted.sample(20, seed=1))
    # The next rows of both are the same.
    pd.testing.assert_frame_equal(again.sample(20), fitted.sample(20))
    folders = [Path(each._model.directory.root) for each in (again, fitted)]
    assert folders[0] != folders[1]
    del again
    assert [folder.exists() for folder in folders] == [False, True]


def test_a_copy_does_not_write_over_the_model_of_the_first(tiny: dict[str, Any], tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2] * 10, "b": ["x", "y"] * 10})
    first = Synthesizer(**tiny, run_directory=tmp_path / "run").fit(frame)
    with pytest.raises(RunDirectoryError):
        copy.deepcopy(first).fit(frame)


def test_what_cannot_be_pickled_is_refused_with_what_to_do() -> None:
    class Local(Reporter):
        pass

    with pytest.raises(ParameterError, match=r"reporter cannot be pickled.*save\(path\).*load\(path, reporter"):
        pickle.dumps(Synthesizer(reporter=Local()))
    chosen = Synthesizer(registry=Registry())
    with pytest.raises(ParameterError, match=r"registry of its own.*save\(path\).*load\(path, registry"):
        pickle.dumps(chosen)
    assert copy.deepcopy(chosen)._given_registry is chosen._given_registry


def _states() -> list[Any]:
    import torch
    from transformers.utils import logging

    numpy = np.random.get_state()
    return [
        random.getstate(),
        (numpy[0], numpy[1].tolist(), *numpy[2:]),
        torch.get_rng_state().tolist(),
        torch.initial_seed(),
        [state.tolist() for state in torch.cuda.get_rng_state_all()] if torch.cuda.is_initialized() else [],
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
        logging.is_progress_bar_enabled(),
    ]


def test_the_random_state_of_the_process_is_left_alone(
    frame: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    random.seed(11)
    np.random.seed(12)
    torch.manual_seed(13)
    before = _states()
    synthesizer = Synthesizer(**tiny).fit(frame)
    assert _states() == before
    synthesizer.sample(5)
    synthesizer.save(tmp_path / "saved")
    Synthesizer.load(tmp_path / "saved").sample(5)
    assert _states() == before
    assert pickle.loads(pickle.dumps(synthesizer)).sample(5).shape[0] == 5
    assert _states() == before
    with pytest.raises(DataError):
        synthesizer.fit(frame.head(0))
    assert _states() == before


def test_the_state_is_restored_after_a_failure() -> None:
    before = random.getstate()
    with pytest.raises(RuntimeError), preserve_random_state():
        random.seed(99)
        raise RuntimeError
    assert random.getstate() == before


def test_a_generator_that_is_loaded_meanwhile_is_as_new() -> None:
    pytest.importorskip("torch")
    code = (
        "from rowsmith.randomness.global_state import preserve_random_state\n"
        "with preserve_random_state():\n"
        "    import torch\n"
        "    torch.manual_seed(4)\n"
        "assert torch.equal(torch.get_rng_state(), torch.Generator().get_state())\n"
        "assert torch.initial_seed() == torch.Generator().initial_seed()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("in_use", [True, False])
def test_the_state_of_gpus_is_restored_too(in_use: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    restored: list[Any] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: in_use)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: ["first", "second"])
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", restored.append)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", restored.append)
    state = torch.get_rng_state()
    try:
        torch.manual_seed(21)
        with preserve_random_state():
            torch.default_generator.manual_seed(22)
        # Devices that nobody has used yet begin with the seed that was set last.
        assert restored[-1] == (["first", "second"] if in_use else 21)
    finally:
        torch.set_rng_state(state)
