"""Device and precision of matrix products."""

from __future__ import annotations

import torch

__all__ = ["chosen_device", "chosen_dtype", "has_fast_bf16"]


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware."""
    return bool(torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.cpu._is_amx_tile_supported())


def chosen_device(name: str = "auto") -> torch.device:
    """The device of a name; ``auto`` takes a GPU when there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def chosen_dtype(name: str, device: torch.device) -> torch.dtype:
    """The precision of a name as torch spells it; ``auto`` depends on the device alone, never on measured speed."""
    if name == "auto":
        return torch.bfloat16 if has_fast_bf16(device) else torch.float32
    dtype: torch.dtype = getattr(torch, name)
    return dtype
