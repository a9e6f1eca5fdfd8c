"""Grouped tables and time series on a pretrained model: what training sees of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rowsmith.errors import OverlongGroupError
from rowsmith.runs.stages import train
from rowsmith.table import from_frame
from rowsmith_backends.pretrained.loading import load_bundle_tokenizer
from rowsmith_backends.sampling.bundle_prompts import bundle_prompt_ids

from ...shared.fine_tuning import run_of, tune

GROUPED = {"data": {"group_training_examples_by": "who", "order_training_examples_by": "day"}}


@pytest.fixture(scope="module")
def visits() -> pd.DataFrame:
    """Visits of forty people on days."""
    draw = np.random.default_rng(1)
    sizes = draw.integers(1, 6, 40)
    rows = int(sizes.sum())
    return pd.DataFrame(
        {
            "who": np.repeat([f"P{number:03d}" for number in range(40)], sizes),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 90, rows), unit="D"),
            "ward": draw.choice(["A", "B"], rows),
        }
    )


def test_groups_are_learned_whole(base: Path, visits: pd.DataFrame, tmp_path: Path) -> None:
    bundle = tune(visits, tmp_path / "run", base, context=None, sections=GROUPED, training={"max_steps": 2})
    assert bundle.model_schema.step is not None
    assert bundle.longest_completion is not None
    prefix = bundle_prompt_ids(bundle)
    assert bundle.longest_completion + len(prefix) + 1 <= bundle.metadata.max_seq_length
    assert '"who"' not in load_bundle_tokenizer(bundle).decode(prefix)


def test_groups_that_do_not_fit_are_told(base: Path, visits: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(OverlongGroupError, match="rope_scaling"):
        tune(visits, tmp_path / "run", base, context=120, sections=GROUPED)


def test_series_are_learned_in_windows(base: Path, tmp_path: Path) -> None:
    hours = pd.date_range("2024-01-01", periods=600, freq="h")
    frame = pd.DataFrame({"time": hours, "load": np.round(50 + 10 * np.sin(np.arange(600) / 4), 1)})
    series = {"time_series": {"is_timeseries": True, "timestamp_column": "time"}, "data": {"holdout": 0}}
    bundle = train(
        run_of(tmp_path / "run", base, context=None, sections=series, training={"max_steps": 2}), from_frame(frame)
    )
    assert bundle.series is not None
    assert bundle.metadata.max_seq_length == 1_024
    assert bundle.longest_completion is not None
    assert bundle.longest_completion < 1_024
