"""How many of everything a batch and a job hold, and how often each error came up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pandas as pd
from attrs import define

from rowsmith.generation.processors import TRUNCATED

__all__ = ["BatchCounts", "Counted", "ErrorCounts", "Totals"]

_WORDS = {
    "type": "Value of the wrong type",
    "enum": "Value that the column does not have",
    "const": "Value that the column does not have",
    "required": "Missing field",
    "additionalProperties": "Unknown field",
    "minimum": "Number below the column's smallest",
    "maximum": "Number above the column's largest",
    "minLength": "Text too short",
    "maxLength": "Text too long",
    "pattern": "Text of the wrong form",
    "groupby": "Broken group",
    "TimeSeries": "Broken time series",
    TRUNCATED: "Record cut off at the end of the completion",
}
_RETAINED_MESSAGES = 100
_SUMMARIZED = 5

Error = tuple[str, str]
"""A detailed message, which may quote cell text, and a category, which never does."""


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

    def add(self, batch: BatchCounts) -> None:
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
        """Groups of which records passed; 0 where records are independent."""
        return self._totals.valid_groups

    @property
    def num_invalid_groups(self) -> int:
        """Groups that failed."""
        return self._totals.invalid_groups


class ErrorCounts:
    """Errors and how often each came up.

    Args:
        counts: Errors to begin with.
    """

    def __init__(self, counts: Iterable[tuple[Error, int]] = ()) -> None:
        self._counts: Counter[Error] = Counter(dict(counts))

    def add(self, errors: Iterable[Error]) -> None:
        """Count more errors."""
        self._counts.update(errors)

    def items(self) -> list[tuple[Error, int]]:
        """Every error and its count."""
        return list(self._counts.items())

    def statistics(self, detailed: bool) -> pd.DataFrame:
        """Column ``Percentage`` of all errors, by message, most frequent first.

        Args:
            detailed: Whether to name errors by their full message and not by their category.
        """
        counts: Counter[str] = Counter()
        for (message, summary), count in self._counts.items():
            counts[message if detailed else _WORDS.get(summary, summary)] += count
        total = sum(counts.values())
        shares = {message: 100.0 * count / total for message, count in counts.most_common()}
        index = pd.Index(list(shares), name="Error", dtype=object)
        return pd.DataFrame({"Percentage": list(shares.values())}, index=index, dtype=float)

    def summary(self) -> str:
        """The most frequent categories and their shares in one line; ``no errors`` when there are none."""
        shares = self.statistics(detailed=False)["Percentage"].head(_SUMMARIZED)
        return "; ".join(f"{message} {share:.0f} %" for message, share in shares.items()) or "no errors"

    def shorten(self) -> None:
        """Retain the most frequent messages; the others become their category."""
        common = self._counts.most_common(_RETAINED_MESSAGES)
        others = self._counts - Counter(dict(common))
        self._counts = Counter(dict(common))
        for (_, summary), count in others.items():
            self._counts[summary, summary] += count
