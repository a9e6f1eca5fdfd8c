"""Plugin ``sequential``: assembles time series."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl


@hookimpl
def rowsmith_assemblers() -> Iterator[Component]:
    """The assembler of series whose rows have an order."""
    yield Component(
        name="sequential",
        factory="rowsmith_assemblers.sequential:build",
        options="rowsmith_assemblers.options:SequentialOptions",
        summary="Rows of one series in order, examples that go on where the one before ended",
        requires=("torch", "transformers", "datasets"),
        install='pip install "rowsmith[local]"',
    )
