"""Trains on a base model through the pipeline, as a run does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from rowsmith.config import RunConfig
from rowsmith.config.conversion import structure
from rowsmith.model import Bundle
from rowsmith.runs.stages import Run, train
from rowsmith.runs.validation import registry_for
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.table import from_frame

OPTIONS = {"rank": 4, "batch_tokens": 1_024, "context": 256, "dtype": "float32"}


def settings(
    base: Path, training: dict[str, Any] | None = None, sections: dict[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """The configuration of a short training; options are the model's."""
    return {
        **(sections or {}),
        "model": {"name": "pretrained", "options": {**OPTIONS, "base": str(base), **options}},
        "training": {"max_steps": 6, "validation_ratio": 0.1, **(training or {})},
    }


def run_of(folder: Path, base: Path, **options: Any) -> Run:
    """A run whose training takes a few steps."""
    config = structure(settings(base, **options), RunConfig)
    return Run(config=config, registry=registry_for(config), directory=RunDirectory(folder))


def tune(frame: pd.DataFrame, folder: Path, base: Path, **options: Any) -> Bundle:
    """Train on a table for a few steps."""
    return train(run_of(folder, base, **options), from_frame(frame))
