"""Processes that evaluate one model together: each does every ``world_size``-th request, and all get all results."""

from __future__ import annotations

from typing import Any, Protocol

from attrs import frozen

__all__ = ["Exchange", "SingleProcess"]


class Exchange(Protocol):
    """Communication of the processes of one evaluation.

    Attributes:
        rank: Number of this process; 0 writes the results.
        world_size: Number of processes.
    """

    @property
    def rank(self) -> int:
        """Number of this process."""

    @property
    def world_size(self) -> int:
        """Number of processes."""

    def gather(self, payload: Any) -> list[Any]:
        """The payload of every process, by rank; waits for all of them.

        Args:
            payload: A value that can be pickled.
        """


@frozen
class SingleProcess:
    """One process; there is nothing to exchange."""

    rank: int = 0
    world_size: int = 1

    def gather(self, payload: Any) -> list[Any]:
        """The payload alone."""
        return [payload]
