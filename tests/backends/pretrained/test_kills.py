"""A fine-tuning that is killed outright at several points, and resumed, against one without a break."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from safetensors.torch import load_file

from ...shared.base_models import make_base
from ...shared.fine_tuning import settings
from .conftest import program, report

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")]

POINTS = (3, 8, 14)
STEPS = 18


def test_a_killed_training_ends_with_the_weights_of_an_unbroken_one(
    root: Path, tmp_path: Path, frame: pd.DataFrame
) -> None:
    base = make_base(tmp_path / "base", width=256, layers=4, vocab_size=4_096)
    assert sum(weight.numel() for weight in load_file(base / "model.safetensors").values()) > 3_000_000
    frame.to_csv(tmp_path / "table.csv", index=False)
    training = {"max_steps": STEPS, "checkpoint_every": 0, "validation_ratio": 0.1}
    table = {"data": {"source": str(tmp_path / "table.csv")}}
    (tmp_path / "config.json").write_text(json.dumps(settings(base, training, table, rank=16, dropout=0.1)))
    program(root, "kill_points.py", str(tmp_path), "1", *map(str, POINTS))
    assert (tmp_path / "broken.log").read_text().count("training goes on from step") == len(POINTS)
    assert adapter(tmp_path / "whole") == adapter(tmp_path / "broken")
    assert report(tmp_path / "whole") == report(tmp_path / "broken")


def adapter(run: Path) -> bytes:
    return (run / "bundle" / "model" / "adapter_model.safetensors").read_bytes()
