"""KV cache of transformers that is written in place instead of copied at every token."""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

__all__ = ["GrowingLayer", "growing_cache", "token_bytes"]

_MIN_CAPACITY = 64


class GrowingLayer(DynamicLayer):
    """Keys and values of one layer of full attention, with spare capacity for more tokens."""

    _key_buffer: torch.Tensor | None = None
    _value_buffer: torch.Tensor | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append keys and values, ``[rows, heads, tokens, width]``; returns all of them so far."""
        start = self.get_seq_length()
        stop = start + key_states.shape[-2]
        self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
        self._key_buffer = _with_capacity(self._key_buffer, key_states, start, stop)
        self._value_buffer = _with_capacity(self._value_buffer, value_states, start, stop)
        self._key_buffer[..., start:stop, :] = key_states
        self._value_buffer[..., start:stop, :] = value_states
        self.keys, self.values = self._key_buffer[..., :stop, :], self._value_buffer[..., :stop, :]
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Select rows, in this order; they may repeat."""
        length = self.get_seq_length()
        if not length or self._key_buffer is None or self._value_buffer is None:
            return
        self._key_buffer = _selected(self._key_buffer, indices, length)
        self._value_buffer = _selected(self._value_buffer, indices, length)
        self.keys, self.values = self._key_buffer[..., :length, :], self._value_buffer[..., :length, :]


def _with_capacity(buffer: torch.Tensor | None, states: torch.Tensor, length: int, needed: int) -> torch.Tensor:
    rows, heads, _, width = states.shape
    if buffer is not None and buffer.shape[-2] >= needed:
        return buffer
    tokens = max(needed, length + length // 2, _MIN_CAPACITY)
    grown = states.new_empty(rows, heads, tokens, width)
    if buffer is not None:
        grown[..., :length, :] = buffer[..., :length, :]
    return grown


def _selected(buffer: torch.Tensor, indices: torch.Tensor, length: int) -> torch.Tensor:
    _, heads, tokens, width = buffer.shape
    new = buffer.new_empty(len(indices), heads, tokens, width)
    # Only the filled part is copied.
    new[..., :length, :] = buffer[..., :length, :].index_select(0, indices)
    return new


def growing_cache(config: Any) -> DynamicCache:
    """An empty cache for a model.

    Layers with sliding-window attention or a recurrent state are left as transformers creates them.

    Args:
        config: The model's configuration.
    """
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def token_bytes(config: Any, dtype: torch.dtype) -> int:
    """Bytes of keys and values of one token, in all layers.

    Args:
        config: The model's configuration.
        dtype: Of keys and values.
    """
    text = config.get_text_config(decoder=True)
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return int(2 * text.num_hidden_layers * heads * width * dtype.itemsize)
