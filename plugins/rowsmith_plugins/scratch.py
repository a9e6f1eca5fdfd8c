"""Plugin ``scratch``: a small language model trained from scratch on the user's table."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl


@hookimpl
def rowsmith_models() -> Iterator[Component]:
    """The model that needs no download."""
    yield Component(
        name="scratch",
        factory="rowsmith_backends.scratch.model:build",
        options="rowsmith_backends.scratch.options:ScratchOptions",
        summary="A small Llama-architecture model, sized for and trained on the table alone",
        requires=("torch", "transformers", "tokenizers", "accelerate"),
        install='pip install "rowsmith[local]"',
    )
