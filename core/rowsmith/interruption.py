"""How a run is asked to end: at once, or at the next point where its state can be saved."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from attrs import define

__all__ = ["Interrupted", "StopRequest"]


class Interrupted(KeyboardInterrupt):
    """A run ended because it was asked to, with its work in order."""


@define
class StopRequest:
    """Whether a run was asked to end; may be set from a signal handler or another thread.

    Attributes:
        requested: Whether it was.
        deferred: Whether what runs now looks at ``requested`` by itself, so that nothing need be raised.
    """

    requested: bool = False
    deferred: bool = False

    def ask(self) -> None:
        """Ask the run to end.

        Raises:
            KeyboardInterrupt: What runs now would not notice.
        """
        self.requested = True
        if not self.deferred:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def awaited(self) -> Iterator[None]:
        """The block looks at ``requested`` often and ends by itself, so nothing is raised in it."""
        before, self.deferred = self.deferred, True
        try:
            yield
        finally:
            self.deferred = before

    def check(self) -> None:
        """End here if the run was asked to end.

        Raises:
            Interrupted: It was.
        """
        if self.requested:
            raise Interrupted
