"""Encoder of tables: from cells to token ids, with the same result as tokenizing record text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowsmith.assembly.token_store import Ids, Ints, TokenStore
from rowsmith.dialect import json_string
from rowsmith.storage.memory_map import BlockWriter, spooled
from rowsmith.table.columns import Codes, distinct
from rowsmith.table.schema import JsonKind
from rowsmith.vocabulary import ClosedField, OpenField, Vocabulary

__all__ = ["encode_table"]

PieceEncoder = Callable[[Sequence[str]], Sequence[Sequence[int]]]

_BLOCK_ROWS = 1 << 16


def encode_table(columns: pa.Table, vocabulary: Vocabulary, pieces: PieceEncoder | None = None) -> TokenStore:
    """Encode the records of a spelled table without writing them as text.

    Args:
        columns: A spelled table with the columns of the vocabulary's schema.
        vocabulary: The tokens.
        pieces: Encodes contents of open columns, such as the tokenizer's own BPE; needed only when
            some column is open.

    Returns:
        One run of ids a record, without special tokens.

    Raises:
        DataError: A closed column holds a value that has no token.
    """
    dtype = np.uint16 if len(vocabulary) <= np.iinfo(np.uint16).max else np.uint32
    cells = [_cells(columns, vocabulary, item, pieces, dtype) for item in vocabulary.fields]
    offsets = _offsets(cells, columns.num_rows)
    writer = BlockWriter(int(offsets[-1]), dtype)
    encode = _encode_fixed if vocabulary.closed else _encode_variable
    for start in range(0, columns.num_rows, _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, columns.num_rows)
        writer.append(encode(cells, slice(start, stop), offsets[start : stop + 1]))
    return TokenStore(ids=writer.array(), offsets=offsets)


class _SingleTokenCells:
    """Cells of one token each.

    Args:
        lookup: The id of each code; null's comes last.
        codes: The code of each row.
    """

    def __init__(self, lookup: Ids, codes: Codes) -> None:
        self.lookup = lookup
        self.codes = codes

    def ids(self, rows: slice) -> Ids:
        ids: Ids = self.lookup[self.codes[rows]]
        return ids

    def lengths(self, rows: slice) -> Ints | int:
        return 1

    def write(self, out: Ids, positions: Ints, rows: slice) -> None:
        out[positions] = self.ids(rows)


class _MultiTokenCells:
    """Cells of several tokens each, from a table of runs by code."""

    def __init__(self, id_lists: Sequence[Sequence[int]], codes: Codes, dtype: npt.DTypeLike) -> None:
        self.codes = codes
        self.flat = np.array([i for id_list in id_lists for i in id_list], dtype=dtype)
        self.sizes = np.array([len(id_list) for id_list in id_lists], dtype=np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])

    def lengths(self, rows: slice) -> Ints:
        lengths: Ints = self.sizes[self.codes[rows]]
        return lengths

    def write(self, out: Ids, positions: Ints, rows: slice) -> None:
        lengths = self.lengths(rows)
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        starts = self.starts[self.codes[rows]]
        out[np.repeat(positions, lengths) + within] = self.flat[np.repeat(starts, lengths) + within]


_Cells = _SingleTokenCells | _MultiTokenCells


def _cells(
    columns: pa.Table,
    vocabulary: Vocabulary,
    item: ClosedField | OpenField,
    pieces: PieceEncoder | None,
    dtype: npt.DTypeLike,
) -> _Cells:
    values, codes = distinct(columns, item.name)
    if isinstance(item, ClosedField):
        return _SingleTokenCells(vocabulary.closed_lookup(item, values, bool((codes < 0).any())).astype(dtype), codes)
    if pieces is None:
        raise ValueError(f"column {item.name!r} is open: an encoder of its contents is needed")
    text = next(column for column in vocabulary.schema if column.name == item.name).kind is JsonKind.STRING
    contents = pieces([json_string(value)[1:-1] if text else value for value in values]) if values else []
    closing = [] if item.closing_id is None else [item.closing_id]
    null = [vocabulary.unknown_id] if item.null_id is None else [item.null_id]
    return _MultiTokenCells([*([item.start, *content, *closing] for content in contents), null], codes, dtype)


def _offsets(cells: Sequence[_Cells], count: int) -> Ints:
    """Offset of each record, and the end of the last one."""
    offsets = np.zeros(count + 1, dtype=np.int64)
    lengths = offsets[1:]
    for cell in cells:
        lengths += cell.lengths(slice(None))
    np.cumsum(lengths, out=lengths)
    return spooled(offsets)


def _encode_fixed(cells: Sequence[Any], rows: slice, bounds: Ints) -> Ids:
    """The ids of some records of one token a column."""
    ids = np.empty((len(bounds) - 1, len(cells)), dtype=cells[0].lookup.dtype)
    for index, cell in enumerate(cells):
        ids[:, index] = cell.ids(rows)
    return ids.reshape(-1)


def _encode_variable(cells: Sequence[_Cells], rows: slice, bounds: Ints) -> Ids:
    """The ids of some records; ``bounds`` are their offsets, the end included."""
    first = cells[0]
    ids = np.empty(
        int(bounds[-1] - bounds[0]), dtype=(first.lookup if isinstance(first, _SingleTokenCells) else first.flat).dtype
    )
    positions = bounds[:-1] - bounds[0]
    for cell in cells:
        cell.write(ids, positions, rows)
        positions = positions + cell.lengths(rows)
    return ids
