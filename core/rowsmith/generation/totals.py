"""Sums over the batches of a job."""

from __future__ import annotations

from attrs import define

from rowsmith.generation.batch import Batch

__all__ = ["Counted", "Totals"]


@define
class Totals:
    """Sums over batches, which take no further completion once they are added."""

    prompts: int = 0
    valid_records: int = 0
    invalid_records: int = 0
    data_rejected_records: int = 0
    valid_groups: int = 0
    invalid_groups: int = 0
    completion_tokens: int = 0
    valid_tokens: int = 0
    invalid_tokens: int = 0
    tokenization_seconds: float = 0.0
    truncated: int = 0
    uncounted: int = 0

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
        self.valid_groups += batch.num_valid_groups
        self.invalid_groups += batch.num_invalid_groups
        self.completion_tokens += batch.num_completion_tokens
        self.valid_tokens += batch.num_valid_record_tokens
        self.invalid_tokens += batch.num_invalid_record_tokens
        self.tokenization_seconds += batch.tokenization_time_sec
        self.truncated += batch.num_length_truncated_completions
        self.uncounted += batch.num_uncounted_completions


class Counted:
    """Something of which sums over batches are known."""

    _totals: Totals

    @property
    def num_prompts(self) -> int:
        """Prompts completed."""
        return self._totals.prompts

    @property
    def num_valid_records(self) -> int:
        """Records that passed."""
        return self._totals.valid_records

    @property
    def num_invalid_records(self) -> int:
        """Records that failed."""
        return self._totals.invalid_records

    @property
    def total_completion_tokens(self) -> int:
        """Tokens of all completions."""
        return self._totals.completion_tokens

    @property
    def total_valid_record_tokens(self) -> int:
        """Tokens of valid records."""
        return self._totals.valid_tokens

    @property
    def total_invalid_record_tokens(self) -> int:
        """Tokens of invalid records."""
        return self._totals.invalid_tokens

    @property
    def total_non_record_tokens(self) -> int:
        """Tokens outside records."""
        return self._totals.completion_tokens - self._totals.valid_tokens - self._totals.invalid_tokens

    @property
    def total_tokenization_time_sec(self) -> float:
        """Seconds spent counting tokens."""
        return self._totals.tokenization_seconds

    @property
    def num_length_truncated_completions(self) -> int:
        """Completions that were cut at their longest length."""
        return self._totals.truncated

    @property
    def num_uncounted_completions(self) -> int:
        """Completions of unknown length in tokens."""
        return self._totals.uncounted

    @property
    def num_valid_groups(self) -> int:
        """Groups of which records passed; 0 where records stand alone."""
        return self._totals.valid_groups

    @property
    def num_invalid_groups(self) -> int:
        """Groups that failed."""
        return self._totals.invalid_groups
