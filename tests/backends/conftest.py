"""Small models and trainings, made once for the tests that need real weights; the bundled components."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rowsmith.plugins import Registry

from ..shared.checkout import bundled_entry_points

if TYPE_CHECKING:
    from ..shared.interrupted_training import Training
    from ..shared.scratch_training import Trained


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The bundled components, whatever else is installed."""
    return Registry(entry_points=bundled_entry_points(), environ={})


@pytest.fixture(scope="session")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    from ..shared.scratch_training import closed_table, train

    return train(closed_table(2_400), tmp_path_factory.mktemp("closed") / "model", validation=200, max_steps=120)


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    from ..shared.scratch_training import open_table, train

    return train(open_table(2_400), tmp_path_factory.mktemp("open") / "model", validation=200, max_steps=30)


@pytest.fixture
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small states are saved; that each reaches the disk is no matter in a test."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A training without a break."""
    from ..shared.interrupted_training import Training

    training = Training(tmp_path_factory.mktemp("whole"), every=60, max_steps=14)
    training.report = training.run()
    return training
