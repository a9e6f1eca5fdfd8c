"""The status of a generation job."""

from __future__ import annotations

import enum

__all__ = ["INTERRUPTED", "GenerationStatus"]

INTERRUPTED = "interrupted"
"""``stop_reason`` of a job that the user interrupted."""


class GenerationStatus(enum.StrEnum):
    """The status of a generation job.

    Attributes:
        COMPLETE: The target was met, or there was none and the job ended by itself.
        INCOMPLETE: The job ended short of its target.
        IN_PROGRESS: The job goes on.
        STOP_NO_RECORDS: A batch without a valid record ended the job.
        STOP_METRIC_REACHED: Too many invalid records for too long ended the job.
    """

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    IN_PROGRESS = "in_progress"
    STOP_NO_RECORDS = "stop_no_records"
    STOP_METRIC_REACHED = "stop_metric_reached"
