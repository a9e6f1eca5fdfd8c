"""A small base model, a table, and an adapter trained on it for a few steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rowsmith.model import Bundle

from ...shared.base_models import make_base
from ...shared.fine_tuning import tune


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of random weights whose tokenizer puts BOS first."""
    return make_base(tmp_path_factory.mktemp("base") / "base", adds_bos=True)


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """Text, categories and numbers; some of the text spells control tokens."""
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "city": draw.choice(["Ulm", "Rome", "São"], 300),
            "n": draw.integers(0, 50, 300),
            "note": [f"{'</s>' if i % 3 else '<|endoftext|>'} é{i}" for i in range(300)],
        }
    )


@pytest.fixture(scope="session")
def tuned(base: Path, frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """An adapter on ``base``."""
    return tune(frame, tmp_path_factory.mktemp("tuned") / "run", base)
