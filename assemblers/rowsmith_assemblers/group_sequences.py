"""Groups as sequences of records, and their packing into examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from attrs import frozen

from rowsmith.assembly.ranges import Rows
from rowsmith.assembly.token_store import Ints
from rowsmith.storage.memory_map import spooled
from rowsmith.table.row_ranges import range_indices, range_sums
from rowsmith_assemblers.groups import Groups
from rowsmith_assemblers.packing import pack, windows

__all__ = ["GroupSequences", "Packed", "joined"]

Packed: TypeAlias = tuple[Rows, Ints, Ints, Ints]
"""Record numbers in order; where in them examples begin, end, and where sequences begin."""


@frozen(eq=False)
class GroupSequences:
    """Groups as sequences: one each, or several if one would be too long.

    Attributes:
        groups: The groups.
        tokens: Tokens of each group; int64 ``[groups]``.
        starts: Where in ``groups.order`` each sequence begins, group after group; int64 ``[sequences]``.
        stops: Where it ends, exclusive; int64 ``[sequences]``.
        firsts: The number of each group's first sequence, and finally the number of sequences; int64
            ``[groups + 1]``.
    """

    groups: Groups
    tokens: Ints
    starts: Ints
    stops: Ints
    firsts: Ints

    @classmethod
    def of(cls, groups: Groups, lengths: Ints, room: int) -> GroupSequences:
        """Split groups that are too long.

        Args:
            groups: The groups.
            lengths: Tokens of each record; int64 ``[n]``.
            room: Tokens that the records of one sequence may take.
        """
        ordered = lengths[groups.order]
        starts, stops = windows(
            ordered, groups.bounds[:-1], groups.bounds[1:], lambda count: np.full(count, room, dtype=np.int64)
        )
        firsts = np.searchsorted(starts, groups.bounds)
        return cls(groups, range_sums(ordered, groups.sizes), spooled(starts), spooled(stops), firsts)

    def packed(self, order: Ints, lengths: Ints, room: int, cap: int | None) -> Packed:
        """Pack groups into examples, each filled as far as possible.

        Args:
            order: Group numbers.
            lengths: Tokens of each record.
            room: Tokens that the records of one sequence may take, beside the prompt, BOS and EOS.
            cap: The most sequences of one example; None for no limit.
        """
        sequences = range_indices(self.firsts[order], np.diff(self.firsts)[order])
        starts, counts = self.starts[sequences], (self.stops - self.starts)[sequences]
        rows = self.groups.order[range_indices(starts, counts)]
        first, last = pack(range_sums(lengths[rows], counts) + 2, room + 2, cap)
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
        return spooled(rows), spooled(offsets[first]), spooled(offsets[last]), spooled(offsets[:-1])


def joined(passes: Sequence[Packed]) -> Packed:
    """Several passes, one after another.

    Args:
        passes: At least one.
    """
    if len(passes) == 1:
        return passes[0]
    offsets = np.cumsum([0, *(len(rows) for rows, *_ in passes)])
    rows = np.concatenate([rows for rows, *_ in passes])
    starts, stops, breaks = (
        spooled(np.concatenate([offset + each[part] for offset, each in zip(offsets, passes, strict=False)]))
        for part in (1, 2, 3)
    )
    return spooled(rows), starts, stops, breaks
