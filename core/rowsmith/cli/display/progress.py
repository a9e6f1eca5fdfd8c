"""Progress on stderr: a live line for people, plain lines where stderr is no terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rowsmith.cli.display.messages import write_stderr
from rowsmith.cli.display.sanitizer import printable, unfiltered_stderr
from rowsmith.cli.display.settings import Settings
from rowsmith.cli.display.wording import RowProgress, rows_line, stage_line, training_line
from rowsmith.runs.reporting import Reporter

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from rowsmith.model import TrainingProgress
    from rowsmith.observers import BatchReport

__all__ = ["LiveReporter", "PlainReporter", "reporting"]

_SECONDS_BETWEEN_LINES = 10.0


@contextlib.contextmanager
def reporting(settings: Settings) -> Iterator[Reporter]:
    """The reporter that suits settings and terminal."""
    if settings.quiet:
        yield Reporter()
    elif not sys.stderr.isatty():
        yield PlainReporter(0.0 if settings.verbose else _SECONDS_BETWEEN_LINES)
    else:
        with _progress() as progress:
            yield LiveReporter(progress)


class PlainReporter(Reporter):
    """Writes a line for each stage, and regular ones within long stages.

    Args:
        pause: Seconds between two lines of the same stage.
    """

    def __init__(self, pause: float = _SECONDS_BETWEEN_LINES) -> None:
        self._pause = pause
        self._reported = 0.0
        self._rows = RowProgress()

    def stage_started(self, name: str) -> None:
        """Start the timer of the next line."""
        self._reported, self._rows = time.monotonic(), RowProgress()

    def stage_finished(self, name: str, seconds: float, detail: str = "") -> None:
        """Write the outcome of the stage."""
        write_stderr(stage_line(name, seconds, detail))

    def training(self, progress: TrainingProgress) -> None:
        """Write step and losses, if a line is due."""
        self._report(f"training: step {progress.step:,} of {progress.total_steps:,}, {training_line(progress)}")

    def batch(self, report: BatchReport, target: int | None) -> None:
        """Write the number of rows, if a line is due."""
        self._rows = self._rows.plus(report, target)
        self._report(f"generating: {self._rows.counted}, {rows_line(self._rows)}")

    def note(self, message: str) -> None:
        """Write the message."""
        write_stderr(f"note: {printable(message)}")

    def _report(self, line: str) -> None:
        now = time.monotonic()
        if now - self._reported >= self._pause:
            self._reported = now
            write_stderr(line)


class LiveReporter(Reporter):
    """Shows the current stage as a live line, and one line for each finished stage.

    Args:
        progress: The rich progress to draw with.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._rows = RowProgress()

    def stage_started(self, name: str) -> None:
        """Show the stage."""
        self._clear()
        self._rows = RowProgress()
        self._task = self._progress.add_task(printable(name), total=None, words="")

    def stage_finished(self, name: str, seconds: float, detail: str = "") -> None:
        """Replace the live line by the outcome of the stage."""
        self._clear()
        self._print(stage_line(name, seconds, detail))

    def training(self, progress: TrainingProgress) -> None:
        """Move the bar to the step."""
        self._move(progress.step, progress.total_steps, f"step {progress.step:,}, {training_line(progress)}")

    def batch(self, report: BatchReport, target: int | None) -> None:
        """Move the bar to the number of rows."""
        self._rows = self._rows.plus(report, target)
        self._move(*self._rows.done, f"{self._rows.counted}, {rows_line(self._rows)}")

    def note(self, message: str) -> None:
        """Print the message above the line."""
        self._print(f"note: {message}")

    def _move(self, completed: int, total: int | None, words: str) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=completed, total=total, words=printable(words))

    def _clear(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None

    def _print(self, line: str) -> None:
        with contextlib.suppress(OSError):
            self._progress.console.print(printable(line), markup=False, highlight=False)


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[words]}", markup=False),
        console=Console(file=unfiltered_stderr()),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
