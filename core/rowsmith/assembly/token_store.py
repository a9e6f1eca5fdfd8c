"""Records as token ids, each tokenized once: one flat buffer with offsets.

The buffer has the smallest unsigned type that holds its ids. On disk it is an Arrow IPC file that is
memory-mapped when opened, so a store larger than memory uses memory only for what is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import field, frozen

from rowsmith.errors import DataError
from rowsmith.storage.arrow_streams import UNSOUND, read_stream
from rowsmith.storage.memory_map import spooled

__all__ = ["Ids", "Ints", "TokenStore", "tokenize_text"]

Ids = npt.NDArray[np.unsignedinteger[Any]]
Ints = npt.NDArray[np.int64]

_FORMAT = {b"rowsmith.token_store": b"1"}
_MARK = b"ARROW1\0\0"
_TYPES = {
    "ids": tuple(pa.large_list(kind) for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())),
    "groups": (pa.int64(),),
}
_BATCH = 10_000


def _check_ids(instance: object, attribute: Any, value: Ids) -> None:
    if value.ndim != 1 or value.dtype.kind != "u":
        raise DataError(
            f"token ids must be a flat array of unsigned integers, got {value.dtype} of shape {value.shape}"
        )


def _check_offsets(store: TokenStore, attribute: Any, value: Ints) -> None:
    if value.ndim != 1 or value.dtype != np.int64 or not len(value):
        raise DataError(f"offsets must be a flat int64 array of at least one entry, got {value.dtype} {value.shape}")
    if value[0] != 0 or value[-1] != len(store.ids) or (np.diff(value) < 0).any():
        raise DataError(f"offsets must rise from 0 to the number of ids, which is {len(store.ids)}")


def _check_groups(store: TokenStore, attribute: Any, value: Ints | None) -> None:
    if value is not None and (value.dtype != np.int64 or value.shape != (len(store.offsets) - 1,)):
        raise DataError(f"groups must be an int64 per record ({len(store)} of them), got {value.dtype} {value.shape}")


@frozen(eq=False)
class TokenStore:
    """Token ids of ``n`` records.

    Attributes:
        ids: Ids of all records, one after another; unsigned integers ``[tokens]``.
        offsets: Where each record begins, and finally where the last one ends; int64 ``[n + 1]``.
        groups: The number of each record's group; int64 ``[n]``, or None.

    Raises:
        DataError: The arrays do not fit together.
    """

    ids: Ids = field(validator=_check_ids)
    offsets: Ints = field(validator=_check_offsets)
    groups: Ints | None = field(default=None, validator=_check_groups)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def lengths(self) -> Ints:
        """Tokens of each record; int64 ``[n]``."""
        if self.uniform_length is not None:
            return np.broadcast_to(np.int64(self.uniform_length), (len(self),))
        return spooled(np.diff(self.offsets))

    @cached_property
    def uniform_length(self) -> int | None:
        """The length that all records share, or None."""
        if not len(self):
            return None
        lengths = np.diff(self.offsets)
        return int(lengths[0]) if (lengths == lengths[0]).all() else None

    def record(self, index: int) -> Ids:
        """The ids of one record, as a view."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def gather(self, rows: npt.NDArray[np.integer[Any]]) -> Ids:
        """The ids of several records, one after another.

        Args:
            rows: Record numbers ``[k]``, in the order wanted.

        Returns:
            Ids ``[sum of the lengths]``, of the store's type.
        """
        if self.uniform_length is not None:
            square: Ids = self.ids.reshape(len(self), self.uniform_length)
            return np.asarray(square[rows]).reshape(-1)
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        positions = np.repeat(self.offsets[rows] - (ends - lengths), lengths) + np.arange(total)
        ids: Ids = self.ids[positions]
        return ids

    @classmethod
    def from_records(cls, records: Iterable[Sequence[int]], groups: Sequence[int] | None = None) -> TokenStore:
        """Build a store from a list of ids per record.

        Args:
            records: The ids of each record.
            groups: The number of each record's group, or None.
        """
        rows = list(records)
        numbers = None if groups is None else np.asarray(groups, dtype=np.int64)
        return _from_blocks([_block(rows)] if rows else [], numbers)

    def save(self, path: str | PathLike[str]) -> None:
        """Write an Arrow IPC file, uncompressed so that it can be mapped.

        Args:
            path: The file; overwritten.
        """
        arrays: list[pa.Array] = [pa.LargeListArray.from_arrays(pa.array(self.offsets), pa.array(self.ids))]
        names = ["ids"]
        if self.groups is not None:
            arrays.append(pa.array(self.groups))
            names.append("groups")
        batch = pa.record_batch(arrays, names=names).replace_schema_metadata(_FORMAT)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)

    @classmethod
    def open(cls, path: str | PathLike[str]) -> TokenStore:
        """Map a file that ``save`` wrote; nothing is copied.

        Args:
            path: The file.

        Raises:
            DataError: The file is not a token store, or is damaged.
            FileNotFoundError: There is no such file.
        """
        table = _read_table(path)
        lists = table.column("ids").chunk(0)
        groups = table.column("groups").chunk(0).to_numpy() if "groups" in table.column_names else None
        return cls(lists.values.to_numpy(), lists.offsets.to_numpy(), groups)


def _read_table(path: str | PathLike[str]) -> pa.Table:
    """The columns of a store; after its mark, an Arrow file is a stream."""
    try:
        file = pa.memory_map(str(path))
        if file.read(len(_MARK)) != _MARK:
            raise ValueError("no Arrow file")
        table = read_stream(file, _TYPES)
        # A store is one batch, so that its columns need not be joined in memory.
        if "ids" not in table.column_names or table.column("ids").num_chunks != 1:
            raise ValueError("no list of ids")
        if not _FORMAT.items() <= (table.schema.metadata or {}).items():
            raise ValueError("another kind of file")
    except UNSOUND as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise DataError(
            f"{path} is damaged or not a token store of version 1 ({error}); delete it and tokenize again"
        ) from None
    return table


def tokenize_text(lines: Iterable[str], tokenizer: Any) -> TokenStore:
    """Tokenize records in batches, without special tokens.

    Text that spells a special token is encoded as ordinary text, so no cell can end a sequence.

    Args:
        lines: One record each.
        tokenizer: A Hugging Face tokenizer.

    Returns:
        A record per line, in order.
    """
    return _from_blocks([_block(_encode(batch, tokenizer)) for batch in _batches(lines)], None)


def _encode(lines: list[str], tokenizer: Any) -> list[list[int]]:
    encoded = tokenizer(
        lines,
        add_special_tokens=False,
        split_special_tokens=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(lines)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


def _block(records: Sequence[Sequence[int]]) -> tuple[Ids, Ints]:
    lengths = np.fromiter(map(len, records), dtype=np.int64, count=len(records))
    ids = np.fromiter(chain.from_iterable(records), dtype=np.uint32, count=int(lengths.sum()))
    return ids.astype(np.min_scalar_type(int(ids.max())) if len(ids) else np.uint8), lengths


def _from_blocks(blocks: Sequence[tuple[Ids, Ints]], groups: Ints | None) -> TokenStore:
    ids = np.concatenate([ids for ids, _ in blocks]) if blocks else np.empty(0, dtype=np.uint8)
    lengths = [np.zeros(1, dtype=np.int64), *(lengths for _, lengths in blocks)]
    return TokenStore(ids, np.cumsum(np.concatenate(lengths)), groups)
