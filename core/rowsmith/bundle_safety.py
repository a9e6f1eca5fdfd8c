"""What a saved model may hold: files that are data, inside their folder, as large as they say.

A bundle may come from someone else. Nothing in it is ever run: weights are safetensors, the rest is
JSON, and whatever else a loader might pick up is refused by its name before any loader sees it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from rowsmith.errors import BundleError

__all__ = ["ADAPTER_CONFIG", "ADAPTER_WEIGHTS", "check_adapter", "check_checkpoint", "check_links"]

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

_TOKENIZER = r"tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json"
_CHECKPOINT_FILES = re.compile(
    rf"config\.json|generation_config\.json|{_TOKENIZER}"
    r"|model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json"
)
_ADAPTER_FILES = re.compile(rf"{re.escape(ADAPTER_CONFIG)}|{re.escape(ADAPTER_WEIGHTS)}|{_TOKENIZER}")
# Settings of an adapter that would import something, replace whole layers, or grow the model.
_PLAIN_LORA = (
    *("modules_to_save", "megatron_config", "layer_replication", "trainable_token_indices", "auto_mapping"),
    *("target_parameters", "rank_pattern", "alpha_pattern", "use_dora", "lora_bias", "use_qalora"),
)
_SIZES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")


def check_links(folder: Path) -> None:
    """Refuse a folder with a link that leads out of it.

    Args:
        folder: The folder; it may be a link itself.

    Raises:
        BundleError: Naming the link.
    """
    root = folder.resolve()
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            raise BundleError(f"{path} is a link that leads out of {folder}. Remove it, or copy the file here.")


def check_checkpoint(folder: Path, kinds: Collection[str] | None = ("llama",)) -> None:
    """Refuse a checkpoint that is more than data.

    Args:
        folder: A checkpoint with its tokenizer.
        kinds: The kinds of model that are read, of which the size is checked too; None for any kind.

    Raises:
        BundleError: It holds a file that such a checkpoint does not have, such as a pickle, code or an
            adapter; asks for code; or is of another kind or far larger than its weights.
    """
    _check_files(folder, _CHECKPOINT_FILES)
    config = _object(folder / "config.json")
    _check_code(folder / "config.json", config)
    _check_code(folder / "tokenizer_config.json", _object(folder / "tokenizer_config.json"))
    if kinds is None:
        return
    if config.get("model_type") not in kinds:
        known = " and ".join(kinds)
        raise BundleError(
            f"{folder / 'config.json'} is of the kind {config.get('model_type')!r}; only {known} is read."
        )
    _check_size(folder, config)


def check_adapter(folder: Path) -> None:
    """Refuse a saved adapter that is more than data, or not a plain LoRA adapter.

    Args:
        folder: The adapter with the tokenizer of its base model.

    Raises:
        BundleError: As for ``check_checkpoint``.
    """
    _check_files(folder, _ADAPTER_FILES)
    _check_code(folder / "tokenizer_config.json", _object(folder / "tokenizer_config.json"))
    path = folder / ADAPTER_CONFIG
    config = _object(path)
    if config.get("peft_type") != "LORA":
        raise BundleError(f"{path} is an adapter of the kind {config.get('peft_type')!r}; only LORA is read.")
    odd = [name for name in _PLAIN_LORA if config.get(name)]
    if odd:
        raise BundleError(f"{path} sets {odd[0]}, which is not read: only plain LoRA adapters are. Train again.")
    rank, modules = config.get("r"), config.get("target_modules")
    named = isinstance(modules, list) and modules and all(isinstance(name, str) for name in modules)
    if not isinstance(rank, int) or rank < 1 or not named:
        raise BundleError(f"{path} is damaged: it must name layers and a rank. Train again, or restore the file.")


def _check_files(folder: Path, known: re.Pattern[str]) -> None:
    for path in sorted(folder.rglob("*")):
        if not known.fullmatch(path.relative_to(folder).as_posix()):
            raise BundleError(
                f"{path} is no part of a saved model. Only safetensors and JSON are read: remove the file."
            )


def _check_code(path: Path, values: dict[str, Any]) -> None:
    if "auto_map" in values:
        raise BundleError(f"{path} asks for code of its own (auto_map), which is never run.")


def _check_size(folder: Path, config: dict[str, Any]) -> None:
    """A model cannot be larger than its weights: what is missing would be made up, and fill the memory."""
    sizes = [config.get(name) for name in _SIZES]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise BundleError(f"{folder / 'config.json'} is damaged: {', '.join(_SIZES)} must be numbers. Train again.")
    vocabulary, width, mlp, layers, _ = (int(size or 0) for size in sizes)
    declared = vocabulary * width + layers * 3 * width * mlp
    held = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if declared > held:
        raise BundleError(
            f"{folder / 'config.json'} declares {declared:,} parameters or more, but the weights hold {held:,} bytes. "
            "Train again, or restore the files."
        )


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read ({error}). Train again, or restore the file.") from error
    if not isinstance(found, dict):
        raise BundleError(f"{path} is damaged: it holds no object. Train again.")
    return found
