"""Large arrays in mapped files: equal to the ones in memory, and in memory where there is no room."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from rowsmith.storage.memory_map import SPOOLED_BYTES, BlockWriter, spooled
from rowsmith.table import read_table
from rowsmith.table.columns import codes_of, from_codes, take_rows

LARGE = SPOOLED_BYTES // 4 + 3


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64, np.float64, np.bool_])
@pytest.mark.parametrize("size", [0, 5, 2 * SPOOLED_BYTES])
def test_a_spooled_array_is_the_same(dtype: type, size: int) -> None:
    array = (np.arange(size) % 251).astype(dtype)
    again = spooled(array)
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)


def test_large_arrays_are_read_only_and_keep_their_shape() -> None:
    array = np.arange(LARGE * 6, dtype=np.int32).reshape(-1, 3)
    again = spooled(array)
    assert not again.flags.writeable
    np.testing.assert_array_equal(again, array)


def test_arrays_share_files_and_outlive_each_other() -> None:
    arrays = [np.full(LARGE, number, dtype=np.int32) for number in range(200)]
    kept = [spooled(array) for array in arrays][::17]
    gc.collect()
    for number, array in zip(range(0, 200, 17), kept, strict=True):
        assert (array == number).all()


def test_blocks_of_any_size_make_one_array() -> None:
    writer = BlockWriter(LARGE, np.int32)
    whole = np.arange(LARGE, dtype=np.int32)
    for block in np.split(whole, [7, 7, 1_000, LARGE - 1]):
        writer.append(block)
    np.testing.assert_array_equal(writer.array(), whole)


def test_without_a_folder_for_temporary_files_arrays_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere at all")
    array = np.arange(40 * SPOOLED_BYTES, dtype=np.int32)
    assert spooled(array) is not None
    np.testing.assert_array_equal(spooled(array), array)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_a_disk_that_fills_up_loses_nothing() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    whole = np.arange(40 * SPOOLED_BYTES, dtype=np.int32)
    writer = BlockWriter(len(whole), np.int32)
    writer.append(whole[:1000])
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        writer.append(whole[1000:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    np.testing.assert_array_equal(writer.array(), whole)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed under /proc")
def test_many_columns_open_few_files() -> None:
    before = len(os.listdir("/proc/self/fd"))
    columns = [from_codes(["a", "b"], np.arange(LARGE) % 3 - 1) for _ in range(100)]
    assert len(os.listdir("/proc/self/fd")) - before < 20
    assert columns[-1].null_count == len(range(0, LARGE, 3))


def test_a_long_column_reads_like_a_short_one() -> None:
    codes = np.arange(LARGE, dtype=np.int32) % 4 - 1
    column = from_codes(["a", "b", "c"], codes)
    column.validate(full=True)
    np.testing.assert_array_equal(codes_of(column), codes)
    assert column[:5].to_pylist() == [None, "a", "b", "c", None]
    assert pa.table({"x": column}).slice(4, 3)["x"].to_pylist() == [None, "a", "b"]


def test_taking_rows() -> None:
    table = pa.table({"x": from_codes(["a", "b"], [0, 1, -1, 0])})
    assert take_rows(table, np.array([3, 2, 2])).to_pydict() == {"x": ["a", None, None]}
    assert take_rows(table, np.arange(4)) is table
    assert take_rows(table, np.array([], dtype=np.int64)).num_rows == 0


def test_a_file_of_many_blocks(tmp_path: Path) -> None:
    rows = 300_000
    lines = [f'{row},{"" if row % 5 == 0 else row % 7},"t{row % 11}"' for row in range(rows)]
    path = tmp_path / "x.csv"
    path.write_text("id,few,text\n" + "\n".join(lines))
    table = read_table(path)
    assert table.columns["id"].to_pylist() == [str(row) for row in range(rows)]
    assert table.columns["few"].to_pylist() == [None if row % 5 == 0 else str(row % 7) for row in range(rows)]
    assert table.columns["text"].to_pylist() == [f"t{row % 11}" for row in range(rows)]
