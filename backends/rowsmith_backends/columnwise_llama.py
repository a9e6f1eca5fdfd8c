"""A Llama whose loss looks, at each token, only at the tokens that can come there.

A table of a thousand columns has tens of thousands of tokens, and a softmax over all of them at every
token would take most of the memory and of the time, to learn what the record grammar says anyway. The
weights are an ordinary Llama's. But such a checkpoint has not learned which column comes when: it can
only be sampled behind column masks, as constrained generation is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from attrs import frozen
from transformers import LlamaForCausalLM
from transformers.modeling_outputs import CausalLMOutputWithPast

from rowsmith.example_ranges import IGNORED
from rowsmith.vocabulary import OpenField, Vocabulary

if TYPE_CHECKING:
    from transformers import LlamaConfig

__all__ = ["ColumnParts", "ColumnwiseLlama", "column_loss"]

# With more tokens than this, a softmax over all of them costs more than the rest of the model.
_FULL_SOFTMAX_TOKENS = 2_000


@frozen(kw_only=True, eq=False)
class ColumnParts:
    """How the ids of a vocabulary are divided.

    Attributes:
        sizes: How many ids belong to no column, then how many to each.
        column_of: ``[ids]`` the column of each id; -1 for none.
        opened: For each column, whether its values are pieces, which belong to no column.
    """

    sizes: tuple[int, ...]
    column_of: torch.Tensor
    opened: tuple[bool, ...]

    @classmethod
    def of_wide(cls, vocabulary: Vocabulary) -> ColumnParts | None:
        """The parts of a vocabulary that is too large for a softmax over all of it; None for others."""
        return cls.of(vocabulary) if len(vocabulary) > _FULL_SOFTMAX_TOKENS else None

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> ColumnParts:
        """The parts of a vocabulary."""
        sizes = (vocabulary.fields[0].start, *(item.stop - item.start for item in vocabulary.fields))
        column_of = torch.repeat_interleave(torch.arange(-1, len(vocabulary.fields)), torch.tensor(sizes))
        opened = tuple(isinstance(item, OpenField) for item in vocabulary.fields)
        return cls(sizes=sizes, column_of=column_of, opened=opened)


def column_loss(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, parts: ColumnParts) -> torch.Tensor:
    """The summed cross-entropy of targets, each among the tokens that its place allows.

    After a closed column only the next column's tokens are weighed; inside an open one its pieces, its
    own tokens and the next column's. What comes after a closed last column is certain, and costs nothing.

    Args:
        hidden: ``[b, t, width]`` last hidden states.
        weight: ``[ids, width]`` the output layer.
        targets: ``[b, t]`` what comes next; -100 is left out.
        parts: How the ids are divided.

    Returns:
        A scalar, in nats.
    """
    wanted = targets != IGNORED
    # Where a token stands follows from the targets before it: of what the model reads, some may be blanked.
    columns = parts.column_of.to(targets.device)[targets.clamp(min=0)]
    places = F.pad(columns[:, :-1], (1, 0), value=-1).cummax(1).values[wanted]
    order = places.argsort(stable=True)
    counts = torch.bincount(places + 1, minlength=len(parts.sizes)).tolist()
    # Split and not sliced: the gradient of all parts is then put together once.
    states = hidden[wanted][order].split(counts)
    goals = targets[wanted][order].split(counts)
    pieces = weight.split(parts.sizes)
    losses = []
    start = 0
    for place, (state, goal) in enumerate(zip(states, goals, strict=True)):
        # ``place`` counts from the part before all columns; ``start`` is its first id.
        inside = place > 0 and parts.opened[place - 1]
        allowed = [*(([pieces[0], pieces[place]]) if inside else []), *pieces[place + 1 : place + 2]]
        if len(state) and allowed:
            shift = start - parts.sizes[0] if inside else start + parts.sizes[place]
            logits = F.linear(state, allowed[0] if len(allowed) == 1 else torch.cat(allowed))
            offsets = torch.where(goal < parts.sizes[0], goal, goal - shift) if inside else goal - shift
            losses.append(F.cross_entropy(logits.float(), offsets, reduction="sum"))
        start += parts.sizes[place]
    return torch.stack(losses).sum()


class ColumnwiseLlama(LlamaForCausalLM):
    """A Llama that is trained by :func:`column_loss`.

    Args:
        config: The model's shape.
        parts: How its ids are divided.
    """

    def __init__(self, config: LlamaConfig, parts: ColumnParts) -> None:
        super().__init__(config)
        self.parts = parts

    def forward(
        self,
        input_ids: torch.Tensor,
        shift_labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """The loss of the next tokens where they are given; otherwise as any Llama."""
        if shift_labels is None:
            outputs: CausalLMOutputWithPast = super().forward(input_ids=input_ids, **kwargs)
            return outputs
        hidden = self.model(input_ids=input_ids, use_cache=False).last_hidden_state
        total = column_loss(hidden, self.lm_head.weight, shift_labels, self.parts)
        count = (shift_labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
        return CausalLMOutputWithPast(loss=total / count)

    def plain(self) -> LlamaForCausalLM:
        """An ordinary Llama with the same weights, to be saved."""
        model = LlamaForCausalLM(self.config).to(self.device)
        model.load_state_dict(self.state_dict())
        return model
