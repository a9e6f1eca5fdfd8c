"""A Llama that computes examples of very different lengths without padding them to the longest.

Examples are sorted by length and laid out one after the other, in runs of about the same length; only attention
looks at runs, and within one only at the example's own tokens. The weights, and what the model makes of an example,
are an ordinary Llama's.
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
from rowsmith_backends.scratch.column_loss import ColumnParts, column_loss
from rowsmith_backends.scratch.shape_buckets import bucket_lengths, round_up

if TYPE_CHECKING:
    from transformers import LlamaConfig

__all__ = ["LONGEST_PLAIN", "PackedLlama"]

_ATTENTION = "rowsmith_runs"
# Examples of a run are filled up with blank ones, for attention alone, to one of so many numbers between two powers.
_EXAMPLES_BETWEEN = 4
LONGEST_PLAIN = 160
"""Up to so many tokens the plain products of attention may be faster than the fused kernel of a CPU."""


@frozen(eq=False)
class _Layout:
    """Where examples stand in the packed row.

    Attributes:
        examples: Their order, longest first: int64[b].
        runs: Examples and tokens of each run.
        lengths: Tokens of each example, in that order, padding left out.
    """

    examples: npt.NDArray[np.int64]
    runs: tuple[tuple[int, int], ...]
    lengths: npt.NDArray[np.int64]

    @classmethod
    def of(cls, lengths: npt.NDArray[np.int64], buckets: Sequence[int]) -> _Layout:
        """The layout of examples of some lengths.

        Args:
            lengths: Tokens of each example.
            buckets: Lengths to fill up to, ascending; an example that is longer than all of them has its own.
        """
        order = np.argsort(-lengths, kind="stable")
        ordered = lengths[order].clip(min=1)
        at = np.searchsorted(buckets, ordered)
        filled = np.where(at < len(buckets), np.append(buckets, 0)[at], ordered)
        runs, counts = np.unique(filled, return_counts=True)
        pairs = [(int(count), int(length)) for count, length in zip(counts, runs, strict=True)]
        return cls(order, tuple(pairs[::-1]), lengths[order])

    @property
    def tokens(self) -> int:
        """Tokens of all runs, and some blank ones, so that few numbers occur."""
        return round_up(sum(count * length for count, length in self.runs))

    def take(self, tensor: torch.Tensor, blank: int = 0) -> torch.Tensor:
        """``[b, t]`` of the examples as they came, packed: ``[tokens]``; blank ones last."""
        sorted_ = tensor[torch.from_numpy(self.examples).to(tensor.device)]
        sorted_ = F.pad(sorted_, (0, max(0, self.runs[0][1] - tensor.shape[1])), value=blank)
        parts, start = [], 0
        for count, length in self.runs:
            parts.append(sorted_[start : start + count, :length].reshape(-1))
            start += count
        packed = torch.cat(parts)
        return F.pad(packed, (0, self.tokens - len(packed)), value=blank)

    def positions(self, device: torch.device) -> torch.Tensor:
        """``[1, tokens]``: the place of each token in its example."""
        places = torch.cat([torch.arange(length, device=device).repeat(count) for count, length in self.runs])
        return F.pad(places, (0, self.tokens - len(places)))[None]


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    runs: tuple[tuple[int, int], ...] = (),
    fused: bool = False,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each example: ``[1, heads, tokens, width]`` in, ``[1, tokens, heads, width]`` out."""
    sizes = [count * length for count, length in runs]
    blank = query.shape[2] - sum(sizes)
    # Split and not sliced: the gradients of all runs are then put together once.
    divided = zip(*(part[0].split([*sizes, blank], dim=1)[:-1] for part in (query, key, value)), strict=True)
    mixed = []
    for run, parts in zip(runs, divided, strict=True):
        filling = (0, 0, 0, 0, 0, round_up(run[0], _EXAMPLES_BETWEEN) - run[0])
        one, two, three = (F.pad(part.unflatten(1, run), filling) for part in parts)
        mixed.append(_causal(one, two, three, scaling, fused)[:, : run[0]].permute(1, 2, 0, 3).flatten(0, 1))
    return F.pad(torch.cat(mixed), (0, 0, 0, 0, 0, blank))[None], None


def _causal(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float, fused: bool) -> torch.Tensor:
    length = query.shape[-2]
    if fused or length > LONGEST_PLAIN or query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)
    scores = torch.matmul(query, key.transpose(-1, -2)) * scaling
    later = torch.full((length, length), -torch.inf, dtype=scores.dtype).triu(1)
    weights = torch.softmax(scores + later, dim=-1, dtype=torch.float32).to(value.dtype)
    return torch.matmul(weights, value)


def _no_mask(*args: Any, **kwargs: Any) -> None:
    """Runs need none."""


ALL_ATTENTION_FUNCTIONS.register(_ATTENTION, _attend)
ALL_MASK_ATTENTION_FUNCTIONS.register(_ATTENTION, _no_mask)


class PackedLlama(LlamaForCausalLM):
    """A Llama that is trained on packed examples.

    Args:
        config: The model's shape.
        parts: How its ids are divided, where the loss is to go by columns; None for a loss over all ids.
        buckets: Lengths, ascending, that examples are filled up to; without them the lengths of a batch decide.
        fused: Whether attention is always computed by the fused kernel.
    """

    def __init__(
        self,
        config: LlamaConfig,
        parts: ColumnParts | None = None,
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
            raise ValueError("packed examples are told apart by shift_labels, which are missing")
        wanted = (shift_labels != IGNORED).cpu().numpy()
        lengths = wanted.shape[1] - wanted[:, ::-1].argmax(axis=1) * wanted.any(axis=1)
        layout = _Layout.of(lengths, self.buckets or bucket_lengths(lengths.clip(min=1)))
        hidden = self.model(
            input_ids=layout.take(input_ids)[None],
            position_ids=layout.positions(input_ids.device),
            use_cache=False,
            runs=layout.runs,
            fused=self.fused,
        ).last_hidden_state[0]
        ordered = shift_labels[torch.from_numpy(layout.examples).to(shift_labels.device)]
        states = hidden[layout.take(shift_labels, IGNORED) != IGNORED]
        if self.parts is None:
            blank = round_up(len(states)) - len(states)
            states = F.pad(states, (0, 0, 0, blank))
            targets = F.pad(ordered[ordered != IGNORED], (0, blank), value=IGNORED)
            total = F.cross_entropy(self.lm_head(states).float(), targets, reduction="sum")
        else:
            total = column_loss(states, self.lm_head.weight, ordered, self.parts)
        count = (shift_labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
        return CausalLMOutputWithPast(loss=total / count)

    def plain(self) -> LlamaForCausalLM:
        """An ordinary Llama with the same weights, to be saved."""
        model = LlamaForCausalLM(type(self.config)(**self.config.to_dict())).to(self.device)
        model.load_state_dict(self.state_dict())
        return model
