"""Distributed environment: rank and world size, as ``torchrun`` and ``accelerate launch`` set them."""

from __future__ import annotations

import os
from collections.abc import Mapping

from attrs import frozen

from rowsmith.errors import ConfigError

__all__ = ["DistributedEnv"]


@frozen
class DistributedEnv:
    """Rank and world size of this process.

    Attributes:
        number: Its rank; rank 0 owns the run directory, saves and reports.
        count: World size.
    """

    number: int = 0
    count: int = 1

    @classmethod
    def current(cls, environment: Mapping[str, str] = os.environ) -> DistributedEnv:
        """Read rank and world size from the environment; a single process without a launcher.

        Args:
            environment: The variables that a launcher sets.
        """
        number, count = environment.get("RANK", ""), environment.get("WORLD_SIZE", "")
        if not (number.isdecimal() and count.isdecimal()) or int(count) <= 1:
            return cls()
        return cls(int(number), int(count))

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which owns the run directory."""
        return self.number == 0

    def check(self) -> None:
        """Check that the launcher started as many processes as are to train together.

        Raises:
            ConfigError: It did.
        """
        started = DistributedEnv.current().count
        if started != self.count:
            raise ConfigError(
                [
                    f"a launcher started {started} processes, which can only train together: start 'rowsmith train' "
                    "with it, and make rows in one process (environment variable WORLD_SIZE)"
                ]
            )
