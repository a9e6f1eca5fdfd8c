"""The bundled plugins, also in a checkout that is not installed; and a small trained model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

RUNS = Path(__file__).parents[2] / "earlier_runs" / "runs_of_0_1_0"


@pytest.fixture(scope="session")
def trained_run(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a small model."""
    pytest.importorskip("torch")
    return shutil.copytree(RUNS / "plain", tmp_path_factory.mktemp("runs") / "plain") / "run"
