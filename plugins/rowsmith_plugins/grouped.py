"""Plugin ``grouped``: assembles tables whose rows form groups."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl


@hookimpl
def rowsmith_assemblers() -> Iterator[Component]:
    """The assembler of grouped tables."""
    yield Component(
        name="grouped",
        factory="rowsmith_assemblers.grouped:build",
        options="rowsmith_assemblers.options:GroupedOptions",
        summary="Whole groups of rows, each as one sequence, packed into examples in random order",
        requires=("torch", "transformers", "datasets"),
        install='pip install "rowsmith[local]"',
    )
