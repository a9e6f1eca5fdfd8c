"""One batch of completions: its records, their errors, and where its tokens went.

Counters move as completions are read; reading a counter sums nothing up. Cells stay
as the processor made them: a batch never guesses types, so that "00123" stays text and a
column does not change its type from one batch to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pandas as pd
import pyarrow as pa

from rowsmith.errors import GenerationError
from rowsmith.generation.batches.columns import ColumnReader, ReadRows
from rowsmith.generation.batches.counts import BatchCounts, ErrorCounts
from rowsmith.generation.batches.groups import Ints, group_sizes, num_failed_groups, sizes_without
from rowsmith.generation.batches.records import BatchRecords, check_response, record_text, token_shares
from rowsmith.generation.batches.rows import RowStore
from rowsmith.generation.batches.tokens import CountTokens, TokenCounter
from rowsmith.generation.processors import ParsedResponse, Processor, read_completion
from rowsmith.generation.requests import Completion, CompletionBlock, FinishReason
from rowsmith.plugins.blame import attribute_errors

__all__ = ["Batch"]


class Batch(BatchCounts):
    """The completions of one call to an engine; how many there are of everything, ``BatchCounts`` says.

    Args:
        processor: Turns the text of a completion into records.
        count_tokens: Number of tokens of a text, or a ``TokenCounter`` shared by several batches;
            None where tokens cannot be counted.
        reader: Reads blocks of token ids instead of the processor, as far as it can; None reads text.

    Attributes:
        grouped: Whether records belong together in groups, as the processor says; 0 groups are counted otherwise.
        store: Holds the rows of a released batch; None while the batch holds them itself.
        cut_short: Whether reading ended early because there seemed to be enough; such a batch says
            little when its data actions then reject what there is.
    """

    def __init__(
        self,
        processor: Processor,
        *,
        count_tokens: CountTokens | TokenCounter | None = None,
        reader: ColumnReader | None = None,
    ) -> None:
        super().__init__()
        self._processor = processor
        self._counter = count_tokens if isinstance(count_tokens, TokenCounter) else TokenCounter(count_tokens)
        self._records = BatchRecords(processor, reader)
        self._frame: pd.DataFrame | None = None
        self._columns: pa.Table | None = None
        self._to_frame: Callable[[pa.Table], pd.DataFrame] | None = None
        self._groups: Ints | None = None
        self._offset = 0
        self.grouped = bool(getattr(processor, "grouped", False))
        self.store: RowStore | None = None
        self._actions_applied = False
        self._closed = False
        self._errors = ErrorCounts()
        self.cut_short = False

    @property
    def actions_applied(self) -> bool:
        """Whether ``to_dataframe`` gives rows that data actions made, in types of their own."""
        return self._actions_applied

    @property
    def by_columns(self) -> bool:
        """Whether data actions gave the rows of the batch as columns."""
        return self._to_frame is not None

    @property
    def group_sizes(self) -> Ints:
        """Rows of each valid group, in the order of the rows, without those that were rejected: int64[groups]."""
        return self._records.groups() if self._groups is None else self._groups

    def process(self, prompt_number: int, text: str) -> None:
        """Read one completion of which only the text is known.

        Args:
            prompt_number: The prompt that was completed.
            text: The completion.

        Raises:
            PluginContractError: The processor answered with something else than a response.
        """
        self.process_completion(prompt_number, Completion(text))

    def process_block(self, block: CompletionBlock, rows: Sequence[int] | None = None) -> None:
        """Read some completions of a block, without making text of them where that is not needed.

        Args:
            block: The completions.
            rows: Which of them to read; None means all.

        Raises:
            PluginContractError: The processor answered with something else than a response.
            GenerationError: Data actions were applied to the batch, or it was added to a job.
        """
        self._check_open()
        left: Sequence[int] = range(len(block)) if rows is None else rows
        reader = self._records.reader
        read = None if reader is None else reader.read(block, left)
        if read is not None:
            self._take(read)
            done = set(read.rows.tolist())
            left = [] if len(done) == len(left) else [row for row in left if row not in done]
        for row in left:
            self.process_completion(int(block.request_ids[row]), block.completion(row))

    def process_completion(self, prompt_number: int, completion: Completion) -> None:
        """Read one completion.

        Args:
            prompt_number: The prompt that was completed.
            completion: Its text, and what is known of its tokens and of its end.

        Raises:
            PluginContractError: The processor answered with something else than a response.
            GenerationError: Data actions were applied to the batch, or it was added to a job.
        """
        self._check_open()
        with attribute_errors(self._processor):
            response = read_completion(self._processor, prompt_number, completion)
            check_response(response, self._processor)
        response.prompt_number = prompt_number
        before = self._counter.seconds
        total = self._counter.total(completion)
        valid, invalid = token_shares(self._counter, completion, response, total)
        self.tokenization_time_sec += self._counter.seconds - before
        # Rows before counters: an interrupt in between must not promise a row that is not there.
        self._records.responses.append((response, valid))
        self._frame = None
        self.num_prompts += 1
        self.num_valid_records += len(response.valid_records)
        self.num_invalid_records += len(response.invalid_records)
        self.num_completion_tokens += total
        self.num_uncounted_completions += not self._counter.knows(completion)
        self.num_valid_record_tokens += sum(valid)
        self.num_invalid_record_tokens += sum(invalid)
        self.num_length_truncated_completions += completion.finish_reason is FinishReason.LENGTH
        self._errors.add(response.errors)
        if self.grouped:
            self.num_valid_groups += len(group_sizes(response))
            self.num_invalid_groups += num_failed_groups(response)

    def replace_rows(self, frame: pd.DataFrame, rejected: Mapping[int, tuple[str, str]]) -> None:
        """Replace the valid records by the rows that data actions made of them.

        Args:
            frame: The rows of the batch from now on.
            rejected: The error of each rejected record, by its row in ``to_dataframe()``. Their
                records and tokens become invalid ones.
        """
        self._reject(rejected)
        self._frame, self._actions_applied = frame, True

    def replace_columns(
        self, columns: pa.Table, to_frame: Callable[[pa.Table], pd.DataFrame], rejected: Mapping[int, tuple[str, str]]
    ) -> None:
        """Replace the valid records by the rows that data actions made of them, as a spelled table.

        Args:
            columns: The rows of the batch from now on.
            to_frame: Makes a frame of them on demand.
            rejected: As for ``replace_rows``.
        """
        self._reject(rejected)
        self._columns, self._to_frame, self._actions_applied = columns, to_frame, True

    def columns(self) -> pa.Table | None:
        """The valid records as a spelled table of the model's schema, in the order of their prompts.

        Once data actions were applied, it is the table that they gave.

        Returns:
            The table; None for a batch that is not read by columns, or that has no valid record.
        """
        if not self.num_valid_records:
            return None
        if self.store is not None:
            return self.store.rows(self._offset, self.num_valid_records)
        return self._columns if self._actions_applied else self._records.table()

    def to_dataframe(self) -> pd.DataFrame | None:
        """The valid records as rows, in the order of their prompts; None when there are none.

        Cells are the objects that the processor made, in columns of dtype ``object``, until data
        actions have given the batch rows of their own.
        """
        if not self.num_valid_records:
            return None
        if self.by_columns and self._to_frame is not None:
            return self._to_frame(self.columns())
        if self._frame is None:
            self._frame = self._records.frame()
        return self._frame

    def invalid_records(self) -> Iterator[tuple[str, tuple[str, str]]]:
        """Text and error of each invalid record, as long as the batch has not been released."""
        for response, _ in self._records.responses_in_order():
            yield from zip(response.invalid_records, response.errors, strict=False)

    def error_statistics(self, detailed_errors: bool = False) -> pd.DataFrame:
        """How often each error came up.

        Args:
            detailed_errors: Whether to name errors by their full message, which may quote cell text,
                and not by their category.

        Returns:
            Column ``Percentage`` of all errors, by message, most frequent first.
        """
        return self._errors.statistics(detailed_errors)

    def error_summary(self) -> str:
        """The most frequent kinds of errors with their shares, in one line and without cell text."""
        return self._errors.summary()

    def release(self, store: RowStore | None = None) -> None:
        """Release texts and records; rows, counters and the most frequent errors stay.

        Args:
            store: Receives the rows of a batch that data actions gave as columns.
        """
        if self.grouped:
            self._groups = self.group_sizes
        if not self.by_columns:
            self.to_dataframe()
        elif store is not None and self._columns is not None and self.num_valid_records:
            self._offset, self.store, self._columns = store.append(self._columns), store, None
        self._records = BatchRecords(self._processor, self._records.reader)
        self._errors.shorten()

    def close(self) -> None:
        """Take no further completion: the batch is part of a job's sums."""
        self._closed = True

    def _check_open(self) -> None:
        if self._actions_applied or self._closed:
            what = "been through its data actions" if self._actions_applied else "been added to a job"
            raise GenerationError(f"this batch has {what}; read completions into a new one")

    def _take(self, read: ReadRows) -> None:
        tokens = int(read.tokens.sum())
        self._records.blocks.append(read)
        self._frame = None
        self.num_prompts += len(read.rows)
        self.num_valid_records += len(read.tokens)
        self.num_valid_groups += len(read.rows) if self.grouped else 0
        self.num_completion_tokens += read.num_completion_tokens
        self.num_valid_record_tokens += tokens
        self.num_length_truncated_completions += read.num_truncated

    def _reject(self, rejected: Mapping[int, tuple[str, str]]) -> None:
        if self.grouped:
            self._groups = sizes_without(self._records.groups(), rejected)
            self.num_invalid_groups += self.num_valid_groups - len(self._groups)
            self.num_valid_groups = len(self._groups)
        if not rejected:
            return
        records = self._records.select(list(rejected))
        moved = sum(tokens for _, tokens in records)
        texts = [record_text(record) for record, _ in records]
        self._records.responses.append((ParsedResponse([], texts, list(rejected.values())), []))
        self._errors.add(rejected.values())
        self.num_valid_records -= len(rejected)
        self.num_invalid_records += len(rejected)
        self.num_data_rejected_records += len(rejected)
        self.num_valid_record_tokens -= moved
        self.num_invalid_record_tokens += moved
