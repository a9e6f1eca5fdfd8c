"""Token stores: what goes in comes out, from memory and from disk."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.assembly.token_store import TokenStore, tokenize_text
from rowsmith.errors import DataError

RECORDS = st.lists(st.lists(st.integers(0, 70_000), max_size=6), max_size=12)


@given(RECORDS)
def test_records_come_back(records):
    store = TokenStore.from_records(records)
    assert [store.record(i).tolist() for i in range(len(store))] == records
    assert store.lengths.tolist() == [len(record) for record in records]


@given(st.data(), RECORDS | st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3)))
def test_gather_is_concatenation(data, records):
    store = TokenStore.from_records(records)
    rows = data.draw(st.lists(st.integers(0, len(records) - 1))) if records else []
    assert store.gather(np.array(rows, dtype=np.int32)).tolist() == [token for row in rows for token in records[row]]


@pytest.mark.parametrize(("largest", "dtype"), [(0, "uint8"), (255, "uint8"), (256, "uint16"), (65_536, "uint32")])
def test_buffer_has_the_smallest_type(largest, dtype):
    assert TokenStore.from_records([[0, largest]]).ids.dtype == dtype


@pytest.mark.parametrize("groups", [None, [0, 0, 1]])
def test_saved_store_is_mapped_and_not_copied(tmp_path, groups):
    store = TokenStore.from_records([[1, 2], [], [300]], groups)
    store.save(tmp_path / "tokens.arrow")
    opened = TokenStore.open(tmp_path / "tokens.arrow")
    assert opened.ids.tolist() == [1, 2, 300]
    assert opened.ids.dtype == np.uint16
    assert opened.offsets.tolist() == [0, 2, 2, 3]
    assert (None if opened.groups is None else opened.groups.tolist()) == groups
    assert not opened.ids.flags.owndata
    assert not opened.ids.flags.writeable


def test_opening_a_store_takes_no_memory_for_its_tokens(tmp_path):
    TokenStore(np.zeros(1_000_000, dtype=np.uint16), np.arange(0, 1_000_001, 10)).save(tmp_path / "tokens.arrow")
    before = pa.total_allocated_bytes()
    opened = TokenStore.open(tmp_path / "tokens.arrow")
    assert pa.total_allocated_bytes() - before < 10_000
    assert len(opened) == 100_000


def test_empty_store_is_saved(tmp_path):
    TokenStore.from_records([]).save(tmp_path / "tokens.arrow")
    assert len(TokenStore.open(tmp_path / "tokens.arrow")) == 0


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "tokens.arrow"
    TokenStore.from_records([[1, 2, 3]] * 100).save(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="damaged"):
        TokenStore.open(path)
    table = pa.table({"ids": [[1]]})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DataError, match="not a token store"):
        TokenStore.open(path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((0, 2, 3, 7), (0, 2, 3, 2**40)),
        ((0, 2, 3, 7), (0, 2, 3, 4096)),
        ((0, 2, 3, 7), (-(2**40), 2, 3, 7)),
        ((0, 2, 3, 7), (0, -(2**40), 3, 7)),
        ((3, 0, 7, 0), (3, 0, 2**40, 0)),
        ((3, 0, 7, 0), (3, 0, -7, 0)),
        ((3, 0, 7, 0), (2**40, 0, 7, 0)),
        ((32, 7), (32, 2**40)),
        ((32, 7), (2**40, 7)),
        ((32, 7), (32, 0)),
        ((32, 7), (-(2**40), 7)),
    ],
)
def test_a_file_whose_numbers_lead_beyond_it_is_refused(tmp_path, before, after):
    path = tmp_path / "tokens.arrow"
    TokenStore.from_records([[1, 2], [3], [4, 5, 6, 7]]).save(path)
    old, new = (struct.pack(f"<{len(each)}q", *each) for each in (before, after))
    sound = path.read_bytes()
    assert sound.count(old) == 1
    path.write_bytes(sound.replace(old, new))
    with pytest.raises(DataError, match="damaged"):
        TokenStore.open(path)


@pytest.mark.parametrize(
    ("columns", "compression"),
    [
        ({"ids": pa.array([[1]], pa.large_list(pa.float64()))}, None),
        ({"ids": pa.array([[1]], pa.list_(pa.uint8()))}, None),
        ({"ids": pa.array([[1], None], pa.large_list(pa.uint8()))}, None),
        ({"ids": pa.array([[1], [2]], pa.large_list(pa.uint8())), "groups": pa.array([1, None])}, None),
        ({"groups": pa.array([1])}, None),
        ({"ids": pa.array([[1] * 100_000], pa.large_list(pa.uint8()))}, "zstd"),
    ],
)
def test_a_file_of_other_arrays_is_refused(tmp_path, columns, compression):
    path = tmp_path / "tokens.arrow"
    table = pa.table(columns).replace_schema_metadata({"rowsmith.token_store": "1"})
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    with pytest.raises(DataError, match="damaged"):
        TokenStore.open(path)


@pytest.mark.parametrize("offsets", [[0, 2], [1, 3], [0, 2, 1, 3], []])
def test_offsets_that_do_not_fit_are_refused(offsets):
    with pytest.raises(DataError, match="offsets"):
        TokenStore(np.zeros(3, dtype=np.uint8), np.array(offsets, dtype=np.int64))


def test_groups_of_another_length_are_refused():
    with pytest.raises(DataError, match="groups"):
        TokenStore.from_records([[1], [2]], groups=[0])


@given(lines=st.lists(st.text(max_size=8)))
def test_text_is_tokenized_line_by_line(tokenizer, lines):
    store = tokenize_text(iter(lines), tokenizer)
    expected = [tokenizer.encode(line, add_special_tokens=False, split_special_tokens=True) for line in lines]
    assert [store.record(i).tolist() for i in range(len(store))] == expected


def test_nothing_is_added_and_cells_cannot_spell_special_tokens(bos_tokenizer):
    store = tokenize_text(['{"a":"</s>"}\n'], bos_tokenizer)
    assert not set(store.ids.tolist()) & {0, 1, 2}
    assert bos_tokenizer.decode(store.record(0).tolist()) == '{"a":"</s>"}\n'
