"""One step of decoding: what a model makes of the tokens it has not read, given what it has.

``CachedSteps`` asks any causal language model of transformers. ``LlamaSteps`` computes the same for a plain
Llama with its own weights: a key-value cache that is written in place instead of grown by copying, joined
projections, and matrix products in bfloat16 around residuals in float32, as in training. At one token a row
a step is bound by memory traffic, of which this is several times less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as F
from attrs import define, field, frozen
from transformers import DynamicCache

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedModel

__all__ = ["CachedSteps", "LlamaSteps", "Steps", "steps_for"]

_BLOCK = 32


class Steps(Protocol):
    """A model as the decoder sees it; a memory holds what was read at each node."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    def vocabulary_size(self) -> int:
        """Number of ids."""

    def empty(self, nodes: int) -> Any:
        """The memory of nodes at which nothing was read."""

    def read(self, memory: Any, inputs: torch.Tensor) -> torch.Tensor:
        """Read ``[nodes, tokens]`` ids into the memory; the last hidden state of each node, ``[nodes, width]``."""

    def logits(self, hidden: torch.Tensor, ids: slice | torch.Tensor) -> torch.Tensor:
        """``[nodes, ids]`` logits of some ids."""

    def select(self, memory: Any, nodes: torch.Tensor) -> Any:
        """A memory of its own for some nodes, which may repeat."""

    def size(self, memory: Any) -> int:
        """Bytes that a node takes."""


@frozen(eq=False)
class CachedSteps:
    """Any causal language model, through its own forward pass.

    Attributes:
        model: The model; its base model is ``model.model``.
    """

    model: PreTrainedModel

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.model.device

    @property
    def vocabulary_size(self) -> int:
        """Number of ids."""
        return len(self.model.lm_head.weight)

    def empty(self, nodes: int) -> DynamicCache:
        """The memory of nodes at which nothing was read."""
        return DynamicCache()

    def read(self, memory: DynamicCache, inputs: torch.Tensor) -> torch.Tensor:
        """Read tokens; the last hidden state of each node."""
        output = self.model.model(input_ids=inputs, past_key_values=memory, use_cache=True)
        return output.last_hidden_state[:, -1]

    def logits(self, hidden: torch.Tensor, ids: slice | torch.Tensor) -> torch.Tensor:
        """Logits of some ids."""
        return hidden @ self.model.lm_head.weight[ids].T

    def select(self, memory: DynamicCache, nodes: torch.Tensor) -> DynamicCache:
        """A memory of its own for some nodes, which may repeat."""
        made = DynamicCache()
        for number, layer in enumerate(memory.layers):
            made.update(layer.keys[nodes], layer.values[nodes], number)
        return made

    def size(self, memory: DynamicCache) -> int:
        """Bytes that a node takes."""
        return sum(2 * layer.keys[0].numel() * layer.keys.element_size() for layer in memory.layers)


@frozen(eq=False)
class _Block:
    """The weights of one Llama block, joined where they read the same input."""

    before: torch.Tensor
    attention: torch.Tensor
    out: torch.Tensor
    after: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


@define(eq=False)
class _Memory:
    """Keys and values of every layer, ``[nodes, heads, room, width of a head]`` each, and how far they are filled."""

    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    filled: int = 0


@frozen(eq=False)
class LlamaSteps:
    """A plain Llama, computed from its weights.

    Attributes:
        model: The model, in float32.
        dtype: Of matrix products and the cache.
        room: Tokens for which the cache has room at first.
    """

    model: LlamaForCausalLM
    dtype: torch.dtype
    room: int = _BLOCK
    blocks: tuple[_Block, ...] = field(init=False)
    head: torch.Tensor = field(init=False)
    rotary: tuple[torch.Tensor, torch.Tensor] = field(init=False)

    @blocks.default
    def _joined(self) -> tuple[_Block, ...]:
        return tuple(
            _Block(
                before=layer.input_layernorm.weight.float(),
                attention=torch.cat([part.weight for part in _projections(layer)]).to(self.dtype),
                out=layer.self_attn.o_proj.weight.to(self.dtype),
                after=layer.post_attention_layernorm.weight.float(),
                gate_up=torch.cat([layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight]).to(self.dtype),
                down=layer.mlp.down_proj.weight.to(self.dtype),
            )
            for layer in self.model.model.layers
        )

    @head.default
    def _cast_head(self) -> torch.Tensor:
        return self.model.lm_head.weight.to(self.dtype)

    @rotary.default
    def _angles(self) -> tuple[torch.Tensor, torch.Tensor]:
        longest = self.model.config.max_position_embeddings
        places = torch.arange(longest, device=self.model.device).unsqueeze(0)
        cos, sin = self.model.model.rotary_emb(torch.empty(0, device=self.model.device), places)
        half = sin.shape[-1] // 2
        return cos[0], torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.model.device

    @property
    def vocabulary_size(self) -> int:
        """Number of ids."""
        return len(self.head)

    def empty(self, nodes: int) -> _Memory:
        """The memory of nodes at which nothing was read."""
        keys, values = ([self._new(nodes, self.room) for _ in self.blocks] for _ in range(2))
        return _Memory(keys, values)

    def _new(self, nodes: int, room: int) -> torch.Tensor:
        config = self.model.config
        return torch.empty(
            nodes, config.num_attention_heads, room, config.head_dim, dtype=self.dtype, device=self.device
        )

    def read(self, memory: _Memory, inputs: torch.Tensor) -> torch.Tensor:
        """Read tokens; the last hidden state of each node."""
        start, stop = memory.filled, memory.filled + inputs.shape[1]
        self._make_room(memory, stop)
        hidden = F.embedding(inputs, self.model.model.embed_tokens.weight).float()
        for number, block in enumerate(self.blocks):
            mixed = self._attend(
                block, memory.keys[number], memory.values[number], self._normed(hidden, block.before), start
            )
            hidden = hidden + F.linear(mixed, block.out)
            gate, up = F.linear(self._normed(hidden, block.after), block.gate_up).chunk(2, dim=-1)
            hidden = hidden + F.linear(F.silu(gate) * up, block.down)
        memory.filled = stop
        return self._normed(hidden[:, -1], self.model.model.norm.weight)

    def _normed(self, hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(hidden, weight.shape, weight, self.model.config.rms_norm_eps).to(self.dtype)

    def _attend(
        self, block: _Block, keys: torch.Tensor, values: torch.Tensor, hidden: torch.Tensor, start: int
    ) -> torch.Tensor:
        nodes, tokens, _ = hidden.shape
        heads, width = keys.shape[1], keys.shape[3]
        joined = F.linear(hidden, block.attention).view(nodes, tokens, 3, heads, width).transpose(1, 3)
        stop = start + tokens
        turned = self._rotated(joined[:, :, :2], start, stop)
        keys[:, :, start:stop] = turned[:, :, 1]
        values[:, :, start:stop] = joined[:, :, 2]
        seen = _seen(tokens, stop, hidden.device) if start and tokens > 1 else None
        mixed = F.scaled_dot_product_attention(
            turned[:, :, 0], keys[:, :, :stop], values[:, :, :stop], attn_mask=seen, is_causal=tokens > 1 and not start
        )
        return mixed.transpose(1, 2).reshape(nodes, tokens, heads * width)

    def _rotated(self, heads: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """Queries and keys, ``[nodes, heads, ..., tokens, width]``, turned to their places."""
        cos, sin = (angles[start:stop] for angles in self.rotary)
        left, right = heads.chunk(2, dim=-1)
        # The sine of the left half is negative, so that the halves need only change places.
        return torch.addcmul(heads * cos, torch.cat([right, left], dim=-1), sin).to(self.dtype)

    def logits(self, hidden: torch.Tensor, ids: slice | torch.Tensor) -> torch.Tensor:
        """Logits of some ids."""
        return F.linear(hidden, self.head[ids]).float()

    def _make_room(self, memory: _Memory, tokens: int) -> None:
        nodes, _, room, _ = memory.keys[0].shape
        if tokens <= room:
            return
        wider = max(tokens, 2 * room)
        for tensors in (memory.keys, memory.values):
            for number, old in enumerate(tensors):
                tensors[number] = self._new(nodes, wider)
                tensors[number][:, :, :room] = old

    def select(self, memory: _Memory, nodes: torch.Tensor) -> _Memory:
        """A memory of its own for some nodes, which may repeat."""
        keys, values = (
            [self._copied(part, nodes, memory.filled) for part in both] for both in (memory.keys, memory.values)
        )
        return _Memory(keys, values, memory.filled)

    def _copied(self, part: torch.Tensor, nodes: torch.Tensor, filled: int) -> torch.Tensor:
        made = self._new(len(nodes), part.shape[2])
        torch.index_select(part[:, :, :filled], 0, nodes, out=made[:, :, :filled])
        return made

    def size(self, memory: _Memory) -> int:
        """Bytes that a node takes."""
        return sum(2 * keys[0].numel() * keys.element_size() for keys in memory.keys)


def _seen(tokens: int, stop: int, device: torch.device) -> torch.Tensor:
    """``[tokens, stop]``: which earlier tokens each of the newest ones may look at."""
    return torch.ones(tokens, stop, dtype=torch.bool, device=device).tril(stop - tokens)


def _projections(layer: Any) -> tuple[Any, Any, Any]:
    attention = layer.self_attn
    return attention.q_proj, attention.k_proj, attention.v_proj


def steps_for(model: PreTrainedModel, dtype: torch.dtype, room: int) -> Steps:
    """The fastest way to step a model.

    Args:
        model: The model.
        dtype: Of matrix products.
        room: The most tokens of a record, prompt included.
    """
    config = model.config
    plain = (
        type(model).__name__ == "LlamaForCausalLM"
        and config.num_key_value_heads == config.num_attention_heads
        and config.hidden_act == "silu"
        and not config.attention_bias
        and not config.mlp_bias
    )
    return LlamaSteps(model, dtype, min(room, 4 * _BLOCK)) if plain else CachedSteps(model)
