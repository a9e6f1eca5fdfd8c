"""The completions that a generation job has read so far, on disk, so that an interrupted job can be resumed.

The journal holds the completions of every finished batch, not the rows made of them: on resuming
they go through processor, data actions and stopping policy as they did before, so that the state of
these is as it was. It is one file that only grows::

    magic line
    length, checksum, fingerprint of the job
    length, checksum, batch 0 as an Arrow stream
    length, checksum, batch 1 ...

Each batch is on the disk before the one after the next is requested. An incomplete end is cut off.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import struct
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.errors import PluginContractError, RowsmithError
from rowsmith.generation.requests import CompletionBlock, Decode, FinishReason
from rowsmith.storage.arrow_streams import UNSOUND, read_stream
from rowsmith.storage.disk_errors import explain_disk_errors

__all__ = ["GenerationJournal", "JournalEntry"]

_MAGIC = b"rowsmith generation journal 2\n"
_HEAD = struct.Struct("<Q16s")
_REASONS = list(FinishReason)
_TYPES = {
    "request_id": (pa.int64(),),
    "length": (pa.int32(),),
    "reason": (pa.int8(),),
    "ids": (pa.large_list(pa.uint16()), pa.large_list(pa.int32())),
    "text": (pa.binary(),),
}
_LONGEST = 1 << 24
# Times that rows padded to the longest may be larger than what the file has of them.
_PADDING = 64

_logger = logging.getLogger(__name__)


@frozen(kw_only=True, eq=False)
class JournalEntry:
    """One finished batch.

    Attributes:
        block: Its completions, in the order in which they were read.
        num_asked: Requests that were made for it, also those that were not waited for.
        cut_short: Whether reading ended early because there seemed to be enough.
        elapsed_seconds: How long the job had taken when it was finished.
    """

    block: CompletionBlock
    num_asked: int
    cut_short: bool
    elapsed_seconds: float


class GenerationJournal:
    """The journal of one job; a context manager that closes the file.

    Args:
        path: The file.
        fingerprint: Identifies the job; the journal of another job is not used.
        resume: Whether the batches of the file are used; otherwise it is emptied.
    """

    def __init__(self, path: Path, fingerprint: str, *, resume: bool = False) -> None:
        self.path = path
        self._fingerprint = fingerprint.encode()
        self._resume = resume
        self._file: IO[bytes] | None = None
        self._decode: Decode | None = None
        self._end = 0
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rowsmith-journal")
        self._pending: Future[None] | None = None

    def __enter__(self) -> GenerationJournal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def entries(self, decode: Decode | None = None, *, num_tokens: int | None = None) -> Generator[JournalEntry]:
        """The batches to resume from, oldest first; call it once, before the first ``add``.

        A batch counts as used when the next one is requested; what follows the last used batch is
        replaced by what is added.

        Args:
            decode: Turns token ids into text; None for completions that are text.
            num_tokens: How many token ids there are, from 0; None if unknown.

        Raises:
            RunDirectoryError: The file cannot be read or written.
        """
        self._decode = decode
        with explain_disk_errors("read", self.path):
            file = self._open()
            self._end = self._check_job(file)
            while (payload := _read_frame(file)) is not None:
                entry = self._sound(payload, decode, num_tokens)
                if entry is None:
                    break
                yield entry
                self._end = file.tell()

    def _sound(self, payload: bytes, decode: Decode | None, num_tokens: int | None) -> JournalEntry | None:
        """A batch; None where it is damaged, so that it is made again like one that is cut off."""
        try:
            return _entry(payload, decode, num_tokens)
        except (*UNSOUND, RowsmithError) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            _logger.warning("a batch in %s is not used, nor are those after it: %s", self.path, reason)
            return None

    def add(
        self, blocks: Sequence[CompletionBlock], *, num_asked: int, elapsed: float, cut_short: bool = False
    ) -> None:
        """Write a batch; it is on the disk when the next call returns, so that no caller waits for the disk.

        Args:
            blocks: Its completions.
            num_asked: Requests that were made for it.
            elapsed: How long the job has taken, in seconds.
            cut_short: Whether reading ended early.

        Raises:
            PluginContractError: The batches that it holds were not read before, so that they would be lost.
            RunDirectoryError: The batch before could not be written; those before that one are whole.
        """
        if not self._end:
            raise PluginContractError("a batch is added to the journal before `entries` was read; read it first")
        facts = {"num_asked": num_asked, "cut_short": cut_short, "elapsed_seconds": elapsed}
        with explain_disk_errors("write", self.path):
            payload = _payload(blocks, self._decode, facts)
            self._wait()
            self._pending = self._writer.submit(self._append, payload)

    def close(self) -> None:
        """Write what is waiting and close the file; safe to call at any time, any number of times."""
        try:
            self._wait()
        except OSError as error:
            # The rows themselves are not lost: the caller has them.
            _logger.warning("the last batch could not be written to %s: %s", self.path, error.strerror or error)
        self._writer.shutdown()
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()

    def remove(self) -> None:
        """Close and delete the file: the job's rows are where they belong."""
        self.close()
        with explain_disk_errors("remove", self.path):
            self.path.unlink(missing_ok=True)

    def _wait(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def _open(self) -> IO[bytes]:
        if self._file is None:
            flags = os.O_RDWR | os.O_CREAT | (0 if self._resume else os.O_TRUNC)
            self._file = os.fdopen(os.open(self.path, flags, 0o600), "r+b", buffering=0)
        return self._file

    def _check_job(self, file: IO[bytes]) -> int:
        """Read past the head of the file, or write it; where the batches begin."""
        if file.read(len(_MAGIC)) != _MAGIC or _read_frame(file) != self._fingerprint:
            file.seek(0)
            file.truncate()
            _write_all(file, _MAGIC + _frame(self._fingerprint))
        return file.tell()

    def _append(self, payload: bytes) -> None:
        file = self._open()
        try:
            file.seek(self._end)
            file.truncate()
            _write_all(file, _frame(payload))
            os.fsync(file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                file.truncate(self._end)
            raise
        self._end = file.tell()


def _frame(payload: bytes) -> bytes:
    return _HEAD.pack(len(payload), hashlib.blake2b(payload, digest_size=16).digest()) + payload


def _write_all(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _read_frame(file: IO[bytes]) -> bytes | None:
    """The next payload; None when it is not whole."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    length, checksum = _HEAD.unpack(head)
    left = os.fstat(file.fileno()).st_size - file.tell()
    payload = file.read(length) if length <= left else b""
    whole = len(payload) == length and hashlib.blake2b(payload, digest_size=16).digest() == checksum
    return payload if whole else None


def _payload(blocks: Sequence[CompletionBlock], decode: Decode | None, facts: Mapping[str, float]) -> bytes:
    """An Arrow stream of one batch; text is left out where ``decode`` gives it again."""
    reasons = [_REASONS.index(FinishReason(reason)) for block in blocks for reason in block.finish_reasons]
    columns: dict[str, pa.Array] = {
        "request_id": pa.array(_joined([block.request_ids for block in blocks], np.int64)),
        "length": pa.array(_joined([block.lengths for block in blocks], np.int32)),
        "reason": pa.array(reasons, pa.int8()),
    }
    if blocks and all(block.ids is not None for block in blocks):
        columns["ids"] = _packed(blocks)
    if any(block.texts is not None or block.decode != decode for block in blocks):
        texts = [block.text(row).encode("utf-8", "surrogatepass") for block in blocks for row in range(len(block))]
        columns["text"] = pa.array(texts, pa.binary())
    table = pa.table(columns).replace_schema_metadata({"facts": json.dumps(facts)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    payload: bytes = sink.getvalue().to_pybytes()
    return payload


def _joined(parts: Sequence[npt.NDArray[Any]], dtype: type[np.integer[Any]]) -> npt.NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype), *(np.asarray(part, dtype) for part in parts)])


def _packed(blocks: Sequence[CompletionBlock]) -> pa.LargeListArray:
    """Ids of all rows without padding, in as few bytes as they need."""
    masks = [_filled(block.lengths, np.asarray(block.ids).shape[1]) for block in blocks]
    ids = np.concatenate([np.asarray(block.ids)[mask] for block, mask in zip(blocks, masks, strict=True)])
    offsets = np.append(0, np.cumsum(np.concatenate([mask.sum(axis=1) for mask in masks])))
    small = ids.size and ids.min() >= 0 and ids.max() <= np.iinfo(np.uint16).max
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(ids.astype(np.uint16 if small else np.int32)))


def _unpacked(lists: pa.LargeListArray) -> npt.NDArray[np.int32]:
    """Ids of all rows, padded to the longest: int32[n, t]."""
    sizes = np.diff(lists.offsets.to_numpy())
    mask = _filled(sizes, max(1, int(sizes.max(initial=0))))
    ids = np.zeros(mask.shape, dtype=np.int32)
    ids[mask] = lists.flatten().to_numpy()
    return ids


def _filled(lengths: npt.ArrayLike, width: int) -> npt.NDArray[np.bool_]:
    """Which positions hold a token: bool[n, width]."""
    return np.arange(width) < np.asarray(lengths)[:, None]


def _entry(payload: bytes, decode: Decode | None, num_tokens: int | None = None) -> JournalEntry:
    """A batch.

    Raises:
        ValueError: It is none; or whatever Arrow and Python raise of what is none.
    """
    table = read_stream(payload, _TYPES).combine_chunks()
    _check(table, len(payload), num_tokens)
    ids = table.column("ids").combine_chunks() if "ids" in table.column_names else None
    texts = table.column("text").to_pylist() if "text" in table.column_names else None
    block = CompletionBlock(
        request_ids=table.column("request_id").to_numpy(),
        lengths=table.column("length").to_numpy(),
        finish_reasons=[_REASONS[code] for code in table.column("reason").to_pylist()],
        ids=None if ids is None else _unpacked(ids),
        texts=None if texts is None else [text.decode("utf-8", "surrogatepass") for text in texts],
        decode=None if texts is not None else decode,
    )
    return JournalEntry(block=block, **_facts(table))


def _check(table: pa.Table, size: int, num_tokens: int | None) -> None:
    """Refuse lengths and ids that do not go together, or that would take memory beyond what the file has.

    Raises:
        ValueError: They do not.
        LookupError: A column is missing.
    """
    lengths = table.column("length").to_numpy()
    if lengths.min(initial=0) < 0 or lengths.max(initial=0) > _LONGEST:
        raise ValueError("lengths")
    codes = table.column("reason").to_numpy()
    if codes.min(initial=0) < 0 or codes.max(initial=0) >= len(_REASONS):
        raise ValueError("reasons")
    if "ids" in table.column_names:
        lists = table.column("ids").combine_chunks()
        padded = table.num_rows * int(lengths.max(initial=0))
        if not np.array_equal(np.diff(lists.offsets.to_numpy()), lengths) or padded > _PADDING * max(size, 1 << 20):
            raise ValueError("ids")
        tokens = lists.flatten().to_numpy()
        if tokens.min(initial=0) < 0 or (num_tokens is not None and tokens.max(initial=0) >= num_tokens):
            raise ValueError("ids beyond the vocabulary")


def _facts(table: pa.Table) -> dict[str, Any]:
    facts = json.loads(table.schema.metadata[b"facts"])
    num_asked, cut_short, elapsed = facts["num_asked"], facts["cut_short"], facts["elapsed_seconds"]
    sound = type(num_asked) is int and num_asked >= 0 and type(cut_short) is bool and type(elapsed) in (int, float)
    if not sound or not 0 <= elapsed < float("inf"):
        raise ValueError("facts")
    return {"num_asked": num_asked, "cut_short": cut_short, "elapsed_seconds": elapsed}
