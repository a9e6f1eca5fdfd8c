"""Allowed settings in the files of a saved model: those that describe it and load nothing else.

Loaders import code, fetch kernels from a hub or open other files for some settings. So a setting is allowed if its
value cannot name anything (a number, a boolean or null), or if it is one of those that a saved model has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rowsmith.errors import BundleError

__all__ = [
    "ADAPTER_SETTINGS",
    "LLAMA_SETTINGS",
    "check_adapter_settings",
    "check_model_settings",
    "check_tokenizer_settings",
]

ADAPTER_SETTINGS = frozenset(
    {
        *("peft_type", "task_type", "base_model_name_or_path", "r", "lora_alpha", "use_rslora", "lora_dropout"),
        *("target_modules", "fan_in_fan_out", "bias", "inference_mode"),
    }
)
"""The settings of an adapter; what else peft knows imports something, replaces layers, or grows the model."""

LLAMA_SETTINGS = frozenset(
    {
        *("architectures", "attention_bias", "attention_dropout", "bos_token_id", "dtype", "eos_token_id", "head_dim"),
        *("hidden_act", "hidden_size", "initializer_range", "intermediate_size", "max_position_embeddings"),
        *("mlp_bias", "model_type", "num_attention_heads", "num_hidden_layers", "num_key_value_heads"),
        *("pad_token_id", "pretraining_tp", "rms_norm_eps", "rope_parameters", "rope_scaling", "rope_theta"),
        *("tie_word_embeddings", "torch_dtype", "transformers_version", "use_cache", "vocab_size"),
    }
)
"""The settings of a model that was trained from nothing."""

_NAME = re.compile(r"[a-z][A-Za-z0-9_]*")
_WORD = re.compile(r"[A-Za-z0-9_.+-]{1,100}")
_MODEL_WORDS = frozenset(
    {
        *("architectures", "model_type", "dtype", "torch_dtype", "transformers_version", "layer_types"),
        *("hidden_act", "hidden_activation", "activation_function", "ffn_act_fn", "mlp_layer_types"),
        *("rope_type", "type", "position_embedding_type", "attention_layers", "feed_forward_proj", "model_input_names"),
        *("mlp_hidden_act", "layernorm_type", "ffn_type", "norm_type", "score_func", "scoring_func", "topk_method"),
        *("block_types", "layers_block_type", "hybrid_override_pattern", "summary_type", "summary_activation"),
        *("time_step_init_scheme",),
    }
)
# Other settings with this prefix name an implementation to fetch.
_UNDERSCORED = frozenset({"_from_model_config", "_remove_final_layer_norm"})
_MODEL_PARTS = frozenset({"rope_parameters", "rope_scaling", "text_config"})
# Layer types that have rotary parameters of their own.
_ROPE_PARTS = re.compile(r"[a-z_]*attention[a-z_]*")
_TOKEN = re.compile(r"[a-z_]+_token")
_TOKENIZER_TEXTS = frozenset({"padding_side", "truncation_side", "backend", "errors"})
_TOKENIZER_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")
_TOKENIZER_LISTS = frozenset({"additional_special_tokens", "extra_special_tokens", "model_input_names"})
_TOKENIZER_PARTS = frozenset({"added_tokens_decoder", "model_specific_special_tokens", "extra_special_tokens"})
_LONGEST_TEXT = 10_000
_TOKENIZER_JSON = frozenset(
    {
        *("version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor"),
        *("decoder", "model"),
    }
)


def check_model_settings(path: Path, values: Mapping[str, Any], known: frozenset[str] | None = None) -> None:
    """Refuse a ``config.json`` or ``generation_config.json`` that does more than describe a model.

    Args:
        path: The file, for messages.
        values: Its content.
        known: The only allowed settings; None for any that can name nothing.

    Raises:
        BundleError: Names the setting.
    """
    for name, value in values.items():
        if known is not None and name not in known:
            raise _refused(path, name)
        if not _is_model_setting(name, value):
            raise _refused(path, name)


def _is_model_setting(name: str, value: Any) -> bool:
    if not _NAME.fullmatch(name) and name not in _UNDERSCORED:
        return False
    if isinstance(value, Mapping):
        parts = name in _MODEL_PARTS or _ROPE_PARTS.fullmatch(name)
        return bool(parts) and all(_is_model_setting(key, each) for key, each in value.items())
    each = value if isinstance(value, list) else [value]
    return all(_is_plain(part) or _is_numbers(part) or (name in _MODEL_WORDS and _is_word(part)) for part in each)


def check_tokenizer_settings(folder: Path, read: Any) -> None:
    """Refuse tokenizer files that do more than describe a tokenizer.

    Args:
        folder: Their folder; missing files are skipped.
        read: Reads an object from one of them.

    Raises:
        BundleError: Names the file and the setting.
    """
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        path = folder / file
        values = read(path) if path.exists() else {}
        odd = next((name for name, value in values.items() if not _is_tokenizer_setting(name, value)), None)
        if odd is not None:
            raise _refused(path, odd)
    path = folder / "tokenizer.json"
    odd = next((name for name in (read(path) if path.exists() else {}) if name not in _TOKENIZER_JSON), None)
    if odd is not None:
        raise _refused(path, odd)


def _is_tokenizer_setting(name: str, value: Any) -> bool:
    if name == "tokenizer_class":
        return value in _TOKENIZER_CLASSES
    if name in _TOKENIZER_PARTS and isinstance(value, Mapping):
        return all(_is_token(each) for each in value.values())
    if name in _TOKENIZER_LISTS and isinstance(value, list):
        return all(_is_token(each) for each in value)
    if _TOKEN.fullmatch(name):
        return _is_token(value)
    if name in _TOKENIZER_TEXTS:
        return value is None or _is_word(value)
    return _NAME.fullmatch(name) is not None and _is_plain(value)


def _is_token(value: Any) -> bool:
    """Whether a value is a special token: its text, or its text with flags."""
    if isinstance(value, Mapping):
        return all(
            _is_plain(each) or (name in ("content", "__type") and _is_text(each)) for name, each in value.items()
        )
    return value is None or _is_text(value)


def check_adapter_settings(path: Path, values: Mapping[str, Any]) -> None:
    """Refuse an ``adapter_config.json`` that is more than the shape of a plain LoRA adapter.

    Args:
        path: The file, for messages.
        values: Its content.

    Raises:
        BundleError: Names the setting.
    """
    odd = next((name for name in values if name not in ADAPTER_SETTINGS), None)
    if odd is not None:
        raise _refused(path, odd)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float)


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(_is_plain(each) for each in value)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT


def _refused(path: Path, name: str) -> BundleError:
    if name == "auto_map":
        return BundleError(f"{path} asks for code of its own (auto_map), which is never run.")
    return BundleError(
        f"{path} sets {name!r:.100}, which no saved model needs and is not read: it may fetch or run something. Train "
        "again, or restore the file."
    )
