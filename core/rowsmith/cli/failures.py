"""Error messages and exit codes."""

from __future__ import annotations

import contextlib
import enum
import os
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from rowsmith.cli.display.messages import write_stderr
from rowsmith.cli.display.settings import Settings
from rowsmith.cli.interrupts import interrupted_code
from rowsmith.errors import RowsmithError
from rowsmith.storage.disk_errors import is_full

if TYPE_CHECKING:
    from rowsmith.evaluation.runner import EvaluationReport

__all__ = ["ExitCode", "evaluation_code", "exit_code_of"]


class ExitCode(enum.IntEnum):
    """Exit codes of the command line."""

    DONE = 0
    SHORT = 1
    DEFECT = 1
    USAGE = 2
    PLUGIN = 3
    INTERNAL = 4
    EVALUATION = 5
    INTERRUPTED = 130
    TERMINATED = 143


def evaluation_code(report: EvaluationReport, *, strict: bool) -> ExitCode:
    """The exit code of an evaluation.

    Args:
        report: The results.
        strict: Whether a defect beyond its threshold counts.
    """
    if strict and report.warnings:
        return ExitCode.DEFECT
    return ExitCode.EVALUATION if report.failed else ExitCode.DONE


def exit_code_of(call: Callable[[], Any], settings: Settings) -> int:
    """Call a function and report its errors.

    Args:
        call: Returns an exit code, or anything else for success.
        settings: Whether errors show where they were raised.

    Returns:
        The exit code.
    """
    code = _guarded(call, settings)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _close_stdout()
    except OSError as error:
        _close_stdout()
        _report_error(f"Cannot write to stdout: {error.strerror or error}.", error, settings)
        return ExitCode.USAGE
    return code


def _guarded(call: Callable[[], Any], settings: Settings) -> int:
    try:
        returned = call()
        return returned if isinstance(returned, int) else ExitCode.DONE
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show(file=sys.stderr)
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt) as error:
        # click's exception carries no message; its cause does.
        cause = error.__cause__ or error
        reason = f"Interrupted: {cause}." if str(cause) else "Interrupted."
        write_stderr("\n".join([reason, *(f"  {note}" for note in getattr(cause, "__notes__", ()))]))
        return interrupted_code()
    except BrokenPipeError:
        # The reader closed the pipe, which is no error.
        _close_stdout()
        return ExitCode.DONE
    except RowsmithError as error:
        _report_error(str(error), error, settings)
        return error.exit_code
    except Exception as error:
        if isinstance(error, OSError) and is_full(error):
            _report_error(_full_message(error), error, settings)
            return ExitCode.USAGE
        _report_error(
            f"{type(error).__name__}: {error}\nThis is a fault in Rowsmith or in a plugin, not in your input. "
            "Run again with --traceback and report what it shows.",
            error,
            settings,
        )
        return ExitCode.INTERNAL


def _full_message(error: OSError) -> str:
    where = error.filename or "stdout or a file"
    return f"Cannot write {where}: {error.strerror}. Make room and run the same command again."


def _report_error(message: str, error: BaseException, settings: Settings) -> None:
    if settings.shows_traceback:
        write_stderr("".join(traceback.format_exception(error)).rstrip())
    write_stderr("\n".join([f"Error: {message}", *(f"  {note}" for note in getattr(error, "__notes__", ()))]))


def _close_stdout() -> None:
    """Redirect stdout to null, so that the interpreter's last flush does not fail."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
