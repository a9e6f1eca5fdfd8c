"""One batch of completions: its records, their errors, and where its tokens went.

Counters move as completions are read; nothing is summed up again when it is asked for. Cells are
kept as the processor made them: a batch never guesses types, so that "00123" stays text and a
column does not change its type from one batch to the next.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from rowsmith.errors import GenerationError, PluginContractError
from rowsmith.generation.processors import TRUNCATED, ParsedResponse, Processor
from rowsmith.generation.requests import Completion, FinishReason
from rowsmith.generation.tokens import CountTokens, TokenCounter

__all__ = ["Batch"]

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
_KEPT_MESSAGES = 100


class Batch:
    """The completions of one call to an engine.

    Args:
        processor: Turns the text of a completion into records.
        count_tokens: Number of tokens of a text, or a ``TokenCounter`` shared by several batches;
            None where nobody can count.

    Attributes:
        num_prompts: Completions read.
        num_valid_records: Records that passed.
        num_invalid_records: Records that failed, in parsing or later.
        num_data_rejected_records: Those of them that parsed, and that the data actions rejected.
        num_completion_tokens: Tokens of all completions; always the sum of the next three.
        num_valid_record_tokens: Tokens of valid records.
        num_invalid_record_tokens: Tokens of invalid records.
        num_non_record_tokens: Tokens outside records.
        num_length_truncated_completions: Completions that were cut at their longest length.
        tokenization_time_sec: Time spent counting tokens.
        cut_short: Whether reading ended early because there seemed to be enough; such a batch says
            little when its data actions then reject what there is.
    """

    def __init__(self, processor: Processor, *, count_tokens: CountTokens | TokenCounter | None = None) -> None:
        self._processor = processor
        self._counter = count_tokens if isinstance(count_tokens, TokenCounter) else TokenCounter(count_tokens)
        self._responses: list[tuple[ParsedResponse, list[int]]] = []
        self._frame: pd.DataFrame | None = None
        self._settled = False
        self._errors: Counter[tuple[str, str]] = Counter()
        self.num_prompts = 0
        self.num_valid_records = 0
        self.num_invalid_records = 0
        self.num_data_rejected_records = 0
        self.num_completion_tokens = 0
        self.num_valid_record_tokens = 0
        self.num_invalid_record_tokens = 0
        self.num_length_truncated_completions = 0
        self.tokenization_time_sec = 0.0
        self.cut_short = False

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

    @property
    def settled(self) -> bool:
        """Whether ``to_dataframe`` gives rows that data actions made, in types of their own."""
        return self._settled

    def process(self, prompt_number: int, text: str) -> None:
        """Read one completion of which only the text is known.

        Args:
            prompt_number: The prompt that was completed.
            text: The completion.

        Raises:
            PluginContractError: The processor answered with something else than a response.
        """
        self.process_completion(prompt_number, Completion(text))

    def process_completion(self, prompt_number: int, completion: Completion) -> None:
        """Read one completion.

        Args:
            prompt_number: The prompt that was completed.
            completion: Its text, and what is known of its tokens and of its end.

        Raises:
            PluginContractError: The processor answered with something else than a response.
            GenerationError: Data actions have settled the batch.
        """
        if self._settled:
            raise GenerationError("this batch has been through its data actions; read completions into a new one")
        response = self._processor(prompt_number, completion.text)
        _check_response(response, self._processor)
        response.prompt_number = prompt_number
        before = self._counter.seconds
        total = self._counter.total(completion)
        valid, invalid = _token_shares(self._counter, completion, response, total)
        self.tokenization_time_sec += self._counter.seconds - before
        # Rows before counters: an interrupt in between must not promise a row that is not there.
        self._responses.append((response, valid))
        self._frame = None
        self.num_prompts += 1
        self.num_valid_records += len(response.valid_records)
        self.num_invalid_records += len(response.invalid_records)
        self.num_completion_tokens += total
        self.num_valid_record_tokens += sum(valid)
        self.num_invalid_record_tokens += sum(invalid)
        self.num_length_truncated_completions += completion.finish_reason is FinishReason.LENGTH
        self._errors.update(response.errors)

    def settle(self, frame: pd.DataFrame, rejected: Mapping[int, tuple[str, str]]) -> None:
        """Take over what data actions made of the valid records.

        Args:
            frame: The rows that stand for the batch from now on.
            rejected: The error of each rejected record, by its row in ``to_dataframe()``. Their
                records and tokens become invalid ones.
        """
        records = [
            record
            for response, shares in self._in_order()
            for record in zip(response.valid_records, shares, strict=True)
        ]
        texts = {
            row: json.dumps(records[row][0], ensure_ascii=False, default=str, separators=(",", ":")) for row in rejected
        }
        moved = sum(records[row][1] for row in rejected)
        self._responses.append((ParsedResponse([], list(texts.values()), list(rejected.values())), []))
        self._errors.update(rejected.values())
        self.num_valid_records -= len(rejected)
        self.num_invalid_records += len(rejected)
        self.num_data_rejected_records += len(rejected)
        self.num_valid_record_tokens -= moved
        self.num_invalid_record_tokens += moved
        self._frame, self._settled = frame, True

    def to_dataframe(self) -> pd.DataFrame | None:
        """The valid records as rows, in the order of their prompts; None when there are none.

        Cells are the objects that the processor made, in columns of dtype ``object``, until data
        actions have given the batch rows of their own.
        """
        if not self.num_valid_records:
            return None
        if self._frame is None:
            self._frame = _frame([record for response, _ in self._in_order() for record in response.valid_records])
        return self._frame

    def invalid_records(self) -> Iterator[tuple[str, tuple[str, str]]]:
        """Text and error of each invalid record, as long as the batch has not been released."""
        for response, _ in self._in_order():
            yield from zip(response.invalid_records, response.errors, strict=False)

    def error_statistics(self, detailed_errors: bool = False) -> pd.DataFrame:
        """How often each error came up.

        Args:
            detailed_errors: Whether to name errors by their full message, which may quote cell text,
                and not by their category.

        Returns:
            Column ``Percentage`` of all errors, by message, most frequent first.
        """
        counts: Counter[str] = Counter()
        for (detailed, summary), count in self._errors.items():
            counts[detailed if detailed_errors else _WORDS.get(summary, summary)] += count
        total = sum(counts.values())
        shares = {message: 100.0 * count / total for message, count in counts.most_common()}
        index = pd.Index(list(shares), name="Error", dtype=object)
        return pd.DataFrame({"Percentage": list(shares.values())}, index=index, dtype=float)

    def release(self) -> None:
        """Let go of texts and records; rows, counters and the most frequent errors stay."""
        self.to_dataframe()
        self._responses = []
        common = self._errors.most_common(_KEPT_MESSAGES)
        others = self._errors - Counter(dict(common))
        self._errors = Counter(dict(common))
        for (_, summary), count in others.items():
            self._errors[summary, summary] += count

    def _in_order(self) -> list[tuple[ParsedResponse, list[int]]]:
        # Engines answer in any order; rows must not depend on it. Rejections have no prompt: last.
        return sorted(
            self._responses,
            key=lambda pair: float("inf") if pair[0].prompt_number is None else pair[0].prompt_number,
        )


def _check_response(response: object, processor: Processor) -> None:
    name = type(processor).__qualname__
    if not isinstance(response, ParsedResponse):
        raise PluginContractError(
            f"processor {name} returned {type(response).__name__}; it must return a ParsedResponse"
        )
    if len(response.errors) != len(response.invalid_records):
        raise PluginContractError(
            f"processor {name} returned {len(response.errors)} errors for {len(response.invalid_records)} invalid "
            f"records; it must give one error for each"
        )


def _token_shares(
    counter: TokenCounter, completion: Completion, response: ParsedResponse, total: int
) -> tuple[list[int], list[int]]:
    """Tokens of each valid and of each invalid record of a response."""
    num_valid = len(response.valid_records)
    if response.valid_spans is None or response.invalid_spans is None:
        texts = [
            json.dumps(record, ensure_ascii=False, default=str, separators=(",", ":"))
            for record in response.valid_records
        ]
        shares = (
            counter.capped([*texts, *response.invalid_records], total)
            if total
            else [0] * (num_valid + len(response.errors))
        )
        return shares[:num_valid], shares[num_valid:]
    spans = [*response.valid_spans, *response.invalid_spans]
    if len(spans) == 1:
        shares = counter.shares(completion, spans, total)
        return shares[:num_valid], shares[num_valid:]
    order = sorted(range(len(spans)), key=spans.__getitem__)
    shares = [0] * len(spans)
    for place, share in zip(order, counter.shares(completion, [spans[place] for place in order], total), strict=True):
        shares[place] = share
    return shares[:num_valid], shares[num_valid:]


def _frame(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: pd.Series([record.get(name) for record in records], dtype=object) for name in names}
    return pd.DataFrame(columns)
