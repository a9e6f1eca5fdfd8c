"""Forward step of decoding: the hidden state after new tokens, given a KV cache of the earlier ones.

``CachedForwardStep`` runs any causal language model of transformers. ``LlamaForwardStep`` computes the same for a
plain Llama with several times less memory traffic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from attrs import frozen
from transformers import DynamicCache

from rowsmith_backends.scratch.decoding.llama_forward_step import INITIAL_TOKENS, LlamaForwardStep

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["CachedForwardStep", "ForwardStep", "LlamaForwardStep", "forward_step_for"]


class ForwardStep(Protocol):
    """The model as the decoder sees it; a KV cache holds one entry for each prefix."""

    @property
    def device(self) -> torch.device:
        """Device of the model."""

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids."""

    def empty_cache(self, capacity: int) -> Any:
        """An empty KV cache.

        Args:
            capacity: The most prefixes it may hold.
        """

    def forward(self, cache: Any, inputs: torch.Tensor) -> torch.Tensor:
        """Process new tokens and extend the KV cache in place.

        Args:
            cache: KV cache of the prefixes.
            inputs: ``[prefixes, tokens]`` token ids.

        Returns:
            The last hidden state of each prefix, ``[prefixes, width]``.
        """

    def logits(self, hidden: torch.Tensor, ids: slice | torch.Tensor) -> torch.Tensor:
        """Logits of some token ids, ``[prefixes, ids]``."""

    def select(self, cache: Any, prefixes: torch.Tensor, capacity: int, reuse: Any = None) -> Any:
        """Gather the KV cache of some prefixes into a cache of their own.

        Args:
            cache: Source cache; not changed.
            prefixes: ``[prefixes]`` int64 cache indices, which may repeat.
            capacity: The most prefixes the new cache may hold.
            reuse: An unused cache to overwrite; None to allocate one.
        """

    def prefix_bytes(self, cache: Any) -> int:
        """Bytes of the cache of one prefix."""


@frozen(eq=False)
class CachedForwardStep:
    """Any causal language model, through its own forward pass.

    Attributes:
        model: The model; its base model is ``model.model``.
    """

    model: PreTrainedModel

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return self.model.device

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids."""
        return len(self.model.lm_head.weight)

    def empty_cache(self, capacity: int) -> DynamicCache:
        """An empty KV cache."""
        return DynamicCache()

    def forward(self, cache: DynamicCache, inputs: torch.Tensor) -> torch.Tensor:
        """Process new tokens; the last hidden state of each prefix."""
        output = self.model.model(input_ids=inputs, past_key_values=cache, use_cache=True)
        return output.last_hidden_state[:, -1]

    def logits(self, hidden: torch.Tensor, ids: slice | torch.Tensor) -> torch.Tensor:
        """Logits of some token ids."""
        return hidden @ self.model.lm_head.weight[ids].T

    def select(self, cache: DynamicCache, prefixes: torch.Tensor, capacity: int, reuse: Any = None) -> DynamicCache:
        """Gather the KV cache of some prefixes into a cache of their own."""
        new = DynamicCache()
        for number, layer in enumerate(cache.layers):
            new.update(layer.keys[prefixes], layer.values[prefixes], number)
        return new

    def prefix_bytes(self, cache: DynamicCache) -> int:
        """Bytes of the cache of one prefix."""
        return sum(2 * layer.keys[0].numel() * layer.keys.element_size() for layer in cache.layers)


def forward_step_for(model: PreTrainedModel, dtype: torch.dtype, max_tokens: int) -> ForwardStep:
    """The fastest forward step for a model.

    Args:
        model: The model.
        dtype: Precision of matrix products.
        max_tokens: The most tokens of a record, prompt included.
    """
    config = model.config
    plain = (
        type(model).__name__ == "LlamaForCausalLM"
        and config.num_key_value_heads == config.num_attention_heads
        and config.hidden_act == "silu"
        and not config.attention_bias
        and not config.mlp_bias
    )
    return LlamaForwardStep(model, dtype, min(max_tokens, 4 * INITIAL_TOKENS)) if plain else CachedForwardStep(model)
