"""Cross-entropy by column: at each position, over the tokens that the record grammar allows there.

A table of a thousand columns has tens of thousands of tokens, and a softmax over all of them would take most of the
memory and time to learn what the record grammar says anyway. A checkpoint trained in this way has not learned the
order of the columns: it can only be sampled under column masks, as in constrained generation.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from attrs import frozen

from rowsmith.assembly.ranges import IGNORED
from rowsmith.vocabulary import OpenField, Vocabulary
from rowsmith_backends.scratch.shape_buckets import round_up
from rowsmith_backends.scratch.vocabulary_width import is_wide

__all__ = ["VocabularyParts", "column_loss"]

# Each column has its own matrix products, so coarse buckets of row counts are needed.
_BUCKETS_PER_DOUBLING = 8


@frozen(kw_only=True, eq=False)
class VocabularyParts:
    """Partition of the ids of a vocabulary by column.

    Attributes:
        sizes: Number of ids of no column, then of each column.
        column_of: ``[ids]`` column of each id; -1 for none.
        is_open: For each column, whether its values consist of pieces, which belong to no column.
        grouped: Whether another record may follow a record.
    """

    sizes: tuple[int, ...]
    column_of: torch.Tensor
    is_open: tuple[bool, ...]
    grouped: bool = False

    @classmethod
    def of_wide(cls, vocabulary: Vocabulary) -> VocabularyParts | None:
        """The partition of a vocabulary too large for a full softmax; None for a smaller one."""
        return cls.of(vocabulary) if is_wide(vocabulary) else None

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> VocabularyParts:
        """The partition of a vocabulary."""
        sizes = (vocabulary.fields[0].start, *(item.stop - item.start for item in vocabulary.fields))
        column_of = torch.repeat_interleave(torch.arange(-1, len(vocabulary.fields)), torch.tensor(sizes))
        is_open = tuple(isinstance(item, OpenField) for item in vocabulary.fields)
        grouped = vocabulary.schema.step is not None
        return cls(sizes=sizes, column_of=column_of, is_open=is_open, grouped=grouped)

    def after(self, column: int) -> tuple[int, ...]:
        """Indices of the parts that may follow a token of a column (-1 for the start), ascending."""
        last = column == len(self.is_open) - 1
        following = () if last else (column + 2,)
        if column >= 0 and self.is_open[column]:
            return (0, *((1,) if last and self.grouped else ()), column + 1, *following)
        # After a whole record of a group comes the end, or the first column of another record.
        return (0, 1) if last and self.grouped else following


def column_loss(
    states: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, parts: VocabularyParts
) -> torch.Tensor:
    """Summed cross-entropy of the targets, each over the tokens allowed at its position.

    After a closed column the softmax is over the next column's tokens; inside an open one, over the pieces, its own
    tokens and the next column's. After a closed last column of independent records the next token is certain and has
    no loss.

    Args:
        states: ``[n, width]`` last hidden state before each target with a label, row by row.
        weight: ``[ids, width]`` output layer.
        targets: ``[b, t]`` next tokens; -100 is ignored.
        parts: Partition of the ids.

    Returns:
        A scalar, in nats.
    """
    has_label = targets != IGNORED
    last_columns = _last_columns(targets, parts)[has_label]
    order = last_columns.argsort(stable=True)
    counts = torch.bincount(last_columns + 1, minlength=len(parts.sizes)).tolist()
    pieces = weight.split(parts.sizes)
    starts = np.cumsum((0, *parts.sizes[:-1])).tolist()
    losses = []
    # Split instead of sliced, so that the gradients of all parts are concatenated once.
    by_column = zip(states[order].split(counts), targets[has_label][order].split(counts), strict=True)
    for column, (state, goal) in enumerate(by_column, -1):
        allowed = parts.after(column)
        if len(state) and allowed:
            padding = round_up(len(state), _BUCKETS_PER_DOUBLING) - len(state)
            logits = F.linear(F.pad(state, (0, 0, 0, padding)), torch.cat([pieces[part] for part in allowed]))
            target_offsets = F.pad(_offsets(goal, allowed, starts, parts), (0, padding), value=IGNORED)
            losses.append(F.cross_entropy(logits.float(), target_offsets, reduction="sum"))
    return torch.stack(losses).sum()


def _last_columns(targets: torch.Tensor, parts: VocabularyParts) -> torch.Tensor:
    """Column of the last column token before each target, ``[b, t]``; -1 at the start.

    It is computed from the targets, because some of the inputs may be masked.
    """
    columns = parts.column_of.to(targets.device)[targets.clamp(min=0)]
    columns = F.pad(columns[:, :-1], (1, 0), value=-1)
    at = torch.arange(columns.shape[1], device=targets.device).expand_as(columns)
    newest = torch.where(columns >= 0, at, 0).cummax(1).values
    return columns.gather(1, newest)


def _offsets(goal: torch.Tensor, allowed: tuple[int, ...], starts: list[int], parts: VocabularyParts) -> torch.Tensor:
    """Offsets of targets among the tokens of the allowed parts."""
    offsets, base = goal, 0
    for part in allowed:
        within = (goal >= starts[part]) & (goal < starts[part] + parts.sizes[part])
        offsets = torch.where(within, goal - starts[part] + base, offsets)
        base += parts.sizes[part]
    return offsets
