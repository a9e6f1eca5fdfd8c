"""What processes that train or evaluate together agree on.

They see the same examples and compute the same averages, so they need only agree on what a clock or a disk decides:
the first process decides, and broadcasts it.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from accelerate import PartialState
from attrs import field, frozen

from rowsmith.model.distributed import DistributedEnv

__all__ = ["ProcessGroup"]

T = TypeVar("T")


@frozen
class ProcessGroup:
    """The processes that train one model together; a single process needs no communication.

    Attributes:
        ranks: This process among them.
    """

    ranks: DistributedEnv = field(factory=DistributedEnv)

    @classmethod
    def init(cls, ranks: DistributedEnv) -> ProcessGroup:
        """Initialise communication with the other processes, and take the device that is this one's.

        Args:
            ranks: This process among them, as the launcher says.
        """
        if ranks.count > 1:
            PartialState(cpu=not torch.cuda.is_available())
        return cls(ranks)

    def broadcast(self, value: T) -> T:
        """The value of the first process.

        Args:
            value: Any value that can be pickled; that of the other processes is not looked at.
        """
        if self.ranks.count == 1:
            return value
        held = [value]
        torch.distributed.broadcast_object_list(held, src=0)
        return held[0]

    @property
    def rank(self) -> int:
        """Number of this process."""
        return self.ranks.number

    @property
    def world_size(self) -> int:
        """Number of processes."""
        return self.ranks.count

    def gather(self, payload: T) -> list[T]:
        """The values of all processes, by rank.

        Args:
            payload: Any value that can be pickled.
        """
        if self.ranks.count == 1:
            return [payload]
        held: list[Any] = [None] * self.ranks.count
        torch.distributed.all_gather_object(held, payload)
        return held

    def barrier(self) -> None:
        """Wait until every process is here."""
        if self.ranks.count > 1:
            torch.distributed.barrier()

    def destroy(self) -> None:
        """Wait until every process is here, and end the communication."""
        if self.ranks.count > 1:
            self.barrier()
            torch.distributed.destroy_process_group()
