"""Plugin ``vllm``: generates with vLLM, on GPUs or a CPU."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl


@hookimpl
def rowsmith_backends() -> Iterator[Component]:
    """The backend for large batches of completions."""
    yield Component(
        name="vllm",
        factory="rowsmith_backends.vllm.backend:build",
        options="rowsmith_backends.vllm.options:VllmOptions",
        summary="vLLM in a separate process, on GPUs or a CPU",
        requires=("vllm", "torch", "transformers"),
        install='pip install "rowsmith[local,vllm]"',
        capabilities=frozenset({"constrained", "generate", "logprobs", "seed", "token-ids"}),
    )
