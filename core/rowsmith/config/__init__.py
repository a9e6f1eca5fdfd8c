"""The configuration of a run: typed, frozen, and checked as a whole before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.config.run_config import (
        AUTO,
        Auto,
        DataConfig,
        GenerationConfig,
        ModelRef,
        PluginsConfig,
        RunConfig,
        TimeSeriesConfig,
        TrainingConfig,
        load_config,
        parse_duration,
        to_mapping,
        to_yaml,
    )

__all__ = [
    "AUTO",
    "Auto",
    "DataConfig",
    "GenerationConfig",
    "ModelRef",
    "PluginsConfig",
    "RunConfig",
    "TimeSeriesConfig",
    "TrainingConfig",
    "load_config",
    "parse_duration",
    "to_mapping",
    "to_yaml",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.config.run_config": [
            "AUTO",
            "Auto",
            "DataConfig",
            "GenerationConfig",
            "ModelRef",
            "PluginsConfig",
            "RunConfig",
            "TimeSeriesConfig",
            "TrainingConfig",
            "load_config",
            "parse_duration",
            "to_mapping",
            "to_yaml",
        ],
    },
)
