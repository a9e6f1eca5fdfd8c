"""A journal that no job has written: what is not sound is cut off, as what is not whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.generation import CompletionBlock
from rowsmith.generation.journal import _MAGIC, GenerationJournal, _entry, _frame, _payload
from rowsmith.generation.requests import FinishReason

DECODE = str
FACTS = {"num_asked": 2, "cut_short": False, "elapsed_seconds": 1.5}


def block() -> CompletionBlock:
    return CompletionBlock(
        request_ids=np.array([0, 1]),
        ids=np.array([[3, 4, 5], [6, 0, 0]], dtype=np.int32),
        lengths=np.array([3, 1], dtype=np.int32),
        finish_reasons=[FinishReason.STOP, FinishReason.LENGTH],
        decode=DECODE,
    )


def table(facts: Any = FACTS, **columns: pa.Array) -> pa.Table:
    ids = pa.LargeListArray.from_arrays(pa.array([0, 3, 4]), pa.array([3, 4, 5, 6], pa.uint16()))
    whole = {
        "request_id": pa.array([0, 1]),
        "length": pa.array([3, 1], pa.int32()),
        "reason": pa.array([0, 1], pa.int8()),
        "ids": ids,
    }
    return pa.table({**whole, **columns}).replace_schema_metadata({"facts": json.dumps(facts)})


def payload(content: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, content.schema) as writer:
        writer.write_table(content)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def offsets(*others: int) -> bytes:
    """A batch whose lists begin elsewhere; Arrow would not make it."""
    before, after = (np.array(each, dtype=np.int64).tobytes() for each in ((0, 3, 4), others))
    whole = payload(table())
    assert whole.count(before) == 1
    return whole.replace(before, after)


UNSOUND = {
    "lengths beyond bounds": payload(table(length=pa.array([2, 2**30], pa.int32()))),
    "negative lengths": payload(table(length=pa.array([2, -5], pa.int32()))),
    "lengths of other ids": payload(table(length=pa.array([1, 3], pa.int32()))),
    "unknown reasons": payload(table(reason=pa.array([0, 99], pa.int8()))),
    "negative reasons": payload(table(reason=pa.array([0, -1], pa.int8()))),
    "nulls": payload(table(length=pa.array([3, None], pa.int32()))),
    "text for numbers": payload(table(length=pa.array(["3", "1"]))),
    "offsets outside": offsets(0, 3, 2**40),
    "offsets that fall": offsets(0, 3, -1),
    "no lengths": payload(table().drop_columns(["length"])),
    "no facts": payload(table(facts={})),
    "facts that are no numbers": payload(table(facts={**FACTS, "num_asked": "many"})),
    "facts beyond bounds": payload(table(facts={**FACTS, "elapsed_seconds": -1})),
    "no Arrow": b"nothing of the kind",
    "empty": b"",
}


def entries(path: Path, *payloads: bytes) -> list[int]:
    path.write_bytes(_MAGIC + _frame(b"job") + b"".join(map(_frame, payloads)))
    with GenerationJournal(path, "job", resume=True) as journal:
        return [entry.num_asked for entry in journal.entries(DECODE)]


@pytest.mark.parametrize("name", UNSOUND)
def test_an_unsound_batch_and_all_after_it_are_not_taken_up(name: str, tmp_path: Path) -> None:
    sound = _payload([block()], DECODE, FACTS)
    assert entries(tmp_path / "a", sound, sound) == [2, 2]
    assert entries(tmp_path / "b", sound, UNSOUND[name], sound) == [2]


def test_rows_that_would_be_padded_beyond_memory_are_refused() -> None:
    lengths = np.zeros(100_000, dtype=np.int32)
    lengths[0] = 50_000
    offsets = np.append(0, np.cumsum(lengths))
    content = pa.table(
        {
            "request_id": pa.array(np.arange(100_000)),
            "length": pa.array(lengths),
            "reason": pa.array(np.zeros(100_000, dtype=np.int8)),
            "ids": pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(np.zeros(50_000, dtype=np.uint16))),
        }
    ).replace_schema_metadata({"facts": json.dumps(FACTS)})
    with pytest.raises(ValueError, match="ids"):
        _entry(payload(content), DECODE)


@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_any_changed_byte_is_read_or_cut_off(place: int, value: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    changed = bytearray(_payload([block()], DECODE, FACTS))
    changed[place % len(changed)] = value
    assert len(entries(tmp_path_factory.getbasetemp() / "journal", bytes(changed))) <= 1
