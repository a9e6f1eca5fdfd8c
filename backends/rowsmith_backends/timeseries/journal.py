"""Finished groups of a time series on disk, so that an interrupted job goes on after them.

As with batches of records, completions are stored and not what became of them: on resuming they are read and checked
as before.
"""

from __future__ import annotations

import numpy as np

from rowsmith.generation.journal import GenerationJournal, JournalEntry
from rowsmith.generation.requests import CompletionBlock
from rowsmith_backends.timeseries.group import SeriesGroup

__all__ = ["completions_of", "only_row", "write_group"]


def write_group(journal: GenerationJournal, group: SeriesGroup, elapsed: float) -> None:
    """Write a finished group; it is on the disk when the next one is written, or the journal closed.

    Raises:
        RunDirectoryError: The group before could not be written.
    """
    journal.add(group.completions, num_asked=len(group.completions), cut_short=False, elapsed=elapsed)
    group.completions = []


def completions_of(entry: JournalEntry) -> tuple[int, dict[int, CompletionBlock]]:
    """The number of the group of an entry, -1 where there is none, and its completions by request."""
    ids = np.asarray(entry.block.request_ids).tolist()
    completions = {request_id: only_row(entry.block, row) for row, request_id in enumerate(ids)}
    return SeriesGroup.number_of(ids[0]) if ids else -1, completions


def only_row(block: CompletionBlock, row: int) -> CompletionBlock:
    """One completion of a block, as a block of its own."""
    length = int(block.lengths[row])
    return CompletionBlock(
        request_ids=np.asarray(block.request_ids)[row : row + 1],
        lengths=np.asarray(block.lengths)[row : row + 1],
        finish_reasons=[block.finish_reasons[row]],
        ids=None if block.ids is None else np.array(block.ids[row : row + 1, :length]),
        texts=None if block.texts is None else [block.texts[row]],
        decode=block.decode,
    )
