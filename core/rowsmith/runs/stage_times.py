"""How long each stage of a run took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith.runs.reporting import Reporter

if TYPE_CHECKING:
    from rowsmith.model import TrainingProgress
    from rowsmith.observers import BatchReport

__all__ = ["StageTimes"]


class StageTimes(Reporter):
    """Notes the time of each stage and passes everything on.

    Args:
        listener: Who else listens.

    Attributes:
        seconds: Time per finished stage.
    """

    def __init__(self, listener: Reporter) -> None:
        self._listener = listener
        self.seconds: dict[str, float] = {}

    def stage_started(self, name: str) -> None:
        """See ``Reporter.stage_started``."""
        self._listener.stage_started(name)

    def stage_finished(self, name: str, seconds: float, detail: str = "") -> None:
        """See ``Reporter.stage_finished``."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        self._listener.stage_finished(name, seconds, detail)

    def training(self, progress: TrainingProgress) -> None:
        """See ``Reporter.training``."""
        self._listener.training(progress)

    def batch(self, report: BatchReport, target: int | None) -> None:
        """See ``Reporter.batch``."""
        self._listener.batch(report, target)

    def note(self, message: str) -> None:
        """See ``Reporter.note``."""
        self._listener.note(message)
