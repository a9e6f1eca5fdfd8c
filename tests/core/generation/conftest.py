"""A small dialect, and batches of chosen sizes."""

from ...shared.batches import clock, tools

__all__ = ["clock", "tools"]
