"""Finished groups of a time series on disk, one entry each, so that a job that was cut off goes on after them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from attrs import asdict, frozen

from rowsmith.generation.journal import GenerationJournal
from rowsmith.generation.requests import CompletionBlock, FinishReason
from rowsmith.generation.totals import Totals
from rowsmith_backends.series_group import SeriesGroup

__all__ = ["FinishedGroup", "keep_group", "kept_groups"]


@frozen(kw_only=True)
class FinishedGroup:
    """A group as the journal has it.

    Attributes:
        number: Its number.
        lines: Its records in the dialect.
        reason: Why it failed; empty when it has not.
        asks: Prompts that it took.
        totals: What its completions came to.
    """

    number: int
    lines: str
    reason: str
    asks: int
    totals: Totals


def keep_group(journal: GenerationJournal, group: SeriesGroup, elapsed: float) -> None:
    """Keep a finished group; it is on the disk when the next one is kept, or the journal closed.

    Raises:
        RunDirectoryError: The group before could not be written.
    """
    head = {"reason": group.reason, "asks": group.asks, "totals": asdict(group.totals)}
    lines = "".join(each.line for each in group.records)
    reason = FinishReason.ABORT if group.state.failed else FinishReason.STOP
    block = CompletionBlock(
        request_ids=np.array([group.number], dtype=np.int64),
        lengths=np.array([sum(len(each.ids) for each in group.records)], dtype=np.int32),
        finish_reasons=[reason],
        texts=[f"{json.dumps(head)}\n{lines}"],
    )
    journal.add([block], num_asked=1, cut_short=False, elapsed=elapsed)


def kept_groups(journal: GenerationJournal, on_elapsed: Callable[[float], Any]) -> Iterator[FinishedGroup]:
    """The groups of a job that was cut off; call it once, before the first is kept.

    Args:
        journal: Their journal.
        on_elapsed: Told how long that job had taken.

    Raises:
        RunDirectoryError: The file cannot be read.
    """
    for entry in journal.entries(None):
        head, _, lines = entry.block.text(0).partition("\n")
        facts = json.loads(head)
        on_elapsed(entry.elapsed_seconds)
        yield FinishedGroup(
            number=int(entry.block.request_ids[0]),
            lines=lines,
            reason=facts["reason"],
            asks=facts["asks"],
            totals=Totals(**facts["totals"]),
        )
