"""Whose process this is: a program that is Rowsmith alone may tune it, a library may not.

What can be tuned is shared by everything in a process: the allocator of the C library, the look for garbage.
"""

from __future__ import annotations

__all__ = ["is_own_process", "own_process"]

_own = False


def own_process() -> None:
    """Say that nothing but Rowsmith runs in this process, as the command line does."""
    global _own
    _own = True


def is_own_process() -> bool:
    """Whether what the whole process shares may be changed."""
    return _own
