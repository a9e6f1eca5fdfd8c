"""Plugin ``timeseries``: generates time series with the engine of another backend."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl


@hookimpl
def rowsmith_backends() -> Iterator[Component]:
    """The backend that generates series window by window with any engine."""
    yield Component(
        name="timeseries",
        factory="rowsmith_backends.timeseries.building:build",
        options="rowsmith_backends.timeseries.options:TimeseriesOptions",
        summary="Time series of any length, generated with the engine of another backend",
    )
