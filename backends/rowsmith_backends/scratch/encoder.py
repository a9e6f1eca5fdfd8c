"""From table cells straight to ids: the fast path that equals writing text and tokenizing it."""

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
    """Tokenize the records of a spelled table without writing them out.

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
    encode = _square if vocabulary.closed else _ragged
    for start in range(0, columns.num_rows, _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, columns.num_rows)
        writer.append(encode(cells, slice(start, stop), offsets[start : stop + 1]))
    return TokenStore(ids=writer.array(), offsets=offsets)


class _Single:
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

    def write(self, out: Ids, at: Ints, rows: slice) -> None:
        out[at] = self.ids(rows)


class _Runs:
    """Cells of several tokens each, from a table of runs by code."""

    def __init__(self, runs: Sequence[Sequence[int]], codes: Codes, dtype: npt.DTypeLike) -> None:
        self.codes = codes
        self.flat = np.array([i for run in runs for i in run], dtype=dtype)
        self.sizes = np.array([len(run) for run in runs], dtype=np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])

    def lengths(self, rows: slice) -> Ints:
        lengths: Ints = self.sizes[self.codes[rows]]
        return lengths

    def write(self, out: Ids, at: Ints, rows: slice) -> None:
        lengths = self.lengths(rows)
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        starts = self.starts[self.codes[rows]]
        out[np.repeat(at, lengths) + within] = self.flat[np.repeat(starts, lengths) + within]


_Cells = _Single | _Runs


def _cells(
    columns: pa.Table,
    vocabulary: Vocabulary,
    item: ClosedField | OpenField,
    pieces: PieceEncoder | None,
    dtype: npt.DTypeLike,
) -> _Cells:
    values, codes = distinct(columns, item.name)
    if isinstance(item, ClosedField):
        return _Single(vocabulary.closed_lookup(item, values, bool((codes < 0).any())).astype(dtype), codes)
    if pieces is None:
        raise ValueError(f"column {item.name!r} is open: an encoder of its contents is needed")
    text = next(column for column in vocabulary.schema if column.name == item.name).kind is JsonKind.STRING
    contents = pieces([json_string(value)[1:-1] if text else value for value in values]) if values else []
    closing = [] if item.closing_id is None else [item.closing_id]
    null = [vocabulary.unknown_id] if item.null_id is None else [item.null_id]
    return _Runs([*([item.start, *content, *closing] for content in contents), null], codes, dtype)


def _offsets(cells: Sequence[_Cells], count: int) -> Ints:
    """Where each record begins, and where the last one ends."""
    offsets = np.zeros(count + 1, dtype=np.int64)
    lengths = offsets[1:]
    for cell in cells:
        lengths += cell.lengths(slice(None))
    np.cumsum(lengths, out=lengths)
    return spooled(offsets)


def _square(cells: Sequence[Any], rows: slice, bounds: Ints) -> Ids:
    """The ids of some records of one token a column."""
    ids = np.empty((len(bounds) - 1, len(cells)), dtype=cells[0].lookup.dtype)
    for place, cell in enumerate(cells):
        ids[:, place] = cell.ids(rows)
    return ids.reshape(-1)


def _ragged(cells: Sequence[_Cells], rows: slice, bounds: Ints) -> Ids:
    """The ids of some records; ``bounds`` are their offsets, the end included."""
    first = cells[0]
    ids = np.empty(
        int(bounds[-1] - bounds[0]), dtype=(first.lookup if isinstance(first, _Single) else first.flat).dtype
    )
    at = bounds[:-1] - bounds[0]
    for cell in cells:
        cell.write(ids, at, rows)
        at = at + cell.lengths(rows)
    return ids
