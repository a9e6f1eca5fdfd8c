"""Bundled backends, and the models they serve with their training.

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rowsmith_backends.remote.backend import RemoteBackend
    from rowsmith_backends.timeseries.backend import TimeseriesBackend
    from rowsmith_backends.timeseries.state import GroupProcessingResult, GroupState, ProgressSnapshot
    from rowsmith_backends.transformers.backend import TransformersBackend
    from rowsmith_backends.vllm.backend import VllmBackend

__all__ = [
    "GroupProcessingResult",
    "GroupState",
    "ProgressSnapshot",
    "RemoteBackend",
    "TimeseriesBackend",
    "TransformersBackend",
    "VllmBackend",
]

_WHERE = {
    "GroupProcessingResult": "rowsmith_backends.timeseries.state",
    "GroupState": "rowsmith_backends.timeseries.state",
    "ProgressSnapshot": "rowsmith_backends.timeseries.state",
    "RemoteBackend": "rowsmith_backends.remote.backend",
    "TimeseriesBackend": "rowsmith_backends.timeseries.backend",
    "TransformersBackend": "rowsmith_backends.transformers.backend",
    "VllmBackend": "rowsmith_backends.vllm.backend",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
