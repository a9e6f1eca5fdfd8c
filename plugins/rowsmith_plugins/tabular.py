"""Plugin ``tabular``: assembles plain tables."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl


@hookimpl
def rowsmith_assemblers() -> Iterator[Component]:
    """The assembler of tables whose rows are independent."""
    yield Component(
        name="tabular",
        factory="rowsmith_assemblers.tabular:build",
        options="rowsmith_assemblers.options:TabularOptions",
        summary="Independent rows, packed into examples in random order",
        requires=("torch", "transformers", "datasets"),
        install='pip install "rowsmith[local]"',
    )
