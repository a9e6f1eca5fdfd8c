"""A loss that looks, at each token, only at the tokens that can come there.

A table of a thousand columns has tens of thousands of tokens, and a softmax over all of them at every
token would take most of the memory and of the time, to learn what the record grammar says anyway. But a
checkpoint that is trained so has not learned which column comes when: it can only be sampled behind column
masks, as constrained generation is.
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

__all__ = ["ColumnParts", "column_loss"]

# Every column has products of its own, so that few numbers of rows may occur.
_ROWS_BETWEEN = 8


@frozen(kw_only=True, eq=False)
class ColumnParts:
    """How the ids of a vocabulary are divided.

    Attributes:
        sizes: How many ids belong to no column, then how many to each.
        column_of: ``[ids]`` the column of each id; -1 for none.
        opened: For each column, whether its values are pieces, which belong to no column.
        grouped: Whether another record may follow a record.
    """

    sizes: tuple[int, ...]
    column_of: torch.Tensor
    opened: tuple[bool, ...]
    grouped: bool = False

    @classmethod
    def of_wide(cls, vocabulary: Vocabulary) -> ColumnParts | None:
        """The parts of a vocabulary that is too large for a softmax over all of it; None for others."""
        return cls.of(vocabulary) if is_wide(vocabulary) else None

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> ColumnParts:
        """The parts of a vocabulary."""
        sizes = (vocabulary.fields[0].start, *(item.stop - item.start for item in vocabulary.fields))
        column_of = torch.repeat_interleave(torch.arange(-1, len(vocabulary.fields)), torch.tensor(sizes))
        opened = tuple(isinstance(item, OpenField) for item in vocabulary.fields)
        grouped = vocabulary.schema.step is not None
        return cls(sizes=sizes, column_of=column_of, opened=opened, grouped=grouped)

    def after(self, column: int) -> tuple[int, ...]:
        """The parts of which some token can come after one of a column (-1 for the beginning), in order."""
        last = column == len(self.opened) - 1
        following = () if last else (column + 2,)
        if column >= 0 and self.opened[column]:
            return (0, *((1,) if last and self.grouped else ()), column + 1, *following)
        # After a whole record of a group comes the end, or the first column of another record.
        return (0, 1) if last and self.grouped else following


def column_loss(states: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, parts: ColumnParts) -> torch.Tensor:
    """The summed cross-entropy of targets, each among the tokens that its place allows.

    After a closed column only the next column's tokens are weighed; inside an open one its pieces, its
    own tokens and the next column's. What comes after a closed last column is certain where records stand
    alone, and costs nothing.

    Args:
        states: ``[n, width]`` last hidden states before each target that counts, row by row.
        weight: ``[ids, width]`` the output layer.
        targets: ``[b, t]`` what comes next; -100 is left out.
        parts: How the ids are divided.

    Returns:
        A scalar, in nats.
    """
    wanted = targets != IGNORED
    places = _places(targets, parts)[wanted]
    order = places.argsort(stable=True)
    counts = torch.bincount(places + 1, minlength=len(parts.sizes)).tolist()
    pieces = weight.split(parts.sizes)
    starts = np.cumsum((0, *parts.sizes[:-1])).tolist()
    losses = []
    # Split and not sliced: the gradient of all parts is then put together once.
    divided = zip(states[order].split(counts), targets[wanted][order].split(counts), strict=True)
    for column, (state, goal) in enumerate(divided, -1):
        allowed = parts.after(column)
        if len(state) and allowed:
            blank = round_up(len(state), _ROWS_BETWEEN) - len(state)
            logits = F.linear(F.pad(state, (0, 0, 0, blank)), torch.cat([pieces[part] for part in allowed]))
            wanted_ids = F.pad(_offsets(goal, allowed, starts, parts), (0, blank), value=IGNORED)
            losses.append(F.cross_entropy(logits.float(), wanted_ids, reduction="sum"))
    return torch.stack(losses).sum()


def _places(targets: torch.Tensor, parts: ColumnParts) -> torch.Tensor:
    """``[b, t]``: the column of the newest token before each target that belongs to one; -1 at the beginning.

    It follows from the targets: of what the model reads, some may be blanked.
    """
    columns = parts.column_of.to(targets.device)[targets.clamp(min=0)]
    columns = F.pad(columns[:, :-1], (1, 0), value=-1)
    at = torch.arange(columns.shape[1], device=targets.device).expand_as(columns)
    newest = torch.where(columns >= 0, at, 0).cummax(1).values
    return columns.gather(1, newest)


def _offsets(goal: torch.Tensor, allowed: tuple[int, ...], starts: list[int], parts: ColumnParts) -> torch.Tensor:
    """Where targets stand among the tokens of the allowed parts."""
    offsets, base = goal, 0
    for part in allowed:
        within = (goal >= starts[part]) & (goal < starts[part] + parts.sizes[part])
        offsets = torch.where(within, goal - starts[part] + base, offsets)
        base += parts.sizes[part]
    return offsets
