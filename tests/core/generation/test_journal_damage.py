"""A journal whose batches are whole but not what they say is taken up as far as it is sound."""

from __future__ import annotations

import json
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


def payload(facts: Any = FACTS, **other: Any) -> bytes:
    sound = {
        "request_id": pa.array([0, 1], pa.int64()),
        "length": pa.array([1, 2], pa.int32()),
        "reason": pa.array([0, 0], pa.int8()),
        "ids": pa.array([[5], [6, 7]], pa.large_list(pa.uint16())),
    }
    columns = {name: value for name, value in {**sound, **other}.items() if value is not None}
    table = pa.table(columns).replace_schema_metadata({} if facts is None else {"facts": json.dumps(facts)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


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
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_batch_that_is_none_is_made_again(tmp_path: Path, damage: str) -> None:
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
        entries = list(journal.entries(decode))
        assert [entry.block.text(1) for entry in entries] == ["6,7"]
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
