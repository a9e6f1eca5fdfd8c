"""Forward step of a plain Llama, computed from its weights.

It has a KV cache that is written in place instead of grown by copying, fused projections, and matrix products in
bfloat16 around float32 residuals, as in training. At one token a row a step is bound by memory bandwidth, and this
needs several times less of it. Work is moved from the rows to the weights: the weights of the norms are folded into
the projections once, and since all rows are at the same position, the rotary embedding is applied to the query and
key weights instead of the queries and keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from attrs import define, field, frozen

from rowsmith_backends.scratch.shape_buckets import round_up

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

__all__ = ["INITIAL_TOKENS", "LlamaForwardStep"]

INITIAL_TOKENS = 32
"""Token capacity that a KV cache begins with where nothing else is said."""


@frozen(eq=False)
class _Block:
    """Weights of one Llama block: projections of the same input fused, norm weights folded in.

    Attributes:
        attention: ``[3 * width, width]`` query, key and value projections.
        query_key: ``[2, heads, head width, width]`` query and key projections in float32, for the rotary embedding.
        out: ``[width, width]`` output projection of attention.
        up_gate: ``[2 * MLP, width]`` up and gate projections.
        down: ``[width, MLP]`` down projection.
    """

    attention: torch.Tensor
    query_key: torch.Tensor
    out: torch.Tensor
    up_gate: torch.Tensor
    down: torch.Tensor


@define(eq=False)
class _KVCache:
    """KV cache that is written in place, with spare capacity.

    Attributes:
        keys: Keys by layer, ``[prefix capacity, heads, token capacity, head width]`` each.
        values: Values by layer, of the same shape.
        length: Tokens in the cache.
    """

    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    length: int = 0

    @property
    def tensors(self) -> list[torch.Tensor]:
        """Keys and values of all layers."""
        return [*self.keys, *self.values]


@frozen(eq=False)
class LlamaForwardStep:
    """Forward step of a plain Llama, computed from its weights.

    Attributes:
        model: The model, in float32.
        dtype: Precision of matrix products and of the KV cache.
        initial_tokens: Initial token capacity of the KV cache.
        blocks: Weights of the blocks.
        head: ``[ids, width]`` output layer.
        rotary: Cosines and signed sines of all positions, ``[positions, head width]`` each.
    """

    model: LlamaForCausalLM
    dtype: torch.dtype
    initial_tokens: int = INITIAL_TOKENS
    blocks: tuple[_Block, ...] = field(init=False)
    head: torch.Tensor = field(init=False)
    rotary: tuple[torch.Tensor, torch.Tensor] = field(init=False)

    @blocks.default
    def _fused_blocks(self) -> tuple[_Block, ...]:
        return tuple(self._block(layer) for layer in self.model.model.layers)

    def _block(self, layer: Any) -> _Block:
        config = self.model.config
        attention = torch.cat(_projections(layer)) * layer.input_layernorm.weight
        up_gate = torch.cat(_up_gate(layer)) * layer.post_attention_layernorm.weight
        return _Block(
            attention=attention.to(self.dtype),
            query_key=attention.unflatten(0, (3, config.num_attention_heads, config.head_dim))[:2],
            out=layer.self_attn.o_proj.weight.to(self.dtype),
            up_gate=up_gate.to(self.dtype),
            down=layer.mlp.down_proj.weight.to(self.dtype),
        )

    @head.default
    def _cast_head(self) -> torch.Tensor:
        return (self.model.lm_head.weight * self.model.model.norm.weight).to(self.dtype)

    @rotary.default
    def _rotary_tables(self) -> tuple[torch.Tensor, torch.Tensor]:
        longest = self.model.config.max_position_embeddings
        positions = torch.arange(longest, device=self.model.device).unsqueeze(0)
        cos, sin = self.model.model.rotary_emb(torch.empty(0, device=self.model.device), positions)
        half = sin.shape[-1] // 2
        return cos[0], torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1)

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return self.model.device

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids."""
        return len(self.head)

    def empty_cache(self, capacity: int) -> _KVCache:
        """An empty KV cache."""
        return self._allocate(capacity, self.initial_tokens)

    def _allocate(self, prefixes: int, tokens: int) -> _KVCache:
        config = self.model.config
        shape = round_up(prefixes), config.num_attention_heads, tokens, config.head_dim
        keys, values = (
            [torch.empty(shape, dtype=self.dtype, device=self.device) for _ in self.blocks] for _ in range(2)
        )
        return _KVCache(keys, values)

    def forward(self, cache: _KVCache, inputs: torch.Tensor) -> torch.Tensor:
        """Process new tokens; the last hidden state of each prefix."""
        start, stop = cache.length, cache.length + inputs.shape[1]
        rows, prefixes = len(inputs), round_up(len(inputs))
        self._grow(cache, rows, stop)
        inputs = F.pad(inputs, (0, 0, 0, prefixes - rows))
        hidden = F.embedding(inputs, self.model.model.embed_tokens.weight).float()
        for number, block in enumerate(self.blocks):
            keys, values = cache.keys[number][:prefixes], cache.values[number][:prefixes]
            attended = self._attend(block, keys, values, self._normed(hidden), start)
            hidden = hidden.add_(F.linear(attended, block.out))
            hidden = hidden.add_(F.linear(_gated(F.linear(self._normed(hidden), block.up_gate)), block.down))
        cache.length = stop
        return self._normed(hidden[:rows, -1])

    def _normed(self, hidden: torch.Tensor) -> torch.Tensor:
        size = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True)
        mean = size.square_().div_(hidden.shape[-1])
        return (hidden * mean.add_(self.model.config.rms_norm_eps).rsqrt_()).to(self.dtype)

    def _attend(
        self, block: _Block, keys: torch.Tensor, values: torch.Tensor, hidden: torch.Tensor, start: int
    ) -> torch.Tensor:
        prefixes, tokens, _ = hidden.shape
        heads, width = keys.shape[1], keys.shape[3]
        stop = start + tokens
        queries, keys[:, :, start:stop], values[:, :, start:stop] = self._projected(block, hidden, start)
        mask = _causal_mask(tokens, stop, hidden.device) if start and tokens > 1 else None
        attended = F.scaled_dot_product_attention(
            queries, keys[:, :, :stop], values[:, :, :stop], attn_mask=mask, is_causal=tokens > 1 and not start
        )
        return attended.transpose(1, 2).reshape(prefixes, tokens, heads * width)

    def _projected(self, block: _Block, hidden: torch.Tensor, start: int) -> tuple[torch.Tensor, ...]:
        """Queries, keys and values, ``[prefixes, heads, tokens, width]`` each, with rotary embedding applied."""
        prefixes, tokens, width = hidden.shape
        rotate_weights = tokens == 1 and prefixes >= width
        weights = self._rotated_weights(block, start) if rotate_weights else block.attention
        joined = F.linear(hidden, weights).view(prefixes, tokens, 3, *block.query_key.shape[1:3])
        queries, keys, values = joined.permute(2, 0, 3, 1, 4)
        if not rotate_weights:
            queries, keys = (self._rotated(part, start, start + tokens).to(self.dtype) for part in (queries, keys))
        return queries, keys, values

    def _rotated_weights(self, block: _Block, position: int) -> torch.Tensor:
        """Attention weights with the rotary embedding of one position applied to queries and keys."""
        rotated = self._rotated(block.query_key.transpose(-1, -2), position, position + 1).transpose(-1, -2)
        both = rotated.to(self.dtype).flatten(0, 2)
        return torch.cat([both, block.attention[len(both) :]])

    def _rotated(self, tensors: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """Apply the rotary embedding of some positions to queries or keys, ``[..., tokens, width]``."""
        cos, sin = (angles[start:stop] for angles in self.rotary)
        left, right = tensors.chunk(2, dim=-1)
        # The sine of the left half is stored negated, so swapping the halves suffices.
        return torch.addcmul(tensors * cos, torch.cat([right, left], dim=-1), sin)

    def logits(self, hidden: torch.Tensor, ids: slice | torch.Tensor) -> torch.Tensor:
        """Logits of some token ids."""
        rows = len(hidden)
        return F.linear(F.pad(hidden, (0, 0, 0, round_up(rows) - rows)), self.head[ids])[:rows].float()

    def _grow(self, cache: _KVCache, prefixes: int, tokens: int) -> None:
        capacity = cache.keys[0].shape[2]
        if tokens <= capacity:
            return
        wider = self._allocate(len(cache.keys[0]), max(tokens, 2 * capacity))
        for new, old in zip(wider.tensors, cache.tensors, strict=True):
            new[:prefixes, :, : cache.length] = old[:prefixes, :, : cache.length]
        cache.keys, cache.values = wider.keys, wider.values

    def select(self, cache: _KVCache, prefixes: torch.Tensor, capacity: int, reuse: _KVCache | None = None) -> _KVCache:
        """Gather the KV cache of some prefixes into a cache of their own."""
        tokens = cache.keys[0].shape[2]
        # Same token capacity: the size of a prefix decides where trees are split, which must not vary.
        if reuse is None or len(reuse.keys[0]) < capacity or reuse.keys[0].shape[2] != tokens:
            reuse = self._allocate(capacity, tokens)
        reuse.length = cache.length
        for new, old in zip(reuse.tensors, cache.tensors, strict=True):
            new = new[: len(prefixes), :, : cache.length]
            torch.index_select(old[:, :, : cache.length], 0, prefixes, out=new)
        return reuse

    def prefix_bytes(self, cache: _KVCache) -> int:
        """Bytes of the cache of one prefix."""
        return sum(2 * keys[0].numel() * keys.element_size() for keys in cache.keys)


def _causal_mask(tokens: int, stop: int, device: torch.device) -> torch.Tensor:
    """Causal mask of the newest tokens over all tokens so far, ``[tokens, stop]``."""
    return torch.ones(tokens, stop, dtype=torch.bool, device=device).tril(stop - tokens)


def _projections(layer: Any) -> list[torch.Tensor]:
    attention = layer.self_attn
    return [part.weight for part in (attention.q_proj, attention.k_proj, attention.v_proj)]


def _up_gate(layer: Any) -> list[torch.Tensor]:
    return [layer.mlp.up_proj.weight, layer.mlp.gate_proj.weight]


def _gated(up_gate: torch.Tensor) -> torch.Tensor:
    """SwiGLU activation ``up * silu(gate)``, with fewer memory passes."""
    return F.glu(up_gate).mul_(up_gate.chunk(2, dim=-1)[1])
