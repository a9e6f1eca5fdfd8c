"""Freed memory is kept or given back as was asked for, in a process of its own, since it is for all of a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# What a block takes right after it was freed, beside what it took: the page faults of using it once more.
FAULTS = """
import ctypes, resource, sys
from rowsmith.storage.host_process import own_process
from rowsmith.storage.malloc import set_mmap_threshold, retain_freed_memory, release_freed_memory

library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes, library.memset.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
SIZE = 16 << 20

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = library.malloc(SIZE)
    library.memset(block, 1, SIZE)
    library.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

{calls}
"""
OWN = "own_process(); "


def printed(calls: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.replace("{calls}", calls)], capture_output=True, text=True, check=True
    )
    return [int(number) for number in done.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux" or not Path("/proc/self/statm").exists(), reason="the C library of Linux")
def test_freed_memory_is_kept_or_given_back_as_asked():
    kept = printed(OWN + "retain_freed_memory(); print(faults(), faults(), faults())")
    assert kept[0] > 3_000
    assert max(kept[1:]) < 100
    given_back = printed(OWN + "set_mmap_threshold(1 << 20); print(faults(), faults())")
    assert min(given_back) > 3_000
    released = printed(OWN + "retain_freed_memory(); print(faults()); release_freed_memory(); print(faults())")
    assert min(released) > 3_000


@pytest.mark.parametrize("call", ["retain_freed_memory()", "set_mmap_threshold(1 << 20)", "release_freed_memory()"])
def test_nothing_happens_where_the_library_has_no_such_setting(call):
    assert printed(f"{OWN}import types; ctypes.CDLL = lambda name: types.SimpleNamespace(); {call}; print(1)") == [1]


MANY = """
def many():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [library.malloc(SIZE) for _ in range(6)]
    for block in blocks:
        library.memset(block, 1, SIZE)
    for block in blocks:
        library.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
"""


@pytest.mark.skipif(sys.platform != "linux" or not Path("/proc/self/statm").exists(), reason="the C library of Linux")
def test_afterwards_freed_memory_is_given_back_as_usual():
    within = f"{OWN}\nfrom rowsmith.storage.malloc import trim_restored\nwith trim_restored():\n"
    within += "    retain_freed_memory()\n"
    inside, after = (printed(f"{MANY}\n{within}{spaces}many(); print(many())") for spaces in ("    ", "many()\n"))
    assert max(inside) < 1_000
    assert min(after) > 10_000


# What all of a process shares: the C library's blocks, and the look for garbage.
SHARED = """
import gc
from rowsmith.storage.malloc import gc_paused, trim_restored
with trim_restored():
    retain_freed_memory()
    with gc_paused():
        print(int(gc.isenabled()))
    print(faults(), faults())
"""


@pytest.mark.skipif(sys.platform != "linux" or not Path("/proc/self/statm").exists(), reason="the C library of Linux")
def test_a_process_that_rowsmith_is_only_a_guest_in_stays_as_it_was():
    collects, *taken = printed(SHARED)
    assert collects == 1
    assert min(taken) > 3_000
    collects, *taken = printed(OWN + SHARED)
    assert collects == 0
    assert taken[1] < 100
