"""A small table, and a small model of it made from scratch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from rowsmith.config import RunConfig
from rowsmith.context import BuildContext
from rowsmith.model import Bundle, load_bundle
from rowsmith.plugins import Registry
from rowsmith.randomness.seeds import Seeds
from rowsmith.synthesizer import Synthesizer

CONFIG = {
    "model": {"name": "scratch", "options": {"width": 32, "layers": 1, "dtype": "float32"}},
    "training": {"max_steps": 200},
}


def people(rows: int = 1_000) -> pd.DataFrame:
    """Numbers, categories, and text of many values; ``grown`` follows from ``age``."""
    chance = np.random.default_rng(3)
    ages = chance.integers(18, 40, rows)
    return pd.DataFrame(
        {
            "age": ages,
            "grown": np.where(ages > 20, "yes", "no"),
            "visits": chance.integers(0, 5, rows),
            "note": [
                f"{word} {number}" for word, number in zip(chance.choice(["one", "two"], rows), ages, strict=True)
            ],
        }
    )


def scratch(frame: pd.DataFrame, directory: Path, registry: Registry) -> Bundle:
    """Learn a table."""
    Synthesizer(config=CONFIG, run_directory=directory, registry=registry).fit(frame)
    context = BuildContext(config=RunConfig(), registry=registry, seeds=Seeds(0))
    return load_bundle(directory / "bundle", context)
