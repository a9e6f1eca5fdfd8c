"""Synthetic tables with language models, every stage of it a plugin.

Importing this package is cheap: what is heavy is imported when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.components import Component, LazyCommand
    from rowsmith.errors import (
        AmbiguousComponent,
        AssemblyError,
        BundleError,
        ConfigError,
        DataError,
        EvaluationError,
        GenerationError,
        MissingDependency,
        OverlongGroupError,
        OverlongRecordError,
        ParameterError,
        PluginContractError,
        PluginError,
        PluginLoadError,
        RecordError,
        RowsmithError,
        RunDirectoryError,
        TrainingError,
        UnknownComponent,
    )
    from rowsmith.hookspecs import hookimpl
    from rowsmith.runs.evaluation.foreign_tables import evaluate_tables
    from rowsmith.synthesizer import Synthesizer

__version__ = "0.1.0"

__all__ = [
    "AmbiguousComponent",
    "AssemblyError",
    "BundleError",
    "Component",
    "ConfigError",
    "DataError",
    "EvaluationError",
    "GenerationError",
    "LazyCommand",
    "MissingDependency",
    "OverlongGroupError",
    "OverlongRecordError",
    "ParameterError",
    "PluginContractError",
    "PluginError",
    "PluginLoadError",
    "RecordError",
    "RowsmithError",
    "RunDirectoryError",
    "Synthesizer",
    "TrainingError",
    "UnknownComponent",
    "__version__",
    "evaluate_tables",
    "hookimpl",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.components": ["Component", "LazyCommand"],
        "rowsmith.errors": [
            "AmbiguousComponent",
            "AssemblyError",
            "BundleError",
            "ConfigError",
            "DataError",
            "EvaluationError",
            "GenerationError",
            "MissingDependency",
            "OverlongGroupError",
            "OverlongRecordError",
            "ParameterError",
            "PluginContractError",
            "PluginError",
            "PluginLoadError",
            "RecordError",
            "RowsmithError",
            "RunDirectoryError",
            "TrainingError",
            "UnknownComponent",
        ],
        "rowsmith.hookspecs": ["hookimpl"],
        "rowsmith.runs.evaluation.foreign_tables": ["evaluate_tables"],
        "rowsmith.synthesizer": ["Synthesizer"],
    },
)
