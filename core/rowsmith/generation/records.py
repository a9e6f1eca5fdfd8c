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

from rowsmith.generation.columns import ColumnReader, ReadRows
from rowsmith.generation.processors import ParsedResponse, Processor
from rowsmith.generation.row_store import joined

__all__ = ["BatchRecords", "record_text"]

Record = dict[str, Any]


def record_text(record: Record) -> str:
    """A record as text, for those who look at what was rejected."""
    return json.dumps(record, ensure_ascii=False, default=str, separators=(",", ":"))


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
        return sorted(self.responses, key=lambda pair: _place(pair[0]))

    def records(self) -> list[Record]:
        """Every valid record; what was read as columns is read again, as text."""
        if not self.blocks:
            return [record for response, _ in self.responses_in_order() for record in response.valid_records]
        return [record for record, _ in self.chosen(range(self._count()))]

    def chosen(self, places: Sequence[int]) -> list[tuple[Record, int]]:
        """Some valid records and their tokens.

        Args:
            places: Where they stand among all valid records.
        """
        order = self._order()
        read = sum(len(block.rows) for block in self.blocks)
        texts = [
            pair for response, shares in self.responses for pair in zip(response.valid_records, shares, strict=True)
        ]
        found = order[np.asarray(places, dtype=np.int64)].tolist()
        return [self._again(place) if place < read else texts[place - read] for place in found]

    def table(self) -> pa.Table | None:
        """The valid records as a spelled table of the model's schema; None when only text was read."""
        if self.reader is None:
            return None
        parts = [block.columns for block in self.blocks]
        spoken = [record for response, _ in self.responses for record in response.valid_records]
        if spoken:
            parts.append(self.reader.spell(spoken))
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
        spoken = sum(len(response.valid_records) for response, _ in self.responses)
        return spoken + sum(len(block.rows) for block in self.blocks)

    def _order(self) -> npt.NDArray[np.int64]:
        """Where each record stands among blocks and responses, one after the other."""
        prompts = [block.request_ids for block in self.blocks]
        for response, _ in self.responses:
            prompts.append(np.full(len(response.valid_records), min(_place(response), np.iinfo(np.int64).max)))
        return np.argsort(np.concatenate(prompts), kind="stable") if prompts else np.zeros(0, dtype=np.int64)

    def _again(self, place: int) -> tuple[Record, int]:
        for block in self.blocks:
            if place < len(block.rows):
                row = int(block.rows[place])
                response = self.processor(int(block.block.request_ids[row]), block.block.text(row))
                return response.valid_records[0], int(block.tokens[place])
            place -= len(block.rows)
        raise IndexError(place)


def _place(response: ParsedResponse) -> float:
    return float("inf") if response.prompt_number is None else response.prompt_number
