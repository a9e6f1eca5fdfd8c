"""Large arrays in temporary files that are mapped into memory.

A table of millions of rows is mostly arrays that are written once and read a few times. The system can evict
pages of a mapped file when memory is short, but not anonymous memory. The files have no name, so they are
private and vanish with the process, however that ends. They are in the folder for temporary files (``TMPDIR``).
Where that is full or read-only, arrays stay in memory.
"""

from __future__ import annotations

import mmap
import tempfile
import threading
import weakref
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from rowsmith.storage.malloc import set_mmap_threshold

__all__ = ["SPOOLED_BYTES", "BlockWriter", "spooled"]

SPOOLED_BYTES = 1 << 20
"""Arrays of at least so many bytes are spooled."""

_SEGMENT = 1 << 26
_ALIGNMENT = 64

Array = TypeVar("Array", bound=npt.NDArray[Any])


class _Segment:
    """One file, filled from its start; its space is released with the last array on it."""

    def __init__(self, size: int) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open as long as it is filled
        weakref.finalize(self, self._file.close)
        self._file.truncate(size)
        self._map = mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ)
        self._lock = threading.Lock()
        self.free = size
        self._size = size

    def reserve(self, size: int) -> int:
        start = self._size - self.free
        self.free -= min(self.free, -(-size // _ALIGNMENT) * _ALIGNMENT)
        return start

    def write(self, block: npt.NDArray[Any], start: int) -> None:
        # A full disk raises here; a write through the map would kill the process.
        left = np.ascontiguousarray(block).data.cast("B")
        with self._lock:
            self._file.seek(start)
            while left:
                left = left[self._file.write(left) :]

    def read(self, start: int, count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        return np.frombuffer(self._map, dtype=dtype, count=count, offset=start)


class _Spool:
    """Segments shared by arrays, so that few files are open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._segment: _Segment | None = None

    def reserve(self, size: int) -> tuple[_Segment, int]:
        with self._lock:
            if self._segment is None:
                set_mmap_threshold(SPOOLED_BYTES)
            if self._segment is None or self._segment.free < size:
                self._segment = _Segment(max(_SEGMENT, size))
            return self._segment, self._segment.reserve(size)


_spool = _Spool()


class BlockWriter:
    """A flat array that is written block by block, from its start; spooled when it is large.

    Args:
        count: Number of items.
        dtype: Type of the items.
    """

    def __init__(self, count: int, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._count, self._written = count, 0
        self._segment_start: tuple[_Segment, int] | None = None
        self._memory: npt.NDArray[Any] | None = None
        if count * self._dtype.itemsize >= SPOOLED_BYTES:
            try:
                self._segment_start = _spool.reserve(count * self._dtype.itemsize)
            except (OSError, ValueError):
                self._segment_start = None
        if self._segment_start is None:
            self._memory = np.empty(count, dtype=self._dtype)

    def append(self, block: npt.NDArray[Any]) -> None:
        """Write the next items.

        Args:
            block: The items; flat, of the array's type.
        """
        if self._segment_start is not None:
            segment, start = self._segment_start
            try:
                segment.write(block, start + self._written * self._dtype.itemsize)
            except OSError:
                self._memory = np.empty(self._count, dtype=self._dtype)
                self._memory[: self._written] = segment.read(start, self._written, self._dtype)
                self._segment_start = None
        if self._memory is not None:
            self._memory[self._written : self._written + len(block)] = block
        self._written += len(block)

    def array(self) -> npt.NDArray[Any]:
        """The array written; read-only if spooled."""
        if self._memory is not None:
            return self._memory[: self._written]
        assert self._segment_start is not None
        segment, start = self._segment_start
        return segment.read(start, self._written, self._dtype)


def spooled(array: Array) -> Array:
    """Move a large array to a mapped, read-only file.

    Args:
        array: Numbers of any shape.

    Returns:
        An equal array; the same one if it is small or there is no room for a file.
    """
    if array.nbytes < SPOOLED_BYTES:
        return array
    writer = BlockWriter(array.size, array.dtype)
    writer.append(array.reshape(-1))
    return writer.array().reshape(array.shape)  # type: ignore[return-value]
