"""A key-value cache of transformers that is written in place, instead of copied at every token."""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

__all__ = ["GrowingLayer", "growing_cache", "token_bytes"]

_LEAST_ROOM = 64


class GrowingLayer(DynamicLayer):
    """Keys and values of one layer of full attention, with room for more tokens behind them."""

    _key_room: torch.Tensor | None = None
    _value_room: torch.Tensor | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add keys and values, ``[rows, heads, tokens, width]``; all of them so far."""
        start = self.get_seq_length()
        stop = start + key_states.shape[-2]
        self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
        self._key_room = _with_room(self._key_room, key_states, start, stop)
        self._value_room = _with_room(self._value_room, value_states, start, stop)
        self._key_room[..., start:stop, :] = key_states
        self._value_room[..., start:stop, :] = value_states
        self.keys, self.values = self._key_room[..., :stop, :], self._value_room[..., :stop, :]
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep some rows, in this order; they may repeat."""
        filled = self.get_seq_length()
        if not filled or self._key_room is None or self._value_room is None:
            return
        self._key_room = _selected(self._key_room, indices, filled)
        self._value_room = _selected(self._value_room, indices, filled)
        self.keys, self.values = self._key_room[..., :filled, :], self._value_room[..., :filled, :]


def _with_room(room: torch.Tensor | None, states: torch.Tensor, filled: int, needed: int) -> torch.Tensor:
    rows, heads, _, width = states.shape
    if room is not None and room.shape[-2] >= needed:
        return room
    tokens = max(needed, filled + filled // 2, _LEAST_ROOM)
    wider = states.new_empty(rows, heads, tokens, width)
    if room is not None:
        wider[..., :filled, :] = room[..., :filled, :]
    return wider


def _selected(room: torch.Tensor, indices: torch.Tensor, filled: int) -> torch.Tensor:
    _, heads, tokens, width = room.shape
    made = room.new_empty(len(indices), heads, tokens, width)
    # Only what is filled is worth copying.
    made[..., :filled, :] = room[..., :filled, :].index_select(0, indices)
    return made


def growing_cache(config: Any) -> DynamicCache:
    """An empty cache for a model.

    Layers that look at a window, or keep a state, stay as transformers makes them.

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
