"""From token ids to columns without text: the fast way through a columnar vocabulary.

Only completions that are plainly one whole record, or one whole group of a model of groups, are read here;
whatever else a model may write is left to the processor, which judges text. What both give is the same, cell
by cell and token by token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.dialect import RecordDialect, json_string
from rowsmith.dialect.cells import CellReader
from rowsmith.errors import RecordError
from rowsmith.generation.requests import CompletionBlock, FinishReason
from rowsmith.table.columns import spelled
from rowsmith.vocabulary import ClosedField, OpenField, Vocabulary

__all__ = ["ColumnReader", "ReadRows"]

_NULL, _REFUSED, _OPEN = -1, -2, -3
_REASONS = frozenset(FinishReason)

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@frozen(kw_only=True, eq=False)
class ReadRows:
    """Records that were read from a block; those of one completion are adjacent.

    Attributes:
        block: Where they were read from.
        rows: Rows of the completions in the block: int64[n].
        sizes: Records of each completion, at least one: int64[n].
        columns: The spelled table of the model's schema, a row for each record.
        tokens: Tokens of each record, the end mark left out: int64[records].
        num_completion_tokens: Tokens of all these completions.
        num_truncated: How many of these completions were cut at their longest length.
    """

    block: CompletionBlock
    rows: Ints
    sizes: Ints
    columns: pa.Table
    tokens: Ints
    num_completion_tokens: int
    num_truncated: int

    @property
    def request_ids(self) -> Ints:
        """The request of each completion: int64[n]."""
        return np.asarray(self.block.request_ids, dtype=np.int64)[self.rows]


@frozen(kw_only=True, eq=False)
class _Cells:
    """Where the cells of some completions begin and end among the tokens of a block.

    Attributes:
        tokens: The ids of all completions, one after the other.
        rows: The completions whose records have a cell of every column, in order: int64[n].
        sizes: Records of each: int64[n].
        starts: Where each cell begins: int64[records, columns].
        stops: Where it ends.
    """

    tokens: Ints
    rows: Ints
    sizes: Ints
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]

    @property
    def firsts(self) -> Ints:
        """The first record of each completion."""
        return np.cumsum(self.sizes) - self.sizes

    def whole(self, records: Flags) -> Flags:
        """Which completions have all of their records among some of them."""
        plain = len(records) == len(self.rows)  # reduceat takes no empty array
        return records if plain else np.logical_and.reduceat(records, self.firsts)

    def of_records(self, completions: Flags) -> Flags:
        """Which records are those of some completions."""
        return np.repeat(completions, self.sizes)

    def take(self, selected: Flags) -> _Cells:
        """Those of some completions."""
        records = self.of_records(selected)
        return _Cells(
            tokens=self.tokens,
            rows=self.rows[selected],
            sizes=self.sizes[selected],
            starts=self.starts[records],
            stops=self.stops[records],
        )


class ColumnReader:
    """Reads blocks of completions of a columnar model.

    Args:
        vocabulary: What the ids mean.
        dialect: The records that are valid; its schema is the vocabulary's.
    """

    def __init__(self, vocabulary: Vocabulary, dialect: RecordDialect) -> None:
        self.vocabulary = vocabulary
        self.dialect = dialect
        by_name = {column.name: column for column in vocabulary.schema}
        step = vocabulary.schema.step
        self._step = None if step is None else vocabulary.schema.names.index(step.name)
        self._fields = vocabulary.fields
        self._readers = [CellReader(by_name[item.name]) for item in self._fields]
        self._column = np.full(len(vocabulary), -1, dtype=np.int64)
        self._code = np.full(len(vocabulary), _REFUSED, dtype=np.int32)
        self._values: dict[str, pa.StringArray] = {}
        for index, item in enumerate(self._fields):
            self._learn(index, item)

    def spell(self, records: Sequence[Mapping[str, Any]]) -> pa.Table:
        """The spelled table of records that were read as text."""
        return self.dialect.spell(records)

    def read(self, block: CompletionBlock, rows: Sequence[int] | None = None) -> ReadRows | None:
        """Read the completions that are plainly one whole record, or one whole group of a model of groups.

        Args:
            block: Completions.
            rows: Which of them to look at; None means all.

        Returns:
            What was read, in the order of the block; None when that is nothing.
        """
        ids, lengths = np.asarray(block.ids), np.asarray(block.lengths)
        if block.texts is not None or ids.ndim != 2 or not ids.size or not _REASONS.issuperset(block.finish_reasons):
            return None
        cells = self._cells(ids, lengths, self._wanted(block, rows))
        codes = self._code[cells.tokens[cells.starts]]
        good = (codes != _REFUSED).all(axis=1) & ((cells.stops - cells.starts == 1) | (codes == _OPEN)).all(axis=1)
        if self._step is not None:
            first = np.zeros(len(codes), dtype=bool)
            first[cells.firsts] = True
            good &= (codes[:, self._step] == _NULL) == first
        opened = [index for index, item in enumerate(self._fields) if isinstance(item, OpenField)]
        texts = {index: self._open_cells(index, cells, codes, good) for index in opened}
        accepted = cells.whole(good)
        if not accepted.any():
            return None
        codes = codes[cells.of_records(accepted)]
        return self._rows(block, cells.take(accepted), self._table(codes, texts))

    def _wanted(self, block: CompletionBlock, rows: Sequence[int] | None) -> Flags:
        """Which completions to look at; a group that was cut off is none."""
        wanted = np.ones(len(block), dtype=bool)
        if rows is not None and len(rows) < len(block):
            wanted[:] = False
            wanted[np.asarray(rows, dtype=np.int64)] = True
        if self._step is not None:
            wanted &= np.array([reason == FinishReason.STOP for reason in block.finish_reasons], dtype=bool)
        return wanted

    def _table(self, codes: npt.NDArray[np.int32], texts: Mapping[int, pa.StringArray]) -> pa.Table:
        arrays: dict[str, pa.DictionaryArray] = {}
        for index, item in enumerate(self._fields):
            values = texts[index] if index in texts else self._values[item.name]
            arrays[item.name] = spelled(values, np.ascontiguousarray(codes[:, index]))
        return pa.table({name: arrays[name] for name in self.vocabulary.schema.names})

    def _rows(self, block: CompletionBlock, cells: _Cells, columns: pa.Table) -> ReadRows:
        reasons = block.finish_reasons
        return ReadRows(
            block=block,
            rows=cells.rows,
            sizes=cells.sizes,
            columns=columns,
            tokens=cells.stops[:, -1] - cells.starts[:, 0],
            num_completion_tokens=int(np.asarray(block.lengths)[cells.rows].sum()),
            num_truncated=sum(reasons[row] == FinishReason.LENGTH for row in cells.rows.tolist()),
        )

    def _learn(self, index: int, item: ClosedField | OpenField) -> None:
        """Record the value of each token of a column when a cell begins with it."""
        texts: dict[str, int] = {}
        self._column[item.start : item.stop] = index
        for token, fragment in enumerate(item.fragments, item.start):
            self._code[token] = self._code_of(index, fragment, texts)
        if isinstance(item, OpenField):
            self._code[item.start] = _OPEN
            if item.closing is not None:
                self._column[item.stop - 1] = -1
        self._values[item.name] = pa.array(list(texts), type=pa.string())

    def _code_of(self, index: int, cell: str, texts: dict[str, int]) -> int:
        before = ("," if index else "{") + json_string(self._fields[index].name) + ":"
        after = "}\n" if index == len(self._fields) - 1 else ""
        if not cell.startswith(before) or not cell.endswith(after):
            return _REFUSED
        try:
            value = self._readers[index].read(cell[len(before) : len(cell) - len(after)])
        except RecordError:
            return _REFUSED
        return _NULL if value is None else texts.setdefault(value, len(texts))

    def _cells(self, ids: npt.NDArray[Any], lengths: npt.NDArray[Any], wanted: Flags) -> _Cells:
        count, width = ids.shape
        sound = wanted & (lengths > 0) & (lengths <= width)
        ended = ids[np.arange(count), np.clip(lengths - 1, 0, width - 1)] == self.vocabulary.eos_id
        sizes = np.where(sound, lengths - ended, 0).astype(np.int64)
        tokens = ids[np.arange(width) < sizes[:, None]].astype(np.int64)
        known = (tokens >= len(self.vocabulary.specials)) & (tokens < len(self._column))
        row_of = np.repeat(np.arange(count), sizes)
        sound &= np.bincount(row_of[~known], minlength=count) == 0
        tokens[~known] = 0
        begins = np.flatnonzero(self._column[tokens] >= 0)
        records, rest = np.divmod(np.bincount(row_of[begins], minlength=count), len(self._fields))
        sound &= (rest == 0) & (records == 1 if self._step is None else records >= 1)
        rows = np.flatnonzero(sound)
        ends = np.cumsum(sizes)[rows]
        return self._aligned(tokens, begins[sound[row_of[begins]]], rows, records[rows], ends - sizes[rows], ends)

    def _aligned(self, tokens: Ints, begins: Ints, rows: Ints, records: Ints, left: Ints, right: Ints) -> _Cells:
        """The cells of completions that have some for each column of each record, where they are those of the columns.

        Args:
            tokens: The ids of all completions.
            begins: Where the cells of these completions begin.
            rows: The completions.
            records: How many records each would have.
            left: Where each completion begins.
            right: Where it ends.
        """
        starts = begins.reshape(-1, len(self._fields))
        ends = np.append(starts[1:, 0], 0)[: len(starts)]
        ends[np.cumsum(records) - 1] = right
        cells = _Cells(
            tokens=tokens, rows=rows, sizes=records, starts=starts, stops=np.column_stack([starts[:, 1:], ends])
        )
        ordered = (self._column[tokens[starts]] == np.arange(len(self._fields))).all(axis=1)
        return cells.take((starts[cells.firsts, 0] == left) & cells.whole(ordered))

    def _open_cells(self, index: int, cells: _Cells, codes: npt.NDArray[np.int32], accepted: Flags) -> pa.StringArray:
        """Read the cells of an open column into ``codes``; records whose cell is no value leave ``accepted``."""
        texts: dict[str, int] = {}
        known: dict[bytes, int] = {}
        starts, stops = cells.starts[:, index].tolist(), cells.stops[:, index].tolist()
        for row in np.flatnonzero(accepted & (codes[:, index] == _OPEN)).tolist():
            run = cells.tokens[starts[row] : stops[row]]
            key = run.tobytes()
            code = known.get(key)
            if code is None:
                code = known[key] = self._open_code(index, run.tolist(), texts)
            codes[row, index] = code
        accepted &= codes[:, index] != _REFUSED
        return pa.array(list(texts), type=pa.string())

    def _open_code(self, index: int, run: list[int], texts: dict[str, int]) -> int:
        pieces = self.vocabulary.texts
        try:
            cell = b"".join([pieces[token] for token in run]).decode()
        except UnicodeDecodeError:
            return _REFUSED
        return self._code_of(index, cell, texts)
