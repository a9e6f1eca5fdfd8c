"""Bundled backends, and the models they serve with their training.

Nothing heavy is imported until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith_backends.remote.backend": ["RemoteBackend"],
        "rowsmith_backends.timeseries.backend": ["TimeseriesBackend"],
        "rowsmith_backends.timeseries.state": ["GroupProcessingResult", "GroupState", "ProgressSnapshot"],
        "rowsmith_backends.transformers.backend": ["TransformersBackend"],
        "rowsmith_backends.vllm.backend": ["VllmBackend"],
    },
)
