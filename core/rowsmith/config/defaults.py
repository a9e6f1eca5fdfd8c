"""Which backend generates."""

from __future__ import annotations

from rowsmith.components import ComponentRef
from rowsmith.config.run_config import RunConfig

__all__ = ["TIMESERIES", "backend_for"]

TIMESERIES = "timeseries"
"""The backend that writes time series with the engine of another one."""


def backend_for(config: RunConfig) -> ComponentRef:
    """The backend that generates: of time series, ``timeseries`` around the engine of the chosen one."""
    chosen = config.backend
    if not config.time_series.is_timeseries or (chosen.name or "").rpartition(":")[2] == TIMESERIES:
        return chosen
    return ComponentRef(name=TIMESERIES, options={"engine": chosen})
