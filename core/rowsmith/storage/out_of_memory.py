"""Whether memory ran out."""

from __future__ import annotations

__all__ = ["is_out_of_memory"]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the machine or of a device; no engine's library need be imported to tell."""
    names = {each.__name__ for each in type(error).__mro__}
    return bool(names & {"OutOfMemoryError", "MemoryError"}) or "DefaultCPUAllocator" in str(error)
