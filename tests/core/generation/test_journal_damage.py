"""A journal whose batches are whole but not what they say is taken up as far as it is sound."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rowsmith.generation.journal import GenerationJournal, _frame
from rowsmith.generation.requests import CompletionBlock, FinishReason

FACTS = {"num_asked": 2, "cut_short": False, "elapsed_seconds": 1.0}


def decode(ids: Any) -> str:
    return ",".join(map(str, ids))


def payload(facts: Any = FACTS, compression: str | None = None, **other: Any) -> bytes:
    sound = {
        "request_id": pa.array([0, 1], pa.int64()),
        "length": pa.array([1, 2], pa.int32()),
        "reason": pa.array([0, 0], pa.int8()),
        "ids": pa.array([[5], [6, 7]], pa.large_list(pa.uint16())),
    }
    columns = {name: value for name, value in {**sound, **other}.items() if value is not None}
    table = pa.table(columns).replace_schema_metadata({} if facts is None else {"facts": json.dumps(facts)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def forged(old: tuple[int, ...], new: tuple[int, ...], kind: str = "q", **columns: Any) -> bytes:
    """A batch some numbers of which were replaced in its bytes; Arrow would not make it.

    ``kind`` is the format of a number in ``struct``: ``q`` for offsets of lists, indices, and what the header of the
    batch says of its arrays (items and nulls of each) and buffers (start and size of each); ``i`` for offsets of text.
    """
    before, after = (struct.pack(f"<{len(each)}{kind}", *each) for each in (old, new))
    sound = payload(**columns)
    assert sound.count(before) == 1
    return sound.replace(before, after)


LIST_OFFSETS, LIST_ITEMS = (0, 1, 3), (2, 0, 2, 0, 2, 0, 2, 0, 3, 0)
TEXT: dict[str, Any] = {"ids": None, "text": pa.array([b"a", b"bcd"], pa.binary())}
TEXT_OFFSETS, TEXT_ITEMS, TEXT_BUFFER = (0, 1, 4), (2, 0, 2, 0, 2, 0, 2, 0), (48, 4)
INDICES = (2, 1)
WORDS: dict[str, Any] = {
    "ids": None,
    "text": pa.DictionaryArray.from_arrays(pa.array(INDICES, pa.int64()), pa.array([b"a", b"b", b"cd"], pa.binary())),
}
TOKENS: dict[str, Any] = {
    "ids": pa.LargeListArray.from_arrays(
        pa.array(LIST_OFFSETS), pa.DictionaryArray.from_arrays(pa.array([2, 1, 0]), pa.array([5, 6, 7], pa.int32()))
    )
}
LONG: dict[str, Any] = {"ids": None, "text": pa.array([b"a" * 3000, b"b" * 2000], pa.binary()), "compression": "zstd"}
ZSTD = int.from_bytes(b"\x28\xb5\x2f\xfd", "little")


def packed(size: int) -> bytes:
    """A batch with a compressed buffer that claims a size."""
    before, after = (struct.pack("<qI", each, ZSTD) for each in (5000, size))
    sound = payload(**LONG)
    assert sound.count(before) == 1
    return sound.replace(before, after)


FORGED: dict[str, Callable[[], bytes]] = {
    "a list that ends beyond its tokens": lambda: forged(LIST_OFFSETS, (0, 1, 2**40)),
    "a list that ends a page beyond its tokens": lambda: forged(LIST_OFFSETS, (0, 1, 4096)),
    "lists beyond their tokens": lambda: forged(LIST_OFFSETS, (2**40, 2**40 + 1, 2**40 + 3)),
    "lists just beyond their tokens": lambda: forged(LIST_OFFSETS, (3, 4, 6)),
    "a list that begins before its tokens": lambda: forged(LIST_OFFSETS, (-1, 1, 3)),
    "a list that ends before it begins": lambda: forged(LIST_OFFSETS, (0, -(2**40), 3)),
    "lists before their tokens": lambda: forged(LIST_OFFSETS, (-(2**40), 1 - 2**40, 3 - 2**40)),
    "more tokens than there are": lambda: forged(LIST_ITEMS, (*LIST_ITEMS[:8], 2**40, 0)),
    "a text that ends beyond its bytes": lambda: forged(TEXT_OFFSETS, (0, 1, 2**30), "i", **TEXT),
    "a text that ends a page beyond its bytes": lambda: forged(TEXT_OFFSETS, (0, 1, 4096), "i", **TEXT),
    "texts beyond their bytes": lambda: forged(TEXT_OFFSETS, (2**30, 2**30 + 1, 2**30 + 4), "i", **TEXT),
    "a text that ends before it begins": lambda: forged(TEXT_OFFSETS, (0, -(2**30), 4), "i", **TEXT),
    "texts before their bytes": lambda: forged(TEXT_OFFSETS, (-(2**30), 1 - 2**30, 4 - 2**30), "i", **TEXT),
    "more rows than their buffers have": lambda: forged(TEXT_ITEMS, (2**30, 0) * 4, **TEXT),
    "more rows in one column": lambda: forged(TEXT_ITEMS, (2**30, 0, *TEXT_ITEMS[2:]), **TEXT),
    "a negative number of rows": lambda: forged(TEXT_ITEMS, (-2, 0) * 4, **TEXT),
    "nulls that are not counted": lambda: forged(TEXT_ITEMS, (2, 1, *TEXT_ITEMS[2:]), **TEXT),
    "a buffer that begins beyond the batch": lambda: forged(TEXT_BUFFER, (2**40, 4), **TEXT),
    "a buffer that begins before the batch": lambda: forged(TEXT_BUFFER, (-(2**20), 4), **TEXT),
    "a buffer that ends beyond the batch": lambda: forged(TEXT_BUFFER, (48, 2**40), **TEXT),
    "a buffer of a negative size": lambda: forged(TEXT_BUFFER, (48, -4), **TEXT),
    "a buffer shorter than its rows": lambda: forged(TEXT_BUFFER, (48, 0), **TEXT),
    "a dictionary": lambda: payload(**WORDS),
    "an index beyond the dictionary": lambda: forged(INDICES, (2, 3), **WORDS),
    "an index far beyond the dictionary": lambda: forged(INDICES, (2, 2**40), **WORDS),
    "an index before the dictionary": lambda: forged(INDICES, (-1, 1), **WORDS),
    "an index far before the dictionary": lambda: forged(INDICES, (-(2**40), 1), **WORDS),
    "words beyond the bytes of the dictionary": lambda: forged((0, 1, 2, 4), (0, 1, 2, 2**30), "i", **WORDS),
    "tokens beyond a dictionary": lambda: forged((2, 1, 0), (2, 1, 2**40), **TOKENS),
    "compressed buffers": lambda: payload(**LONG),
    "a compressed buffer that claims 32 TiB": lambda: packed(2**45),
    "a compressed buffer that claims less than nothing": lambda: packed(-5),
    "a compressed buffer that claims less than it has": lambda: packed(10),
    "ids of another type": lambda: payload(ids=pa.array([[5], [6, 7]], pa.large_list(pa.float64()))),
    "ids in another list": lambda: payload(ids=pa.array([[5], [6, 7]], pa.list_view(pa.uint16()))),
    "text of another type": lambda: payload(ids=None, text=pa.array([b"a", b"b"], pa.binary_view())),
    "a further column": lambda: payload(more=pa.nulls(2)),
    "ids below any": lambda: payload(ids=pa.array([[5], [6, -7]], pa.large_list(pa.int32()))),
    "ids beyond the vocabulary": lambda: payload(ids=pa.array([[5], [6, 8]], pa.large_list(pa.uint16()))),
}


DAMAGED: dict[str, Callable[[], bytes]] = {
    "no stream": lambda: b"junk",
    "nothing": lambda: b"",
    "no facts": lambda: payload(facts=None),
    "facts of another kind": lambda: payload(facts=[1]),
    "a count that is none": lambda: payload(facts={**FACTS, "num_asked": "x"}),
    "a negative count": lambda: payload(facts={**FACTS, "num_asked": -1}),
    "lengths of other rows": lambda: payload(length=pa.array([2, 2**30], pa.int32())),
    "a negative length": lambda: payload(length=pa.array([1, -5], pa.int32()), ids=None, text=pa.array([b"a", b"b"])),
    "a length beyond any": lambda: payload(
        length=pa.array([1, 2**30], pa.int32()), ids=None, text=pa.array([b"", b""])
    ),
    "lengths of another type": lambda: payload(length=pa.array(["1", "2"])),
    "a reason that is none": lambda: payload(reason=pa.array([0, 99], pa.int8())),
    "a reason before the first": lambda: payload(reason=pa.array([0, -1], pa.int8())),
    "no column of requests": lambda: payload(request_id=None),
    "requests that are null": lambda: payload(request_id=pa.array([0, None], pa.int64())),
    "neither ids nor text": lambda: payload(ids=None),
    **FORGED,
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_batch_that_is_none_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    path = tmp_path / "journal"
    block = CompletionBlock(
        request_ids=np.array([0, 1]),
        lengths=np.array([1, 2], dtype=np.int32),
        finish_reasons=[FinishReason.STOP] * 2,
        ids=np.array([[5, 0], [6, 7]], dtype=np.int32),
        decode=decode,
    )
    with GenerationJournal(path, "job") as journal:
        list(journal.entries(decode))
        journal.add([block], num_asked=2, cut_short=False, elapsed=1.0)
    with path.open("ab") as file:
        file.write(_frame(DAMAGED[damage]()))
        file.write(_frame(payload()))
    with GenerationJournal(path, "job", resume=True) as journal:
        entries = list(journal.entries(decode, num_tokens=8))
        assert [entry.block.text(1) for entry in entries] == ["6,7"]
        assert caplog.text.count(f"a batch in {path} is not used, nor are those after it: ") == 1
        journal.add([block], num_asked=2, cut_short=False, elapsed=2.0)
    with GenerationJournal(path, "job", resume=True) as journal:
        assert [entry.elapsed_seconds for entry in journal.entries(decode)] == [1.0, 2.0]


def test_a_batch_that_is_sound_is_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with GenerationJournal(path, "job") as journal:
        list(journal.entries(decode))
    with path.open("ab") as file:
        file.write(_frame(payload()))
    with GenerationJournal(path, "job", resume=True) as journal:
        assert [entry.block.text(1) for entry in journal.entries(decode)] == ["6,7"]
