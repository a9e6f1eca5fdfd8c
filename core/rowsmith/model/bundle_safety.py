"""Safety checks of saved models: data files only, inside their folder, of the declared size.

A bundle may be of unknown origin. Nothing in it is ever run: weights are safetensors, the rest is JSON, and any
other file or setting that a loader might use is refused by name before a loader sees it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rowsmith.errors import BundleError
from rowsmith.model.settings import (
    LLAMA_SETTINGS,
    check_adapter_settings,
    check_model_settings,
    check_tokenizer_settings,
)
from rowsmith.model.weight_headers import check_llama, shapes_of
from rowsmith.storage.regular_files import parse_json, read_regular_file

__all__ = [
    "ADAPTER_CONFIG",
    "ADAPTER_WEIGHTS",
    "check_adapter",
    "check_checkpoint",
    "check_contents",
    "check_links",
]

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

_TOKENIZER = r"tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json"
_CHECKPOINT_FILES = re.compile(
    rf"config\.json|generation_config\.json|{_TOKENIZER}"
    r"|model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json"
)
_ADAPTER_FILES = re.compile(rf"{re.escape(ADAPTER_CONFIG)}|{re.escape(ADAPTER_WEIGHTS)}|{_TOKENIZER}")
_MOST_LAYERS, _MOST_POSITIONS = 1_000, 2**24
_MOST_RANK, _MOST_ALPHA = 65_536, 1e9
_SIZES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")


def check_links(folder: Path) -> None:
    """Refuse a folder with a link that leads out of it, or with something that is neither a file nor a folder.

    Args:
        folder: The folder; it may be a link itself.

    Raises:
        BundleError: Names the link.
    """
    root = folder.resolve()
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            raise BundleError(f"{path} is a link that leads out of {folder}. Remove it, or copy the file here.")
        if not path.is_file() and not path.is_dir():
            raise BundleError(f"{path} is no regular file. Remove it, or restore the file.")


def check_contents(folder: Path, *, adapter: bool = False) -> None:
    """Refuse a saved model whose settings are more than data, for any loader; missing files are skipped.

    Args:
        folder: A checkpoint or an adapter, with its tokenizer.
        adapter: Whether it is an adapter.

    Raises:
        BundleError: A file holds a setting that such files do not need, or a header that does not fit its weights.
    """
    for name in ("config.json", "generation_config.json"):
        if (folder / name).exists():
            check_model_settings(folder / name, _object(folder / name))
    if adapter and (folder / ADAPTER_CONFIG).exists():
        check_adapter_settings(folder / ADAPTER_CONFIG, _object(folder / ADAPTER_CONFIG))
    check_tokenizer_settings(folder, _object)
    shapes_of(folder)


def check_checkpoint(folder: Path, kinds: Collection[str] | None = ("llama",)) -> None:
    """Refuse a checkpoint that is more than data.

    Args:
        folder: A checkpoint with its tokenizer.
        kinds: The kinds of model that are read, whose weights are compared with their configuration too; None for
            any kind.

    Raises:
        BundleError: It holds a file or a setting that such a checkpoint does not have, such as a pickle, code or an
            adapter; asks for code; or is of another kind or size than its weights.
    """
    _check_files(folder, _CHECKPOINT_FILES)
    config = _object(folder / "config.json")
    _object(folder / "tokenizer_config.json")
    check_contents(folder)
    _check_bounds(folder / "config.json", config)
    if kinds is None:
        return
    if config.get("model_type") not in kinds:
        known = " and ".join(kinds)
        raise BundleError(
            f"{folder / 'config.json'} is of the kind {config.get('model_type')!r:.100}; only {known} is read."
        )
    check_model_settings(folder / "config.json", config, LLAMA_SETTINGS)
    _check_size(folder, config)


def check_adapter(folder: Path) -> None:
    """Refuse a saved adapter that is more than data, or not a plain LoRA adapter.

    Args:
        folder: The adapter with the tokenizer of its base model.

    Raises:
        BundleError: As for ``check_checkpoint``.
    """
    _check_files(folder, _ADAPTER_FILES)
    _object(folder / "tokenizer_config.json")
    path = folder / ADAPTER_CONFIG
    config = _object(path)
    if config.get("peft_type") != "LORA":
        raise BundleError(f"{path} is an adapter of the kind {config.get('peft_type')!r:.100}; only LORA is read.")
    check_contents(folder, adapter=True)
    rank, modules = config.get("r"), config.get("target_modules")
    named = isinstance(modules, list) and modules and all(isinstance(name, str) for name in modules)
    if type(rank) is not int or not 1 <= rank <= _MOST_RANK or not named:
        raise BundleError(f"{path} is damaged: it must name layers and a rank. Train again, or restore the file.")
    alpha = config.get("lora_alpha")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or abs(alpha) > _MOST_ALPHA:
        raise BundleError(f"{path} is damaged: lora_alpha must be a number. Train again, or restore the file.")


def _check_files(folder: Path, known: re.Pattern[str]) -> None:
    for path in sorted(folder.rglob("*")):
        if not known.fullmatch(path.relative_to(folder).as_posix()):
            raise BundleError(
                f"{path} is no part of a saved model. Only safetensors and JSON are read: remove the file."
            )


def _check_bounds(path: Path, config: Mapping[str, Any]) -> None:
    """Check the bounds of numbers in a configuration."""
    parts = [config, *(part for part in (config.get("text_config"),) if isinstance(part, Mapping))]
    for name, most in (("num_hidden_layers", _MOST_LAYERS), ("max_position_embeddings", _MOST_POSITIONS)):
        for part in parts:
            value = part.get(name, 1)
            if type(value) is not int or not 1 <= value <= most:
                raise BundleError(
                    f"{path} declares {name} as {value!r:.100}; it must be a whole number from 1 to {most:,}. Train "
                    "again, or restore the file."
                )


def _check_size(folder: Path, config: Mapping[str, Any]) -> None:
    """Compare a configuration with its weights: a loader would allocate and initialise missing ones."""
    wanted = [*_SIZES, *(name for name in ("head_dim", "num_key_value_heads") if config.get(name) is not None)]
    if not all(type(config.get(name)) is int and config[name] > 0 for name in wanted):
        raise BundleError(f"{folder / 'config.json'} is damaged: {', '.join(wanted)} must be numbers. Train again.")
    if config.get("attention_bias") or config.get("mlp_bias"):
        raise BundleError(f"{folder / 'config.json'} declares biases, which no saved model has. Train again.")
    check_llama(folder, config, shapes_of(folder))


def _object(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(read_regular_file(path))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read ({error}). Train again, or restore the file.") from error
    if not isinstance(found, dict):
        raise BundleError(f"{path} is damaged: it holds no object. Train again.")
    return found
