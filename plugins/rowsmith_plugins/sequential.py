"""Plugin ``sequential``: assembles time series."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl


@hookimpl
def rowsmith_assemblers() -> Iterator[Component]:
    """The assembler of time series and other ordered rows."""
    yield Component(
        name="sequential",
        factory="rowsmith_assemblers.sequential:build",
        options="rowsmith_assemblers.options:SequentialOptions",
        summary="Consecutive rows of one series; the next example continues where the last one ended",
        requires=("torch", "transformers", "datasets"),
        install='pip install "rowsmith[local]"',
    )
