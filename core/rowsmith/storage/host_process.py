"""Whether the process is Rowsmith's own: the command line may tune it, a library may not.

Allocator and garbage collector are shared by everything in a process.
"""

from __future__ import annotations

__all__ = ["is_own_process", "own_process"]

_own = False


def own_process() -> None:
    """Declare that nothing but Rowsmith runs in this process, as the command line does."""
    global _own
    _own = True


def is_own_process() -> bool:
    """Whether settings of the whole process may be changed."""
    return _own
