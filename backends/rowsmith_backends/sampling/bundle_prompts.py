"""Prompt of a trained model, as token ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith.assembly.prompts import inference_prefix, schema_prompt
from rowsmith_backends.sampling.bundle_tokens import load_tokenizer

if TYPE_CHECKING:
    from rowsmith.model import Bundle

__all__ = ["bundle_prompt_ids"]


def bundle_prompt_ids(bundle: Bundle) -> list[int]:
    """Token ids before the first record: the schema prompt as in training, and BOS.

    Args:
        bundle: The trained model.

    Returns:
        ``[BOS?] schema prompt [EOS?] BOS``; BOS alone for models without a prompt.

    Raises:
        BundleError: The tokenizer cannot be loaded.
    """
    metadata = bundle.metadata
    prompt = schema_prompt(bundle.model_schema.names, metadata.instruction, metadata.prompt_config.template)
    return inference_prefix(prompt, load_tokenizer(bundle.model_directory) if prompt else None, metadata)
