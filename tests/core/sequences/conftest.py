"""Tables of groups and of time series, and a tiny model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def purchases() -> pd.DataFrame:
    """Purchases of customers on days, a few of them on the same day, in no order."""
    chance = np.random.default_rng(3)
    sizes = chance.integers(1, 6, 40)
    customers, rows = np.repeat(np.arange(40), sizes), int(sizes.sum())
    frame = pd.DataFrame(
        {
            "customer": pd.Series([f"C{number:03d}" for number in customers]).astype("string"),
            "shop": pd.Categorical(np.repeat(chance.choice(["Ulm", "Rome"], 40), sizes)),
            "day": pd.Timestamp("2023-11-01") + pd.to_timedelta(chance.integers(0, 200, rows), unit="D"),
            "amount": np.round(chance.normal(30, 9, rows), 2),
            "items": pd.array(np.where(chance.random(rows) < 0.2, None, chance.integers(1, 5, rows)), dtype="Int64"),
        }
    )
    return frame.sample(frac=1, random_state=0)


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Settings that train a model in no time."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    options = {"width": 32, "layers": 1, "dtype": "float32"}
    return {"training": {"max_steps": 5}, "model": {"name": "scratch", "options": options}}


@pytest.fixture(scope="session")
def readings() -> pd.DataFrame:
    """Hourly readings of five sensors, in no order."""
    chance = np.random.default_rng(5)
    hours = pd.date_range("2024-01-20", periods=40, freq="h")
    parts = [
        pd.DataFrame(
            {
                "sensor": f"S{number}",
                "at": hours,
                "level": np.round(np.sin(np.arange(40) / 4 + number) * 10 + chance.normal(0, 0.3, 40), 1),
                "state": chance.choice(["on", "off"], 40),
            }
        )
        for number in range(5)
    ]
    return pd.concat(parts).sample(frac=1, random_state=0)
