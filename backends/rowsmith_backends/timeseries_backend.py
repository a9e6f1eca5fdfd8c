"""The names of the time-series backend, under the module name of the interface that it implements."""

from rowsmith_backends.timeseries.backend import TimeseriesBackend
from rowsmith_backends.timeseries.state import GroupProcessingResult, GroupState, ProgressSnapshot

__all__ = ["GroupProcessingResult", "GroupState", "ProgressSnapshot", "TimeseriesBackend"]
