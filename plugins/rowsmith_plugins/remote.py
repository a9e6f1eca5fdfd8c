"""Plugin ``remote``: generates with a model on a server."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl


@hookimpl
def rowsmith_backends() -> Iterator[Component]:
    """The backend for servers."""
    yield Component(
        name="remote",
        factory="rowsmith_backends.remote.backend:build",
        options="rowsmith_backends.remote.options:RemoteOptions",
        summary="a server with an OpenAI-compatible completions endpoint, such as vllm serve",
        requires=("httpx2", "tokenizers", "transformers"),
        install='pip install "rowsmith[remote]"',
        capabilities=frozenset({"generate", "logprobs", "seed"}),
    )
