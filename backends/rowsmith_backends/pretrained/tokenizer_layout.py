"""Prompt layout from a pretrained tokenizer, and a variant of the tokenizer for records.

Records are tokenized one by one and concatenated as ids, so the ids of a record must not depend on the text before it:
the space that some tokenizers add before every text is removed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from rowsmith.assembly.metadata import LLMPromptConfig
from rowsmith_backends.pretrained.base_lookup import unusable_base

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["plain_tokenizer", "prompt_config_of"]

_PROBE_TEXTS = ('{"a b":" x  y","n":-1.5e3,"t":null}\n', '{"ü":"日本 \\" \\\\ </x>","b":true}\n')


def prompt_config_of(tokenizer: PreTrainedTokenizerBase, template: str) -> LLMPromptConfig:
    """Prompt layout of a model, as its own tokenizer writes it.

    Args:
        tokenizer: The tokenizer as it was published.
        template: The prompt's template.

    Returns:
        Special tokens, and whether a prompt starts with BOS, which it does if the tokenizer adds one. A model without
        BOS starts its records with EOS, which separated the texts of its pretraining.

    Raises:
        ConfigError: The tokenizer has no EOS.
    """
    eos, eos_id = tokenizer.eos_token, tokenizer.eos_token_id
    if eos is None or eos_id is None:
        raise unusable_base("its tokenizer has no EOS token, so no text could end")
    bos, bos_id = tokenizer.bos_token, tokenizer.bos_token_id
    if bos is None or bos_id is None:
        bos, bos_id = eos, eos_id
    return LLMPromptConfig(
        template=template,
        add_bos_token_to_prompt=list(tokenizer("a", verbose=False).input_ids[:1]) == [bos_id],
        add_eos_token_to_prompt=False,
        bos_token=str(bos),
        bos_token_id=int(bos_id),
        eos_token=str(eos),
        eos_token_id=int(eos_id),
    )


def plain_tokenizer(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """A tokenizer for records: the ids of a record do not depend on its position or on the folder it is loaded from.

    Args:
        tokenizer: The tokenizer as it was published.

    Raises:
        ConfigError: It cannot spell records, or makes control tokens of text.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["padding"] = state["truncation"] = None
    special = {tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token}
    for token in state["added_tokens"]:
        # Only special tokens are distinguished from text that spells them.
        token["special"] = token["special"] or token["content"] in special
    for part in ("normalizer", "pre_tokenizer"):
        state[part] = _without_prefix(state.get(part))
    plain = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        bos_token=tokenizer.bos_token,
        eos_token=tokenizer.eos_token,
        pad_token=tokenizer.pad_token or tokenizer.eos_token,
        unk_token=tokenizer.unk_token,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )
    _check(plain)
    return plain


def _without_prefix(part: dict[str, Any] | None) -> dict[str, Any] | None:
    """A tokenizer step that adds nothing before the text; None if that is all it does."""
    if part is None or part["type"] == "Prepend":
        return None
    if part["type"] == "Sequence":
        name = "normalizers" if "normalizers" in part else "pretokenizers"
        steps = [step for step in map(_without_prefix, part[name]) if step is not None]
        return {**part, name: steps} if steps else None
    if part["type"] == "ByteLevel":
        return {**part, "add_prefix_space": False}
    if part["type"] == "Metaspace":
        return {**part, "prepend_scheme": "never"}
    return part


def _check(tokenizer: PreTrainedTokenizerFast) -> None:
    for text in _PROBE_TEXTS:
        ids = _ids(tokenizer, text)
        if tokenizer.decode([*ids, *ids]) != text + text:
            raise unusable_base("its tokenizer does not give a record back as it was; take one with byte-level tokens")
    for name in ("bos_token", "eos_token", "pad_token"):
        token = getattr(tokenizer, name)
        if token is not None and getattr(tokenizer, f"{name}_id") in _ids(tokenizer, f'{{"a":"{token}"}}\n'):
            raise unusable_base(
                f"its tokenizer makes a control token of text that spells {token!r}; take another model"
            )


def _ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)
    return list(encoded.input_ids)
