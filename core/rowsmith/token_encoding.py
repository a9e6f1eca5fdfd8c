"""From table cells straight to ids: the fast path that equals writing text and tokenizing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowsmith.dialect import json_string
from rowsmith.table.columns import distinct
from rowsmith.table.schema import JsonKind
from rowsmith.token_store import Ids, TokenStore
from rowsmith.vocabulary import ClosedField, OpenField, Vocabulary

__all__ = ["encode_table"]

PieceEncoder = Callable[[Sequence[str]], Sequence[Sequence[int]]]


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
    cells = [_cells(columns, vocabulary, item, pieces) for item in vocabulary.fields]
    rows = columns.num_rows
    lengths = np.sum([cell.lengths for cell in cells], axis=0, dtype=np.int64)
    offsets = np.zeros(rows + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    ids: Ids = np.empty(int(offsets[-1]), dtype=np.uint16 if len(vocabulary) <= np.iinfo(np.uint16).max else np.uint32)
    at = offsets[:-1].copy()
    for cell in cells:
        cell.write(ids, at)
        at += cell.lengths
    return TokenStore(ids=ids, offsets=offsets)


class _Single:
    """Cells of one token each."""

    def __init__(self, ids: npt.NDArray[np.int64]) -> None:
        self.ids = ids
        self.lengths = np.ones(len(ids), dtype=np.int64)

    def write(self, out: Ids, at: npt.NDArray[np.int64]) -> None:
        out[at] = self.ids


class _Runs:
    """Cells of several tokens each, from a table of runs by code."""

    def __init__(self, runs: Sequence[Sequence[int]], codes: npt.NDArray[np.int32]) -> None:
        self.codes = codes
        self.flat = np.array([i for run in runs for i in run], dtype=np.int64)
        self.sizes = np.array([len(run) for run in runs], dtype=np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self.lengths = self.sizes[codes]

    def write(self, out: Ids, at: npt.NDArray[np.int64]) -> None:
        within = np.arange(int(self.lengths.sum())) - np.repeat(np.cumsum(self.lengths) - self.lengths, self.lengths)
        out[np.repeat(at, self.lengths) + within] = self.flat[np.repeat(self.starts[self.codes], self.lengths) + within]


def _cells(
    columns: pa.Table, vocabulary: Vocabulary, item: ClosedField | OpenField, pieces: PieceEncoder | None
) -> _Single | _Runs:
    values, codes = distinct(columns, item.name)
    if isinstance(item, ClosedField):
        return _Single(vocabulary.closed_ids(item, values, codes))
    if pieces is None:
        raise ValueError(f"column {item.name!r} is open: an encoder of its contents is needed")
    text = next(column for column in vocabulary.schema if column.name == item.name).kind is JsonKind.STRING
    contents = pieces([json_string(value)[1:-1] if text else value for value in values]) if values else []
    closing = [] if item.closing_id is None else [item.closing_id]
    null = [vocabulary.unknown_id] if item.null_id is None else [item.null_id]
    return _Runs([*([item.start, *content, *closing] for content in contents), null], codes)
