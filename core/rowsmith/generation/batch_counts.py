"""How many of everything a batch holds."""

from __future__ import annotations

__all__ = ["BatchCounts"]


class BatchCounts:
    """Counters of a batch; they move as completions are read.

    Attributes:
        num_prompts: Completions read.
        num_valid_records: Records that passed.
        num_invalid_records: Records that failed, in parsing or later.
        num_data_rejected_records: Those of them that parsed, and that the data actions rejected.
        num_valid_groups: Groups with records that passed.
        num_invalid_groups: Groups that failed, in parsing or because the data actions left no record of them.
        num_completion_tokens: Tokens of all completions; always the sum of the next three.
        num_valid_record_tokens: Tokens of valid records.
        num_invalid_record_tokens: Tokens of invalid records.
        num_non_record_tokens: Tokens outside records.
        num_length_truncated_completions: Completions that were cut at their longest length.
        num_uncounted_completions: Completions of unknown length in tokens, which count for none.
        tokenization_time_sec: Time spent counting tokens.
    """

    def __init__(self) -> None:
        self.num_prompts = 0
        self.num_valid_records = 0
        self.num_invalid_records = 0
        self.num_data_rejected_records = 0
        self.num_valid_groups = 0
        self.num_invalid_groups = 0
        self.num_completion_tokens = 0
        self.num_valid_record_tokens = 0
        self.num_invalid_record_tokens = 0
        self.num_length_truncated_completions = 0
        self.num_uncounted_completions = 0
        self.tokenization_time_sec = 0.0

    @property
    def num_non_record_tokens(self) -> int:
        """Tokens outside records."""
        return self.num_completion_tokens - self.num_valid_record_tokens - self.num_invalid_record_tokens

    @property
    def valid_record_fraction(self) -> float:
        """Share of valid records among all records; 0 when there are none."""
        records = self.num_valid_records + self.num_invalid_records
        return self.num_valid_records / records if records else 0.0

    @property
    def stopping_metric(self) -> float:
        """Share of invalid records; 1 when there are no records at all."""
        return 1.0 - self.valid_record_fraction

    @property
    def fully_length_truncated(self) -> bool:
        """Whether every completion was cut at its longest length."""
        return 0 < self.num_prompts == self.num_length_truncated_completions
