"""Ends generation at a time limit, checked between batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith.config import parse_duration
from rowsmith.errors import ParameterError
from rowsmith.generation.status import GenerationStatus
from rowsmith.generation.stopping import Progress, Stop, StoppingPolicy
from rowsmith_plugins.stopping.options import TimeLimitOptions

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["TimeLimitPolicy", "build"]


class TimeLimitPolicy(StoppingPolicy):
    """Ends a job after some time.

    Args:
        seconds: The time.

    Raises:
        ParameterError: The time is not above 0.
    """

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise ParameterError(f"the time limit must be above 0 seconds, not {seconds}")
        self.seconds = seconds

    def decide(self, progress: Progress) -> Stop | None:
        """See the base class."""
        if progress.elapsed_seconds < self.seconds:
            return None
        return Stop(GenerationStatus.INCOMPLETE, f"the time limit of {self.seconds:g} seconds was reached")


def build(context: BuildContext, options: TimeLimitOptions | None) -> TimeLimitPolicy:
    """Build the policy.

    Args:
        context: Not needed.
        options: The time.
    """
    return TimeLimitPolicy(parse_duration((options or TimeLimitOptions()).seconds) or 0.0)
