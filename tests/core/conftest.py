"""A small frame, and a tiny model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest


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
