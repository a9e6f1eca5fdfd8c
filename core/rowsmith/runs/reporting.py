"""How a run tells its progress; the command line shows it, tests and libraries may listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rowsmith.model import TrainingProgress
    from rowsmith.observers import BatchReport

__all__ = ["Reporter"]


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
