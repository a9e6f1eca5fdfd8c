"""The valid records of a batch, some read as text and some as columns, in the order of their prompts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from attrs import define, field

from rowsmith.errors import PluginContractError
from rowsmith.generation.batches.columns import ColumnReader, ReadRows
from rowsmith.generation.batches.groups import group_sizes
from rowsmith.generation.batches.rows import joined
from rowsmith.generation.batches.tokens import TokenCounter
from rowsmith.generation.processors import ParsedResponse, Processor, read_completion
from rowsmith.generation.requests import Completion

__all__ = ["BatchRecords", "check_response", "record_text", "token_shares"]

Record = dict[str, Any]
Ints = npt.NDArray[np.int64]

_LAST = np.iinfo(np.int64).max


def record_text(record: Record) -> str:
    """A record as text, for lists of rejected records."""
    return json.dumps(record, ensure_ascii=False, default=str, separators=(",", ":"))


def check_response(response: object, processor: Processor) -> None:
    """Refuse what is no response.

    Raises:
        PluginContractError: It is of another type, its errors are not one for each invalid record, or its groups
            do not hold its valid records.
    """
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
    sizes = response.group_sizes
    if sizes is not None and (sum(sizes) != len(response.valid_records) or min(sizes, default=1) < 1):
        raise PluginContractError(
            f"processor {name} returned groups of {sizes} records for {len(response.valid_records)} valid records; "
            "each group must have some, and together they must be the valid ones"
        )


def token_shares(
    counter: TokenCounter, completion: Completion, response: ParsedResponse, total: int
) -> tuple[list[int], list[int]]:
    """Tokens of each valid and of each invalid record of a response.

    Args:
        counter: Counts tokens.
        completion: What was read.
        response: The records that it holds.
        total: Length of the completion in tokens.
    """
    num_valid = len(response.valid_records)
    if response.valid_spans is None or response.invalid_spans is None:
        texts = [record_text(record) for record in response.valid_records]
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
    for index, share in zip(order, counter.shares(completion, [spans[index] for index in order], total), strict=True):
        shares[index] = share
    return shares[:num_valid], shares[num_valid:]


@define(eq=False)
class BatchRecords:
    """What was read of the completions of a batch.

    Attributes:
        processor: Reads text.
        reader: Reads token ids; None when everything is read as text.
        responses: What was read as text, each with the tokens of its valid records.
        blocks: What was read as columns.
    """

    processor: Processor
    reader: ColumnReader | None
    responses: list[tuple[ParsedResponse, list[int]]] = field(factory=list)
    blocks: list[ReadRows] = field(factory=list)

    def responses_in_order(self) -> list[tuple[ParsedResponse, list[int]]]:
        """What was read as text, by prompt."""
        # Engines answer in any order; rows must not depend on it. Rejections have no prompt: last.
        return sorted(self.responses, key=lambda pair: _prompt_order(pair[0]))

    def records(self) -> list[Record]:
        """Every valid record; what was read as columns is read again, as text."""
        if not self.blocks:
            return [record for response, _ in self.responses_in_order() for record in response.valid_records]
        return [record for record, _ in self.select(range(self._count()))]

    def groups(self) -> Ints:
        """Records of each valid group, in the order of the records: int64[groups]."""
        sizes = [block.sizes for block in self.blocks]
        prompts = [block.request_ids for block in self.blocks]
        for response, _ in self.responses:
            sizes.append(np.array(group_sizes(response), dtype=np.int64))
            prompts.append(np.full(len(sizes[-1]), _prompt(response)))
        if not sizes:
            return np.zeros(0, dtype=np.int64)
        return np.concatenate(sizes)[np.argsort(np.concatenate(prompts), kind="stable")]

    def select(self, positions: Sequence[int]) -> list[tuple[Record, int]]:
        """Some valid records and their tokens.

        Args:
            positions: Their positions among all valid records.
        """
        order = self._order()
        read = sum(len(block.tokens) for block in self.blocks)
        texts = [
            pair for response, shares in self.responses for pair in zip(response.valid_records, shares, strict=True)
        ]
        found = order[np.asarray(positions, dtype=np.int64)].tolist()
        reread = self._reread(sorted({index for index in found if index < read}))
        return [reread[index] if index < read else texts[index - read] for index in found]

    def table(self) -> pa.Table | None:
        """The valid records as a spelled table of the model's schema; None when only text was read."""
        if self.reader is None:
            return None
        parts = [block.columns for block in self.blocks]
        textual = [record for response, _ in self.responses for record in response.valid_records]
        if textual:
            parts.append(self.reader.spell(textual))
        if not parts:
            return None
        table = joined(parts)
        order = self._order()
        return table if (np.diff(order) > 0).all() else table.take(pa.array(order))

    def frame(self) -> pd.DataFrame:
        """The valid records as rows of the objects that the processor makes."""
        records = self.records()
        names = dict.fromkeys(name for record in records for name in record)
        columns = {name: pd.Series([record.get(name) for record in records], dtype=object) for name in names}
        return pd.DataFrame(columns)

    def _count(self) -> int:
        textual = sum(len(response.valid_records) for response, _ in self.responses)
        return textual + sum(len(block.tokens) for block in self.blocks)

    def _order(self) -> Ints:
        """Position of each record among blocks and responses, one after the other."""
        prompts = [np.repeat(block.request_ids, block.sizes) for block in self.blocks]
        for response, _ in self.responses:
            prompts.append(np.full(len(response.valid_records), _prompt(response)))
        return np.argsort(np.concatenate(prompts), kind="stable") if prompts else np.zeros(0, dtype=np.int64)

    def _reread(self, positions: Sequence[int]) -> dict[int, tuple[Record, int]]:
        """Records that were read as columns and their tokens, by index among those; each completion is read once."""
        found: dict[int, tuple[Record, int]] = {}
        before = 0
        for block in self.blocks:
            ends = before + np.cumsum(block.sizes)
            here = [index for index in positions if before <= index < before + len(block.tokens)]
            owners = np.searchsorted(ends, here, side="right").tolist()
            records: list[Record] = []
            for index, owner, last in zip(here, owners, [None, *owners], strict=False):
                if owner != last:
                    records = self._read(block, owner)
                first = int(ends[owner] - block.sizes[owner])
                found[index] = records[index - first], int(block.tokens[index - before])
            before += len(block.tokens)
        return found

    def _read(self, block: ReadRows, completion: int) -> list[Record]:
        row = int(block.rows[completion])
        request_id = int(block.block.request_ids[row])
        return read_completion(self.processor, request_id, block.block.completion(row)).valid_records


def _prompt_order(response: ParsedResponse) -> float:
    return float("inf") if response.prompt_number is None else response.prompt_number


def _prompt(response: ParsedResponse) -> int:
    return _LAST if response.prompt_number is None else response.prompt_number
