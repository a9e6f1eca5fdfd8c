"""Processes that train one model together, as ``torchrun`` and ``accelerate launch`` start them."""

from __future__ import annotations

import os
from collections.abc import Mapping

from attrs import frozen

from rowsmith.errors import ConfigError

__all__ = ["Ranks"]


@frozen
class Ranks:
    """This process among those that train together.

    Attributes:
        number: Its number; the first, 0, owns the run directory, saves and reports.
        count: How many there are.
    """

    number: int = 0
    count: int = 1

    @classmethod
    def current(cls, environment: Mapping[str, str] = os.environ) -> Ranks:
        """What the launcher says of this process; one process where there is no launcher.

        Args:
            environment: The variables that a launcher sets.
        """
        number, count = environment.get("RANK", ""), environment.get("WORLD_SIZE", "")
        if not (number.isdecimal() and count.isdecimal()) or int(count) <= 1:
            return cls()
        return cls(int(number), int(count))

    @property
    def leads(self) -> bool:
        """Whether this process owns the run directory."""
        return self.number == 0

    def check(self) -> None:
        """Make sure that a launcher started no more processes than are meant to train together.

        Raises:
            ConfigError: It did.
        """
        started = Ranks.current().count
        if started != self.count:
            raise ConfigError(
                [
                    f"a launcher started {started} processes, which can only train together: start 'rowsmith train' "
                    "with it, and make rows in one process (environment variable WORLD_SIZE)"
                ]
            )
