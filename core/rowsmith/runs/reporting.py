"""How a run reports its progress; the command line shows it, tests and libraries may listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rowsmith.model import TrainingProgress
    from rowsmith.observers import BatchReport

__all__ = ["Reporter", "StageTimes"]


class Reporter:
    """Listens to a run; every method may be overridden and does nothing by itself."""

    def stage_started(self, name: str) -> None:
        """A stage begins, such as ``reading`` or ``training``."""

    def stage_finished(self, name: str, seconds: float, detail: str = "") -> None:
        """A stage has ended.

        Args:
            name: The stage.
            seconds: How long it took.
            detail: What came of it, in a few words.
        """

    def training(self, progress: TrainingProgress) -> None:
        """Training goes on."""

    def batch(self, report: BatchReport, target: int | None) -> None:
        """A batch of completions has been read.

        Args:
            report: What it brought.
            target: The number of rows wanted; None when there is none.
        """

    def note(self, message: str) -> None:
        """Something worth knowing, such as a choice that was made."""


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
