from __future__ import annotations

import pytest

from .tiny import Trained, closed_table, open_table, train


@pytest.fixture(scope="session")
def closed(tmp_path_factory) -> Trained:
    return train(closed_table(2_400), tmp_path_factory.mktemp("closed") / "model", validation=200, max_steps=120)


@pytest.fixture(scope="session")
def opened(tmp_path_factory) -> Trained:
    return train(open_table(2_400), tmp_path_factory.mktemp("open") / "model", validation=200, max_steps=30)
