from __future__ import annotations

import os

import pytest

from .breaking import Training
from .tiny import Trained, closed_table, open_table, train


@pytest.fixture(scope="session")
def closed(tmp_path_factory) -> Trained:
    return train(closed_table(2_400), tmp_path_factory.mktemp("closed") / "model", validation=200, max_steps=120)


@pytest.fixture(scope="session")
def opened(tmp_path_factory) -> Trained:
    return train(open_table(2_400), tmp_path_factory.mktemp("open") / "model", validation=200, max_steps=30)


@pytest.fixture
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small states are saved; that each reaches the disk is no matter in a test."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A training without a break."""
    training = Training(tmp_path_factory.mktemp("whole"), every=60, max_steps=14)
    training.report = training.run()
    return training
