"""Plugin ``transformers``: generates with Hugging Face transformers, on CPU or GPU."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl


@hookimpl
def rowsmith_backends() -> Iterator[Component]:
    """The backend in this process."""
    yield Component(
        name="transformers",
        factory="rowsmith_backends.transformers.backend:build",
        options="rowsmith_backends.transformers.options:TransformersOptions",
        summary="Hugging Face transformers in this process, on CPU or GPU",
        requires=("torch", "transformers", "tokenizers"),
        install='pip install "rowsmith[local]"',
        capabilities=frozenset({"constrained", "generate", "logprobs", "predictions", "seed", "token-ids"}),
    )
