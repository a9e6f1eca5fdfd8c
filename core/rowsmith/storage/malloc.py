"""What becomes of memory that was freed.

The settings are those of the C library of Linux; they do nothing on other systems, nor in a process that is not
Rowsmith's own (see ``host_process``). A large block that is asked for anew from the
system comes as pages that must be cleared one by one. That is right for the arrays of a large table, which should be
given back when they are freed, and wrong for the tensors of a training step, which are freed and wanted again a
thousand times a second.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pyarrow as pa

from rowsmith.storage.host_process import is_own_process

__all__ = ["give_back", "keep_for_reuse", "making_many", "release_freed_memory", "usual_afterwards"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# The most that the library allows for the latter.
_LARGEST_THRESHOLD = 32 << 20


def give_back(size: int) -> None:
    """Have blocks of at least ``size`` bytes given back to the system when they are freed."""
    _set(_MMAP_THRESHOLD, size)


def keep_for_reuse() -> None:
    """Have freed blocks kept and used again."""
    _set(_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
    _set(_TRIM_THRESHOLD, (1 << 31) - 1)


@contextmanager
def usual_afterwards() -> Iterator[None]:
    """Have what is freed later given back as usual again, whatever is kept for reuse meanwhile."""
    try:
        yield
    finally:
        # What the library itself arrives at in a process that frees large blocks.
        _set(_TRIM_THRESHOLD, 2 * _LARGEST_THRESHOLD)


@contextmanager
def making_many() -> Iterator[None]:
    """Make many small objects that are all kept, without a look for garbage every 700 of them.

    Where a deep learning library is loaded, a look at everything takes a fifth of a second. Nothing changes in a
    process that is not Rowsmith's own.
    """
    if not is_own_process():
        yield
        return
    usual = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if usual:
            gc.enable()


def release_freed_memory() -> None:
    """Have the allocators of Arrow and of the C library give back what they hold of freed arrays."""
    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _set(parameter: int, value: int) -> None:
    if not is_own_process():
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(parameter, value)
