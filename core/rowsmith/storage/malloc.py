"""Allocator and garbage collector settings of this process.

glibc only; no effect on other systems, nor in a process that is not Rowsmith's own (see ``host_process``). A large
block that is allocated again from the system comes as pages that must be zeroed one by one. That is right for the
arrays of a large table, which should be returned when they are freed, and wrong for the tensors of a training step,
which are freed and allocated again a thousand times a second.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pyarrow as pa

from rowsmith.storage.host_process import is_own_process

__all__ = ["gc_paused", "release_freed_memory", "retain_freed_memory", "set_mmap_threshold", "trim_restored"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# The highest mmap threshold that glibc allows.
_LARGEST_THRESHOLD = 32 << 20


def set_mmap_threshold(size: int) -> None:
    """Return blocks of at least ``size`` bytes to the system when they are freed."""
    _set(_MMAP_THRESHOLD, size)


def retain_freed_memory() -> None:
    """Retain freed blocks for reuse."""
    _set(_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
    _set(_TRIM_THRESHOLD, (1 << 31) - 1)


@contextmanager
def trim_restored() -> Iterator[None]:
    """Restore the usual trim threshold on exit, so that memory freed later is returned to the system."""
    try:
        yield
    finally:
        # The value that glibc itself adopts in a process that frees large blocks.
        _set(_TRIM_THRESHOLD, 2 * _LARGEST_THRESHOLD)


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector while many small, long-lived objects are made.

    With a deep learning library loaded, a full collection takes a fifth of a second. No effect in a process that is
    not Rowsmith's own.
    """
    if not is_own_process():
        yield
        return
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def release_freed_memory() -> None:
    """Return the freed memory that the allocators of Arrow and glibc hold to the system."""
    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _set(parameter: int, value: int) -> None:
    if not is_own_process():
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(parameter, value)
