"""What a generation job gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self, cast

import pandas as pd
import pyarrow as pa

from rowsmith.errors import GenerationError
from rowsmith.generation.actions import rejected_record_to_error
from rowsmith.generation.batches.accumulator import GenerationBatches
from rowsmith.generation.batches.data_actions import join_columns
from rowsmith.generation.batches.rows import check_made
from rowsmith.generation.batches.sizing import ADAPTIVE_MAX_PROMPTS_CEILING, INITIAL_PROBE_PROMPTS, NUM_PROMPT_BUFFER
from rowsmith.generation.lazy_frame import UnbuiltFrame, with_lazy_frame
from rowsmith.generation.status import GenerationStatus

__all__ = [
    "ADAPTIVE_MAX_PROMPTS_CEILING",
    "INITIAL_PROBE_PROMPTS",
    "NUM_PROMPT_BUFFER",
    "GenerateJobResults",
    "GenerationBatches",
    "GenerationFailure",
    "rejected_record_to_error",
]


@with_lazy_frame("df")
@dataclass
class GenerateJobResults:
    """Results of a complete generation job.

    Attributes:
        df: The generated records. Where they are there as ``columns``, the frame is built when it is first read.
        status: How the job ended.
        num_valid_records: Records that passed, also those beyond the target.
        num_invalid_records: Records that failed.
        num_prompts: Prompts completed.
        valid_record_fraction: Share of valid records among all records; 0 when there are none.
        batch_valid_record_fractions: The same for each batch, in order.
        elapsed_time: Seconds that the job took; None when not measured.
        num_completion_tokens: Tokens of all completions; this and the next six are None if unknown for one of them.
        num_valid_record_tokens: Tokens of valid records.
        num_invalid_record_tokens: Tokens of invalid records.
        num_non_record_tokens: Tokens outside records.
        tokens_per_prompt: Mean tokens of a completion; None without prompts.
        tokens_per_second: Tokens of completions over the job's time; None when it took none.
        valid_tokens_per_second: Tokens of valid records over the job's time; None when it took none.
        tokenization_overhead_sec: Seconds spent counting tokens.
        stop_reason: Why the job ended short of its target; None when it did not.
        columns: The records as a spelled table, where data actions gave them as one.
        num_valid_groups: Groups of which records passed, also those beyond the target; None without groups.
        num_invalid_groups: Groups that failed; None without groups.
        num_length_truncated_completions: Completions that were cut at their longest length; None when not counted.
        failed_groups: Why each time series that was given up failed, by its name; it has no row in ``df``.
        all_groups_succeeded: Whether every time series reached its stop; None where there are none.
        identifier: The column before all others that numbers the series, where there are several and the table has
            no column that identifies them; None elsewhere.
    """

    df: pd.DataFrame
    status: GenerationStatus
    num_valid_records: int
    num_invalid_records: int
    num_prompts: int
    valid_record_fraction: float
    batch_valid_record_fractions: list[float]
    elapsed_time: float | None = None
    num_completion_tokens: int | None = None
    num_valid_record_tokens: int | None = None
    num_invalid_record_tokens: int | None = None
    num_non_record_tokens: int | None = None
    tokens_per_prompt: float | None = None
    tokens_per_second: float | None = None
    valid_tokens_per_second: float | None = None
    tokenization_overhead_sec: float | None = None
    stop_reason: str | None = field(default=None, kw_only=True)
    columns: pa.Table | None = field(default=None, kw_only=True, repr=False, compare=False)
    num_valid_groups: int | None = field(default=None, kw_only=True)
    num_invalid_groups: int | None = field(default=None, kw_only=True)
    num_length_truncated_completions: int | None = field(default=None, kw_only=True)
    failed_groups: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    all_groups_succeeded: bool | None = field(default=None, kw_only=True)
    identifier: str | None = field(default=None, kw_only=True)

    @property
    def num_rows(self) -> int:
        """Rows of ``df``, which is not built for it."""
        return len(self.df) if self.columns is None else int(self.columns.num_rows)

    def groups_made(self, wanted: int | None) -> tuple[int, int] | None:
        """Groups made and groups wanted; None where rows are counted.

        Args:
            wanted: The number of groups requested; of time series, all that were begun.
        """
        made = self.num_valid_groups or 0
        if self.all_groups_succeeded is not None:
            return made, made + (self.num_invalid_groups or 0)
        return None if wanted is None else (made, wanted)

    @classmethod
    def from_batches(
        cls, batches: GenerationBatches, max_num_records: int | None, columns: list[str], elapsed_time: float
    ) -> Self:
        """Build results from an accumulator.

        Args:
            batches: The accumulated batches.
            max_num_records: Most rows of the output, whole groups where there are groups; None for all.
            columns: Columns of the output, in order.
            elapsed_time: Seconds that the job took.

        Raises:
            GenerationError: The generated records lack one of the columns.
        """
        grouped = batches.target.grouped
        table = join_columns(batches.batches, batches.rows, batches.num_rows_within(max_num_records))
        return cls(
            df=_frame_of(batches, table, columns, max_num_records),
            columns=table,
            num_valid_groups=batches.num_valid_groups if grouped else None,
            num_invalid_groups=batches.num_invalid_groups if grouped else None,
            **batches.figures(elapsed_time),
        )


def _frame_of(
    batches: GenerationBatches, table: pa.Table | None, columns: list[str], max_num_records: int | None
) -> pd.DataFrame:
    if table is None:
        return batches.to_dataframe(columns, max_num_records)
    check_made(table.column_names, columns)
    return cast(pd.DataFrame, UnbuiltFrame(lambda: batches.to_dataframe(columns, max_num_records)))


class GenerationFailure(GenerationError):
    """Generation broke off; the rows made until then are in ``results``.

    Args:
        message: What went wrong, and where.
        results: Everything that was valid until then.
    """

    def __init__(self, message: str, results: GenerateJobResults) -> None:
        super().__init__(message)
        self.results = results
