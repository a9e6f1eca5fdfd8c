"""The bundled plugins, also in a checkout that is not installed; and a small frame."""

from __future__ import annotations

import importlib.metadata
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

GROUP = "rowsmith.plugins"


@pytest.fixture(scope="session", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    if importlib.metadata.entry_points(group=GROUP):
        yield
        return
    folder = tmp_path_factory.mktemp("installed")
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    info = folder / "rowsmith-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rowsmith\nVersion: 0\n")
    lines = "\n".join(f"{name} = {module}" for name, module in project["entry-points"][GROUP].items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n")
    sys.path.append(str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.fixture
def frame() -> pd.DataFrame:
    chance = np.random.default_rng(3)
    rows = 150
    return pd.DataFrame(
        {
            "age": chance.integers(18, 60, rows).astype("int16"),
            "income": np.round(chance.normal(30, 9, rows), 2),
            "member": chance.random(rows) < 0.5,
            "city": pd.Categorical(chance.choice(["Ulm", "Rome"], rows), categories=["Rome", "Ulm"]),
            "visits": pd.array(np.where(chance.random(rows) < 0.2, None, chance.integers(0, 5, rows)), dtype="Int64"),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(chance.integers(0, 90, rows), unit="D"),
            "note": pd.Series(chance.choice(["a", "b", "c"], rows)).astype("string"),
        },
        index=np.arange(rows) * 2,
    )


@pytest.fixture
def tiny() -> dict[str, Any]:
    """Settings that train a model in no time."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    options = {"width": 32, "layers": 1, "dtype": "float32"}
    return {"training": {"max_steps": 3}, "model": {"name": "scratch", "options": options}}
