"""Packed Llama: examples of very different lengths in one row, without padding to the longest.

Examples are sorted by length and concatenated in segments of similar length. Attention is computed by segment, within
each example; all other layers see one row of tokens. Weights and outputs are those of an ordinary Llama.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from attrs import frozen
from transformers import LlamaForCausalLM
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from rowsmith.assembly.ranges import IGNORED
from rowsmith_backends.scratch.column_loss import VocabularyParts, column_loss
from rowsmith_backends.scratch.shape_buckets import bucket_lengths, round_up

if TYPE_CHECKING:
    from transformers import LlamaConfig

__all__ = ["MAX_EAGER_TOKENS", "PackedLlama"]

_ATTENTION = "rowsmith_runs"
# For attention, the number of examples of a segment is padded to one of so many buckets between two powers of two.
_BUCKETS_PER_DOUBLING = 4
MAX_EAGER_TOKENS = 160
"""Up to this many tokens, eager attention may be faster than the fused kernel of a CPU."""


@frozen(eq=False)
class _Layout:
    """Layout of the examples in the packed row.

    Attributes:
        examples: Order of the examples, longest first: int64[b].
        segments: Number of examples and padded length of each segment.
        lengths: Tokens of each example in this order, without padding.
    """

    examples: npt.NDArray[np.int64]
    segments: tuple[tuple[int, int], ...]
    lengths: npt.NDArray[np.int64]

    @classmethod
    def of(cls, lengths: npt.NDArray[np.int64], buckets: Sequence[int]) -> _Layout:
        """The layout of examples of some lengths.

        Args:
            lengths: Tokens of each example.
            buckets: Lengths to pad to, ascending; a longer example has its own length.
        """
        order = np.argsort(-lengths, kind="stable")
        ordered = lengths[order].clip(min=1)
        bucket = np.searchsorted(buckets, ordered)
        padded_lengths = np.where(bucket < len(buckets), np.append(buckets, 0)[bucket], ordered)
        segments, counts = np.unique(padded_lengths, return_counts=True)
        pairs = [(int(count), int(length)) for count, length in zip(counts, segments, strict=True)]
        return cls(order, tuple(pairs[::-1]), lengths[order])

    @property
    def tokens(self) -> int:
        """Tokens of all segments, padded to a size bucket."""
        return round_up(sum(count * length for count, length in self.segments))

    def pack(self, tensor: torch.Tensor, padding: int = 0) -> torch.Tensor:
        """Pack ``[b, t]`` values of the examples to ``[tokens]``; padding comes last."""
        by_length = tensor[torch.from_numpy(self.examples).to(tensor.device)]
        by_length = F.pad(by_length, (0, max(0, self.segments[0][1] - tensor.shape[1])), value=padding)
        parts, start = [], 0
        for count, length in self.segments:
            parts.append(by_length[start : start + count, :length].reshape(-1))
            start += count
        packed = torch.cat(parts)
        return F.pad(packed, (0, self.tokens - len(packed)), value=padding)

    def position_ids(self, device: torch.device) -> torch.Tensor:
        """Position of each token in its example, ``[1, tokens]``."""
        positions = torch.cat([torch.arange(length, device=device).repeat(count) for count, length in self.segments])
        return F.pad(positions, (0, self.tokens - len(positions)))[None]


def _segment_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    segments: tuple[tuple[int, int], ...] = (),
    fused: bool = False,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each example: ``[1, heads, tokens, width]`` in, ``[1, tokens, heads, width]`` out."""
    sizes = [count * length for count, length in segments]
    padding = query.shape[2] - sum(sizes)
    # Split instead of sliced, so that the gradients of all segments are concatenated once.
    divided = zip(*(part[0].split([*sizes, padding], dim=1)[:-1] for part in (query, key, value)), strict=True)
    attended = []
    for segment, parts in zip(segments, divided, strict=True):
        batch_padding = (0, 0, 0, 0, 0, round_up(segment[0], _BUCKETS_PER_DOUBLING) - segment[0])
        one, two, three = (F.pad(part.unflatten(1, segment), batch_padding) for part in parts)
        attended.append(_causal(one, two, three, scaling, fused)[:, : segment[0]].permute(1, 2, 0, 3).flatten(0, 1))
    return F.pad(torch.cat(attended), (0, 0, 0, 0, 0, padding))[None], None


def _causal(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float, fused: bool) -> torch.Tensor:
    length = query.shape[-2]
    if fused or length > MAX_EAGER_TOKENS or query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)
    scores = torch.matmul(query, key.transpose(-1, -2)) * scaling
    later = torch.full((length, length), -torch.inf, dtype=scores.dtype).triu(1)
    weights = torch.softmax(scores + later, dim=-1, dtype=torch.float32).to(value.dtype)
    return torch.matmul(weights, value)


def _no_mask(*args: Any, **kwargs: Any) -> None:
    """No mask: segments need none."""


ALL_ATTENTION_FUNCTIONS.register(_ATTENTION, _segment_attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(_ATTENTION, _no_mask)


class PackedLlama(LlamaForCausalLM):
    """A Llama that is trained on packed examples.

    Args:
        config: The model's shape.
        parts: Partition of the ids for a loss by columns; None for a loss over all ids.
        buckets: Lengths that examples are padded to, ascending; without them, those of each batch.
        fused: Whether attention is always computed by the fused kernel.
    """

    def __init__(
        self,
        config: LlamaConfig,
        parts: VocabularyParts | None = None,
        buckets: Sequence[int] = (),
        *,
        fused: bool = False,
    ) -> None:
        packed = type(config)(**{**config.to_dict(), "attn_implementation": _ATTENTION})
        super().__init__(packed)
        self.parts = parts
        self.buckets = tuple(buckets)
        self.fused = fused

    def forward(
        self,
        input_ids: torch.Tensor,
        shift_labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """The loss of the next tokens, ``[b, t]`` like the ids, right padded with -100."""
        if shift_labels is None:
            raise ValueError("packed examples are separated by shift_labels, which are missing")
        has_label = (shift_labels != IGNORED).cpu().numpy()
        lengths = has_label.shape[1] - has_label[:, ::-1].argmax(axis=1) * has_label.any(axis=1)
        layout = _Layout.of(lengths, self.buckets or bucket_lengths(lengths.clip(min=1)))
        hidden = self.model(
            input_ids=layout.pack(input_ids)[None],
            position_ids=layout.position_ids(input_ids.device),
            use_cache=False,
            segments=layout.segments,
            fused=self.fused,
        ).last_hidden_state[0]
        ordered = shift_labels[torch.from_numpy(layout.examples).to(shift_labels.device)]
        states = hidden[layout.pack(shift_labels, IGNORED) != IGNORED]
        if self.parts is None:
            padding = round_up(len(states)) - len(states)
            states = F.pad(states, (0, 0, 0, padding))
            targets = F.pad(ordered[ordered != IGNORED], (0, padding), value=IGNORED)
            total = F.cross_entropy(self.lm_head(states).float(), targets, reduction="sum")
        else:
            total = column_loss(states, self.lm_head.weight, ordered, self.parts)
        count = (shift_labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
        return CausalLMOutputWithPast(loss=total / count)

    def plain(self) -> LlamaForCausalLM:
        """An ordinary Llama with the same weights, for saving."""
        model = LlamaForCausalLM(type(self.config)(**self.config.to_dict())).to(self.device)
        model.load_state_dict(self.state_dict())
        return model
