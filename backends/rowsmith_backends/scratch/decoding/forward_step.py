"""One step of decoding: what a model makes of the tokens it has not read, given what it has.

``CachedSteps`` asks any causal language model of transformers. ``LlamaSteps`` computes the same for a plain
Llama with its own weights: a key-value cache that is written in place instead of grown by copying, joined
projections, and matrix products in bfloat16 around residuals in float32, as in training. At one token a row
a step is bound by memory traffic, of which this is several times less. What can be done to the weights is not
done to every row: they are multiplied by those of the norms before them once, and since all rows stand at the
same place, the weights of queries and keys are turned to it instead of the queries and keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as F
from attrs import define, field, frozen
from transformers import DynamicCache

from rowsmith_backends.scratch.shape_buckets import rounded

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

    def empty(self, room: int) -> Any:
        """A memory with room for some nodes, at which nothing was read."""

    def read(self, memory: Any, inputs: torch.Tensor) -> torch.Tensor:
        """Read ``[nodes, tokens]`` ids into the memory; the last hidden state of each node, ``[nodes, width]``."""

    def logits(self, hidden: torch.Tensor, ids: slice | torch.Tensor) -> torch.Tensor:
        """``[nodes, ids]`` logits of some ids."""

    def select(self, memory: Any, nodes: torch.Tensor, room: int, spare: Any = None) -> Any:
        """The memory of some nodes, for itself.

        Args:
            memory: Of the nodes; it stays as it is.
            nodes: ``[nodes]`` int64, which may repeat.
            room: The most nodes that there may be in time.
            spare: A memory that nobody wants any more, to be written over.
        """

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

    def empty(self, room: int) -> DynamicCache:
        """A memory at whose nodes nothing was read."""
        return DynamicCache()

    def read(self, memory: DynamicCache, inputs: torch.Tensor) -> torch.Tensor:
        """Read tokens; the last hidden state of each node."""
        output = self.model.model(input_ids=inputs, past_key_values=memory, use_cache=True)
        return output.last_hidden_state[:, -1]

    def logits(self, hidden: torch.Tensor, ids: slice | torch.Tensor) -> torch.Tensor:
        """Logits of some ids."""
        return hidden @ self.model.lm_head.weight[ids].T

    def select(self, memory: DynamicCache, nodes: torch.Tensor, room: int, spare: Any = None) -> DynamicCache:
        """The memory of some nodes, for itself."""
        made = DynamicCache()
        for number, layer in enumerate(memory.layers):
            made.update(layer.keys[nodes], layer.values[nodes], number)
        return made

    def size(self, memory: DynamicCache) -> int:
        """Bytes that a node takes."""
        return sum(2 * layer.keys[0].numel() * layer.keys.element_size() for layer in memory.layers)


@frozen(eq=False)
class _Block:
    """The weights of one Llama block, joined where they read the same input, those of its norms among them.

    Attributes:
        attention: ``[3 * width, width]`` queries, keys and values.
        turning: ``[2, heads, width of a head, width]`` those of queries and keys, in float32.
        out: ``[width, width]``.
        up_gate: ``[2 * MLP, width]``.
        down: ``[width, MLP]``.
    """

    attention: torch.Tensor
    turning: torch.Tensor
    out: torch.Tensor
    up_gate: torch.Tensor
    down: torch.Tensor


@define(eq=False)
class _Memory:
    """Keys and values of every layer, ``[room for nodes, heads, room for tokens, width of a head]`` each.

    Attributes:
        filled: Tokens that were read.
    """

    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    filled: int = 0

    @property
    def tensors(self) -> list[torch.Tensor]:
        """All of them."""
        return [*self.keys, *self.values]


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
        return tuple(self._block(layer) for layer in self.model.model.layers)

    def _block(self, layer: Any) -> _Block:
        config = self.model.config
        attention = torch.cat(_projections(layer)) * layer.input_layernorm.weight
        up_gate = torch.cat(_up_gate(layer)) * layer.post_attention_layernorm.weight
        return _Block(
            attention=attention.to(self.dtype),
            turning=attention.unflatten(0, (3, config.num_attention_heads, config.head_dim))[:2],
            out=layer.self_attn.o_proj.weight.to(self.dtype),
            up_gate=up_gate.to(self.dtype),
            down=layer.mlp.down_proj.weight.to(self.dtype),
        )

    @head.default
    def _cast_head(self) -> torch.Tensor:
        return (self.model.lm_head.weight * self.model.model.norm.weight).to(self.dtype)

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

    def empty(self, room: int) -> _Memory:
        """A memory with room for some nodes, at which nothing was read."""
        return self._blank(room, self.room)

    def _blank(self, nodes: int, tokens: int) -> _Memory:
        config = self.model.config
        shape = rounded(nodes), config.num_attention_heads, tokens, config.head_dim
        keys, values = (
            [torch.empty(shape, dtype=self.dtype, device=self.device) for _ in self.blocks] for _ in range(2)
        )
        return _Memory(keys, values)

    def read(self, memory: _Memory, inputs: torch.Tensor) -> torch.Tensor:
        """Read tokens; the last hidden state of each node."""
        start, stop = memory.filled, memory.filled + inputs.shape[1]
        count, nodes = len(inputs), rounded(len(inputs))
        self._make_room(memory, count, stop)
        inputs = F.pad(inputs, (0, 0, 0, nodes - count))
        hidden = F.embedding(inputs, self.model.model.embed_tokens.weight).float()
        for number, block in enumerate(self.blocks):
            keys, values = memory.keys[number][:nodes], memory.values[number][:nodes]
            mixed = self._attend(block, keys, values, self._normed(hidden), start)
            hidden = hidden.add_(F.linear(mixed, block.out))
            hidden = hidden.add_(F.linear(_gated(F.linear(self._normed(hidden), block.up_gate)), block.down))
        memory.filled = stop
        return self._normed(hidden[:count, -1])

    def _normed(self, hidden: torch.Tensor) -> torch.Tensor:
        size = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True)
        mean = size.square_().div_(hidden.shape[-1])
        return (hidden * mean.add_(self.model.config.rms_norm_eps).rsqrt_()).to(self.dtype)

    def _attend(
        self, block: _Block, keys: torch.Tensor, values: torch.Tensor, hidden: torch.Tensor, start: int
    ) -> torch.Tensor:
        nodes, tokens, _ = hidden.shape
        heads, width = keys.shape[1], keys.shape[3]
        stop = start + tokens
        queries, keys[:, :, start:stop], values[:, :, start:stop] = self._projected(block, hidden, start)
        seen = _seen(tokens, stop, hidden.device) if start and tokens > 1 else None
        mixed = F.scaled_dot_product_attention(
            queries, keys[:, :, :stop], values[:, :, :stop], attn_mask=seen, is_causal=tokens > 1 and not start
        )
        return mixed.transpose(1, 2).reshape(nodes, tokens, heads * width)

    def _projected(self, block: _Block, hidden: torch.Tensor, start: int) -> tuple[torch.Tensor, ...]:
        """Queries, keys and values, ``[nodes, heads, tokens, width]`` each, the former two turned to their places."""
        nodes, tokens, width = hidden.shape
        by_weights = tokens == 1 and nodes >= width
        weights = self._turned(block, start) if by_weights else block.attention
        joined = F.linear(hidden, weights).view(nodes, tokens, 3, *block.turning.shape[1:3])
        queries, keys, values = joined.permute(2, 0, 3, 1, 4)
        if not by_weights:
            queries, keys = (self._rotated(part, start, start + tokens).to(self.dtype) for part in (queries, keys))
        return queries, keys, values

    def _turned(self, block: _Block, place: int) -> torch.Tensor:
        """The weights of attention, those of queries and keys turned to a place."""
        turned = self._rotated(block.turning.transpose(-1, -2), place, place + 1).transpose(-1, -2)
        both = turned.to(self.dtype).flatten(0, 2)
        return torch.cat([both, block.attention[len(both) :]])

    def _rotated(self, parts: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """Queries or keys, ``[..., tokens, width]``, turned to their places."""
        cos, sin = (angles[start:stop] for angles in self.rotary)
        left, right = parts.chunk(2, dim=-1)
        # The sine of the left half is negative, so that the halves need only change places.
        return torch.addcmul(parts * cos, torch.cat([right, left], dim=-1), sin)

    def logits(self, hidden: torch.Tensor, ids: slice | torch.Tensor) -> torch.Tensor:
        """Logits of some ids."""
        count = len(hidden)
        return F.linear(F.pad(hidden, (0, 0, 0, rounded(count) - count)), self.head[ids])[:count].float()

    def _make_room(self, memory: _Memory, nodes: int, tokens: int) -> None:
        room = memory.keys[0].shape[2]
        if tokens <= room:
            return
        wider = self._blank(len(memory.keys[0]), max(tokens, 2 * room))
        for made, old in zip(wider.tensors, memory.tensors, strict=True):
            made[:nodes, :, : memory.filled] = old[:nodes, :, : memory.filled]
        memory.keys, memory.values = wider.keys, wider.values

    def select(self, memory: _Memory, nodes: torch.Tensor, room: int, spare: _Memory | None = None) -> _Memory:
        """The memory of some nodes, for itself."""
        tokens = memory.keys[0].shape[2]
        # Of the same room for tokens: what a node takes decides where trees are cut, which must not vary.
        if spare is None or len(spare.keys[0]) < room or spare.keys[0].shape[2] != tokens:
            spare = self._blank(room, tokens)
        spare.filled = memory.filled
        for made, old in zip(spare.tensors, memory.tensors, strict=True):
            made = made[: len(nodes), :, : memory.filled]
            torch.index_select(old[:, :, : memory.filled], 0, nodes, out=made)
        return spare

    def size(self, memory: _Memory) -> int:
        """Bytes that a node takes."""
        return sum(2 * keys[0].numel() * keys.element_size() for keys in memory.keys)


def _seen(tokens: int, stop: int, device: torch.device) -> torch.Tensor:
    """``[tokens, stop]``: which earlier tokens each of the newest ones may look at."""
    return torch.ones(tokens, stop, dtype=torch.bool, device=device).tril(stop - tokens)


def _projections(layer: Any) -> list[torch.Tensor]:
    attention = layer.self_attn
    return [part.weight for part in (attention.q_proj, attention.k_proj, attention.v_proj)]


def _up_gate(layer: Any) -> list[torch.Tensor]:
    return [layer.mlp.up_proj.weight, layer.mlp.gate_proj.weight]


def _gated(up_gate: torch.Tensor) -> torch.Tensor:
    """SwiGLU's ``up * silu(gate)``, with fewer passes over memory."""
    return F.glu(up_gate).mul_(up_gate.chunk(2, dim=-1)[1])


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
