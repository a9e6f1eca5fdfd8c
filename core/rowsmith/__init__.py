"""Synthetic tables with language models, every stage of it a plugin.

Importing this package is cheap: what is heavy is imported when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rowsmith.components import Component, LazyCommand
    from rowsmith.errors import (
        AmbiguousComponent,
        AssemblyError,
        BundleError,
        ConfigError,
        DataError,
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
    from rowsmith.synthesizer import Synthesizer

__version__ = "0.1.0"

__all__ = [
    "AmbiguousComponent",
    "AssemblyError",
    "BundleError",
    "Component",
    "ConfigError",
    "DataError",
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
    "hookimpl",
]

_HOMES = {
    "Component": "rowsmith.components",
    "LazyCommand": "rowsmith.components",
    "Synthesizer": "rowsmith.synthesizer",
    "hookimpl": "rowsmith.hookspecs",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES.get(name, "rowsmith.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
