"""Prompts as token ids: the only module that knows the layout of an example.

``[BOS?] schema prompt [EOS?] BOS records EOS``. ``lay_out`` writes it, and the prefix that an engine
gets at generation is cut from the output of ``lay_out``, so training and generation cannot differ.
An empty prompt has nothing to enclose and gives no ids at all.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rowsmith.dialect import json_string
from rowsmith.errors import ParameterError

if TYPE_CHECKING:
    from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata

__all__ = ["inference_prefix", "lay_out", "prompt_ids", "schema_prompt"]

_FIELDS = ("instruction", "schema", "prefill")


def schema_prompt(columns: Iterable[str], instruction: str, template: str) -> str:
    """Write the prompt that names the columns of a record.

    Args:
        columns: Column names in the order of a record; written as JSON strings.
        instruction: Text for the field ``{instruction}``.
        template: Text with the fields ``{instruction}``, ``{schema}`` and ``{prefill}`` (left empty
            here); a literal brace is written twice.

    Returns:
        The prompt; empty for an empty template.

    Raises:
        ParameterError: The template has another field, or is malformed.
    """
    if not template:
        return ""
    _check_template(template)
    schema = ",".join(f"{json_string(name)}:<unk>" for name in columns)
    return template.format(instruction=instruction, schema=schema, prefill="")


def prompt_ids(prompt: str, tokenizer: Any, prompt_config: LLMPromptConfig) -> list[int]:
    """The token ids of a prompt, enclosed as the model wants it.

    Text that spells a special token is encoded as ordinary text, so no column name can end a prompt.

    Args:
        prompt: The text; empty gives no ids.
        tokenizer: A Hugging Face tokenizer; special tokens that it would add are left out.
        prompt_config: Says whether BOS and EOS are added to the prompt.

    Returns:
        The ids.
    """
    if not prompt:
        return []
    before = [prompt_config.bos_token_id] if prompt_config.add_bos_token_to_prompt else []
    after = [prompt_config.eos_token_id] if prompt_config.add_eos_token_to_prompt else []
    inside = tokenizer.encode(prompt, add_special_tokens=False, split_special_tokens=True)
    return [*before, *inside, *after]


def lay_out(prompt: Sequence[int], records: Sequence[int], prompt_config: LLMPromptConfig) -> list[int]:
    """Lay out one example with one sequence of records.

    Args:
        prompt: Ids from ``prompt_ids``.
        records: Ids of the records, one after another.
        prompt_config: Gives BOS and EOS.

    Returns:
        ``prompt BOS records EOS``.
    """
    return [*prompt, prompt_config.bos_token_id, *records, prompt_config.eos_token_id]


def inference_prefix(prompt: str, tokenizer: Any, metadata: ModelMetadata) -> list[int]:
    """The ids that an engine continues: everything before the first record in training.

    Args:
        prompt: The text of the prompt.
        tokenizer: The model's tokenizer.
        metadata: Says how prompts are enclosed.

    Returns:
        ``[BOS?] prompt [EOS?] BOS``.
    """
    config = metadata.prompt_config
    return lay_out(prompt_ids(prompt, tokenizer, config), (), config)[:-1]


def _check_template(template: str) -> None:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ParameterError(f"the prompt template is malformed ({error}); write a literal brace twice") from None
    for _, field, spec, conversion in parts:
        if field is not None and (field not in _FIELDS or spec or conversion):
            known = ", ".join(f"{{{name}}}" for name in _FIELDS)
            raise ParameterError(
                f"the prompt template has the field {{{field}}}; use {known}, and write a literal brace twice"
            )
