"""What observer hooks receive: small frozen objects that hold counts and names, never cell text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from rowsmith.config import RunConfig

__all__ = ["BatchReport", "RunInfo", "RunReport"]


@frozen(kw_only=True)
class RunInfo:
    """A run as observers see it.

    Attributes:
        config: Its configuration.
        run_directory: The path it writes to; None for a run that leaves nothing behind.
    """

    config: RunConfig
    run_directory: str | None = None


@frozen(kw_only=True)
class BatchReport:
    """One batch of completions.

    Attributes:
        number: Its number, from 0.
        prompts: How many completions were asked for.
        valid_records: Records of the batch that were accepted.
        invalid_records: Records of the batch that were rejected.
        total_valid_records: Records accepted so far.
        seconds: How long the batch took.
        total_valid_groups: Groups accepted so far; 0 where records are independent.
        target_groups: How many groups are wanted; None where rows are counted.
    """

    number: int
    prompts: int
    valid_records: int
    invalid_records: int
    total_valid_records: int
    seconds: float
    total_valid_groups: int = 0
    target_groups: int | None = None


@frozen(kw_only=True)
class RunReport:
    """How a run ended.

    Attributes:
        status: The status of its generation, such as ``complete``.
        rows: How many rows it made.
        reason: Why it ended before its target; empty when it met it.
        seconds: How long it took in all.
    """

    status: str
    rows: int
    reason: str = ""
    seconds: float = 0.0
