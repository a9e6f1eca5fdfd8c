"""What a saved model may hold: files that are data, inside their folder, as large as they say.

A bundle may come from someone else. Nothing in it is ever run: weights are safetensors, the rest is
JSON, and whatever else a loader might pick up is refused by its name before any loader sees it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from rowsmith.errors import BundleError

__all__ = ["check_checkpoint", "check_links"]

_DATA = re.compile(
    r"config\.json|generation_config\.json|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json"
    r"|model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json"
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


def check_checkpoint(folder: Path) -> None:
    """Refuse a checkpoint that is more than data.

    Args:
        folder: A Llama checkpoint with its tokenizer.

    Raises:
        BundleError: It holds a file that such a checkpoint does not have, such as a pickle, code or an
            adapter; asks for code; or is of another kind or far larger than its weights.
    """
    for path in sorted(folder.rglob("*")):
        if not _DATA.fullmatch(path.relative_to(folder).as_posix()):
            raise BundleError(
                f"{path} is no part of a saved model. Only safetensors and JSON are read: remove the file."
            )
    config = _object(folder / "config.json")
    for name, values in (("config.json", config), ("tokenizer_config.json", _object(folder / "tokenizer_config.json"))):
        if "auto_map" in values:
            raise BundleError(f"{folder / name} asks for code of its own (auto_map), which is never run.")
    if config.get("model_type") != "llama":
        raise BundleError(f"{folder / 'config.json'} is of the kind {config.get('model_type')!r}; only llama is read.")
    _check_size(folder, config)


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
