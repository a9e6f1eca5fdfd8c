"""Shapes of weights, read from file headers alone and compared with a configuration."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rowsmith.errors import BundleError
from rowsmith.storage.regular_files import parse_json, read_regular_file

__all__ = ["INDEX_FILE", "Shapes", "check_llama", "shapes_of"]

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each tensor by its name."""

INDEX_FILE = "model.safetensors.index.json"

_LENGTH = struct.Struct("<Q")
_MOST_HEADER = 2**23
_BYTES = {
    **{"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2},
    **{"U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8},
}


def shapes_of(folder: Path) -> Shapes:
    """Read the tensor shapes of all weight files in a folder.

    Args:
        folder: A checkpoint or an adapter.

    Raises:
        BundleError: A header is damaged, too long, or does not match the size of its file.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            found = _read(path)
        except (OSError, ValueError, RecursionError, struct.error) as error:
            raise BundleError(f"{path} cannot be loaded ({error}). Train again, or restore the file.") from error
        twice = next((name for name in found if name in shapes), None)
        if twice is not None:
            raise BundleError(f"{path} cannot be loaded (it holds {twice!r:.100} once more). Restore the file.")
        shapes.update(found)
    _check_index(folder / INDEX_FILE, shapes)
    return shapes


def _read(path: Path) -> dict[str, tuple[int, ...]]:
    if not path.is_file():
        raise ValueError("it is no regular file")
    with path.open("rb") as file:
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        room = path.stat().st_size - _LENGTH.size - length
        if length > _MOST_HEADER or room < 0:
            raise ValueError(f"its header has {length:,} bytes, more than the file or any use of it")
        header = parse_json(file.read(length).decode("utf-8"))
    if not isinstance(header, dict):
        raise ValueError("its header holds no object")
    return {name: _shape(name, entry, room) for name, entry in header.items() if name != "__metadata__"}


def _shape(name: str, entry: Any, room: int) -> tuple[int, ...]:
    """The shape of a tensor; its size must equal that of its data in the file."""
    entry = entry if isinstance(entry, dict) else {}
    shape, offsets, size = entry.get("shape"), entry.get("data_offsets"), _BYTES.get(str(entry.get("dtype")))
    sound = _are_counts(shape) and _are_counts(offsets) and len(offsets) == 2 and offsets[0] <= offsets[1] <= room
    if not sound or size is None or math.prod(shape) * size != offsets[1] - offsets[0]:
        raise ValueError(f"its header does not fit its tensor {name!r:.100}")
    return tuple(shape)


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and len(value) < 16 and all(type(each) is int and each >= 0 for each in value)


def _check_index(path: Path, shapes: Shapes) -> None:
    """Check that a weight index names only the files beside it."""
    if not path.exists():
        return
    try:
        listed = parse_json(read_regular_file(path)).get("weight_map")
    except (OSError, ValueError, RecursionError, AttributeError) as error:
        raise BundleError(f"{path} cannot be read ({error}). Train again, or restore the file.") from error
    names = {each.name for each in path.parent.glob("*.safetensors")}
    if (
        not isinstance(listed, dict)
        or set(listed) != set(shapes)
        or not all(isinstance(each, str) and each in names for each in listed.values())
    ):
        raise BundleError(f"{path} names other weights than the files beside it hold. Restore the files.")


def check_llama(folder: Path, config: Mapping[str, Any], shapes: Shapes) -> None:
    """Refuse weights that do not match a configuration, before memory is allocated.

    Args:
        folder: The checkpoint, for messages.
        config: Its configuration.
        shapes: Its tensors.

    Raises:
        BundleError: A tensor is missing, unexpected, or of another shape.
    """
    layers = config["num_hidden_layers"]
    if layers > len(shapes):
        raise BundleError(f"{folder / 'config.json'} declares {layers:,} layers, more than there are weights. {_HOW}")
    expected = _llama(config)
    missing, further = sorted(expected.keys() - shapes.keys()), sorted(shapes.keys() - expected.keys())
    if missing:
        raise BundleError(f"{folder} lacks weights that its configuration declares, {missing[0]!r} among them. {_HOW}")
    if further:
        raise BundleError(
            f"{folder} holds weights that its configuration does not declare, {further[0]!r:.100} among them. {_HOW}"
        )
    odd = next((name for name, shape in expected.items() if shapes[name] != shape), None)
    if odd is not None:
        raise BundleError(
            f"{folder / 'config.json'} declares {odd} as {expected[odd]}, but the weights hold {shapes[odd]}. {_HOW}"
        )


_HOW = "Train again, or restore the files."


def _llama(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    width, mlp, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    head = config.get("head_dim") or width // heads
    keys = (config.get("num_key_value_heads") or heads) * head
    layer = {
        "input_layernorm.weight": (width,),
        "post_attention_layernorm.weight": (width,),
        "self_attn.q_proj.weight": (heads * head, width),
        "self_attn.k_proj.weight": (keys, width),
        "self_attn.v_proj.weight": (keys, width),
        "self_attn.o_proj.weight": (width, heads * head),
        "mlp.gate_proj.weight": (mlp, width),
        "mlp.up_proj.weight": (mlp, width),
        "mlp.down_proj.weight": (width, mlp),
    }
    ends = {"model.embed_tokens.weight": (config["vocab_size"], width), "model.norm.weight": (width,)}
    if not config.get("tie_word_embeddings"):
        ends["lm_head.weight"] = (config["vocab_size"], width)
    inner = {
        f"model.layers.{number}.{name}": shape
        for number in range(config["num_hidden_layers"])
        for name, shape in layer.items()
    }
    return {**ends, **inner}
