"""Sums over the batches of a job."""

from __future__ import annotations

from attrs import define

from rowsmith.generation.batch import Batch

__all__ = ["Totals"]


@define
class Totals:
    """Sums over batches, as they stood when each was added."""

    prompts: int = 0
    valid_records: int = 0
    invalid_records: int = 0
    data_rejected_records: int = 0
    completion_tokens: int = 0
    valid_tokens: int = 0
    invalid_tokens: int = 0
    tokenization_seconds: float = 0.0
    truncated: int = 0

    def accepted_share(self, always: bool) -> float | None:
        """Share of parsed records that data actions accepted; None when that is not known yet.

        Args:
            always: Whether nothing can reject a record.
        """
        if always:
            return 1.0
        parsed = self.valid_records + self.data_rejected_records
        return self.valid_records / parsed if parsed else None

    def add(self, batch: Batch) -> None:
        """Add one batch."""
        self.prompts += batch.num_prompts
        self.valid_records += batch.num_valid_records
        self.invalid_records += batch.num_invalid_records
        self.data_rejected_records += batch.num_data_rejected_records
        self.completion_tokens += batch.num_completion_tokens
        self.valid_tokens += batch.num_valid_record_tokens
        self.invalid_tokens += batch.num_invalid_record_tokens
        self.tokenization_seconds += batch.tokenization_time_sec
        self.truncated += batch.num_length_truncated_completions
