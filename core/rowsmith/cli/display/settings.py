"""Settings of the command line itself: verbosity and output format."""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import click
from attrs import define

from rowsmith.cli.display.messages import write_stderr

__all__ = ["Settings", "apply_settings", "json_option", "shared_options"]

F = TypeVar("F", bound=Callable[..., Any])

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
# Rowsmith shows its own progress; libraries report only problems.
_QUIET_LIBRARIES = {
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "true",
}


@define
class Settings:
    """The settings of one call.

    Attributes:
        quiet: Whether only errors are reported.
        verbose: Whether everything is reported.
        json: Whether the outcome is written as JSON.
        traceback: Whether an error shows where it was raised.
    """

    quiet: bool = False
    verbose: bool = False
    json: bool = False
    traceback: bool = False

    @property
    def shows_traceback(self) -> bool:
        """Whether an error shows where it was raised, by option or by environment."""
        return self.traceback or os.environ.get("ROWSMITH_DEBUG", "") not in ("", "0")


def _store(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and parameter.name is not None:
        setattr(context.ensure_object(Settings), parameter.name, True)


def _flag(name: str, help_: str, *short: str) -> Callable[[F], F]:
    return click.option(*short, f"--{name}", is_flag=True, expose_value=False, callback=_store, help=help_)


json_option = _flag("json", "Write the outcome to stdout as JSON.")


def shared_options(command: F) -> F:
    """Options of every command that runs something: quiet, verbose, JSON, threads, traceback."""
    options = (
        _flag("quiet", "Report only errors.", "-q"),
        _flag("verbose", "Report everything, warnings of libraries included.", "-v"),
        json_option,
        click.option(
            "--threads",
            type=click.IntRange(min=1),
            expose_value=False,
            callback=_limit_threads,
            help="Threads to compute with.",
        ),
        _flag("traceback", "Show where an error was raised (also ROWSMITH_DEBUG=1)."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _limit_threads(context: click.Context, parameter: click.Parameter, value: int | None) -> None:
    if value is None:
        return
    # Compute libraries read these variables once, on import.
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(value)))
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(value)


class _StderrHandler(logging.Handler):
    """Writes to the current stderr."""

    tracebacks = False

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.levelname}: {record.getMessage()}"
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and self.tracebacks:
            text += "\n" + "".join(traceback.format_exception(error)).rstrip()
        elif error is not None:
            text += f" ({type(error).__name__}: {error})"
        write_stderr(text)


def _configure_logging(level: int, tracebacks: bool) -> None:
    root = logging.getLogger()
    if not any(isinstance(handler, _StderrHandler) for handler in root.handlers):
        root.addHandler(_StderrHandler())
    for handler in root.handlers:
        if isinstance(handler, _StderrHandler):
            handler.tracebacks = tracebacks
    for name in ("rowsmith", "rowsmith_backends"):
        logging.getLogger(name).setLevel(level)
    # The outcome of a job is reported at its end.
    logging.getLogger("rowsmith.generation.batches").setLevel(
        max(level, logging.ERROR) if level > logging.INFO else level
    )


def apply_settings(settings: Settings) -> None:
    """Set up logging, warnings and libraries; to be called before anything heavy is imported.

    Raises:
        UsageError: Settings contradict each other.
    """
    if settings.quiet and settings.verbose:
        raise click.UsageError("--quiet and --verbose contradict each other; give one of them")
    level = logging.ERROR if settings.quiet else logging.INFO if settings.verbose else logging.WARNING
    _configure_logging(level, settings.shows_traceback)
    if not settings.verbose:
        for name, value in _QUIET_LIBRARIES.items():
            os.environ.setdefault(name, value)
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
