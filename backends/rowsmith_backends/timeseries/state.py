"""The state of the generation of time series: of each group, and of the whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any

__all__ = ["GroupProcessingResult", "GroupState", "ProgressSnapshot"]


@dataclass
class ProgressSnapshot:
    """A partial result that is saved when a job has come so far.

    Attributes:
        label: The milestone for people, such as ``"50"``.
        threshold: Records from which on it is saved.
        path: The CSV file.
        saved: Whether it has been written.
    """

    label: str
    threshold: int
    path: Path
    saved: bool = field(default=False)


@dataclass
class GroupState:
    """The progress of one group from its first record to its stop.

    Attributes:
        group_id: Names the group.
        initial_prefill: The records that it began with, as text; empty for a new group.
        current_prefill: The records that the next prompt holds, as text.
        recent_records: The same records as values.
        expected_records: How many records it should get.
        last_timestamp_seconds: The time of its newest record, in seconds; None before the first.
        low_valid_fraction_count: Batches in a row with too many invalid records.
        completed: Whether it has reached its stop.
        failed: Whether it was given up.
        total_valid_records: Its records.
        total_invalid_records: Records that were refused.
    """

    group_id: str
    initial_prefill: str
    current_prefill: str
    recent_records: list[dict[str, Any]] = field(default_factory=list)
    expected_records: int = 0
    last_timestamp_seconds: float | int | None = None
    low_valid_fraction_count: int = 0
    completed: bool = False
    failed: bool = False
    total_valid_records: int = 0
    total_invalid_records: int = 0


class GroupProcessingResult(Enum):
    """What a batch of completions meant for one group.

    Attributes:
        IN_PROGRESS: It goes on.
        COMPLETED: It has reached its stop.
        FAILED: It was given up; it leaves no row.
    """

    IN_PROGRESS = auto()
    COMPLETED = auto()
    FAILED = auto()
