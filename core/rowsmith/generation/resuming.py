"""Reading again what a job had finished before it was cut off."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from rowsmith.generation.journal import GenerationJournal, JournalEntry
from rowsmith.generation.requests import Engine
from rowsmith.interruption import StopRequest

__all__ = ["take_up"]


def take_up(
    journal: GenerationJournal | None,
    engine: Engine,
    take: Callable[[JournalEntry], bool],
    *,
    stop: StopRequest,
    check: Callable[[], None],
) -> None:
    """Read the batches of a journal as they were read when the engine gave them.

    Args:
        journal: Where they are; None for a job that keeps none.
        engine: Knows what token ids mean.
        take: Reads one; False when neither it nor those after it belong to this job.
        stop: Lets no interrupt into a batch that is read.
        check: Raises when the job is to end.

    Raises:
        RunDirectoryError: The journal cannot be read.
    """
    if journal is None:
        return
    vocabulary = engine.vocabulary
    decode = None if vocabulary is None else vocabulary.decode
    with contextlib.closing(journal.entries(decode)) as entries:
        for entry in entries:
            check()
            with stop.awaited():
                if not take(entry):
                    return
