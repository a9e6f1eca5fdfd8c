"""Batches of chosen sizes."""

from ...shared.batches import tools

__all__ = ["tools"]
