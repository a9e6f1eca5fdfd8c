"""Finished groups of a time series on disk, so that a job that was cut off goes on after them.

As with batches of records, it is the completions that are kept and not what became of them: taken up again they
are read and judged as before.
"""

from __future__ import annotations

import numpy as np

from rowsmith.generation.journal import GenerationJournal, JournalEntry
from rowsmith.generation.requests import CompletionBlock
from rowsmith_backends.timeseries.group import SeriesGroup

__all__ = ["completions_of", "keep_group", "only_row"]


def keep_group(journal: GenerationJournal, group: SeriesGroup, elapsed: float) -> None:
    """Keep a finished group; it is on the disk when the next one is kept, or the journal closed.

    Raises:
        RunDirectoryError: The group before could not be written.
    """
    journal.add(group.kept, num_asked=len(group.kept), cut_short=False, elapsed=elapsed)
    group.kept = []


def completions_of(entry: JournalEntry) -> tuple[int, dict[int, CompletionBlock]]:
    """The number of a group that is kept, -1 where there is none, and its completions by request."""
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
