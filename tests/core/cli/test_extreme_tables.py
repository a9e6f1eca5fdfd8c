"""Wide tables, long texts and columns of very many values go the whole way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

pytest.importorskip("torch")

pytestmark = pytest.mark.slow


def _wide(columns: int) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    common = draw.normal(size=200)
    cells = {}
    for number in range(columns):
        score = common + draw.normal(size=200)
        cells[f"c{number}"] = np.round(score, 2) if number % 2 else np.where(score > 0, "high", "low")
    return pd.DataFrame(cells)


def _many_values(rows: int) -> pd.DataFrame:
    numbers = np.random.default_rng(0).permutation(np.repeat(np.arange(rows // 2), 2))
    return pd.DataFrame({"code": [f"item {n}" for n in numbers], "number": numbers * 7, "even": numbers % 2 == 0})


def _long_text(characters: int) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    words = np.array(["alpha", "beta", "gamma", "delta", "omega"])
    texts = [" ".join(draw.choice(words, characters // 4))[:characters] for _ in range(80)]
    return pd.DataFrame({"n": np.arange(80) % 5, "text": texts})


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: _wide(200), id="200 columns"),
        pytest.param(lambda: _wide(1_000), id="1,000 columns"),
        pytest.param(lambda: _many_values(20_000), id="10,000 values"),
        pytest.param(lambda: _long_text(2_000), id="2,000 characters"),
    ],
)
def test_a_table_of_extreme_shape_is_learned_and_written(
    made: Callable[[], pd.DataFrame], invoke: Callable[..., Result], tiny: list[str], tmp_path: Path
) -> None:
    source, output = tmp_path / "table.csv", tmp_path / "out.csv"
    table = made()
    table.to_csv(source, index=False)
    result = invoke("run", source, "--run-dir", tmp_path / "run", "-n", "20", "-o", output, *tiny)
    assert result.exit_code == 0, result.stderr
    written = pd.read_csv(output)
    assert list(written.columns) == list(table.columns)
    assert len(written) == 20
