"""What processes that train together tell each other.

They see the same examples and compute the same averages, so they need only agree on what a clock or a disk decides:
the first process decides, and tells the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch
from accelerate import PartialState
from attrs import frozen

if TYPE_CHECKING:
    from rowsmith.model.distributed import DistributedEnv

__all__ = ["Company"]

T = TypeVar("T")


@frozen
class Company:
    """This process among those that train together.

    Attributes:
        number: Its number.
        count: How many there are.
    """

    number: int = 0
    count: int = 1

    @classmethod
    def join(cls, ranks: DistributedEnv) -> Company:
        """Meet the other processes, and take the device that is this one's.

        Args:
            ranks: What the launcher says of this process.
        """
        if ranks.count == 1:
            return cls()
        state = PartialState(cpu=not torch.cuda.is_available())
        return cls(state.process_index, state.num_processes)

    @property
    def leads(self) -> bool:
        """Whether this process decides, and saves."""
        return self.number == 0

    def told(self, value: T) -> T:
        """What the first process gave here; the others give anything."""
        if self.count == 1:
            return value
        held = [value]
        torch.distributed.broadcast_object_list(held, src=0)
        return held[0]

    def wait(self) -> None:
        """Wait for all of them."""
        if self.count > 1:
            torch.distributed.barrier()

    def part(self) -> None:
        """Go separate ways."""
        if self.count > 1:
            self.wait()
            torch.distributed.destroy_process_group()
