"""Plugin ``pretrained``: a pretrained language model, fine-tuned on the user's table."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl


@hookimpl
def rowsmith_models() -> Iterator[Component]:
    """The model that fine-tunes a pretrained base."""
    yield Component(
        name="pretrained",
        factory="rowsmith_backends.pretrained.model:build",
        options="rowsmith_backends.pretrained.options:PretrainedOptions",
        summary="A pretrained language model of the Hugging Face hub or a folder, fine-tuned with LoRA",
        requires=("torch", "transformers", "tokenizers", "accelerate", "peft"),
        install='pip install "rowsmith[local]"',
    )
