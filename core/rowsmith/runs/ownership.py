"""Who may write to a run directory, and which of its content is resumed.

A directory with a result, a model or an unfinished run is left alone unless the user says which of two things to do:
resume the work, or overwrite it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rowsmith.errors import ParameterError, RunDirectoryError
from rowsmith.model.checkpoints import CHECKPOINT_FOLDER
from rowsmith.runs import result_files
from rowsmith.runs.generations import journals
from rowsmith.runs.plan import PLAN_FILE, Plan
from rowsmith.runs.replacing import recover, restored_on_failure, set_aside

if TYPE_CHECKING:
    from rowsmith.runs.stages import Run
    from rowsmith.storage.run_directory import RunDirectory

__all__ = ["check_same", "owned_directory", "prepare_for_rows", "report_open_access"]

_UNFINISHED = "{}. Go on with --resume, choose another run directory, or overwrite it with --force."


@contextmanager
def owned_directory(run: Run, *, force: bool) -> Iterator[Plan | None]:
    """Hold the run directory for a run that begins with training.

    Args:
        run: The run.
        force: Whether what is there may be overwritten.

    Yields:
        The plan of the run that is resumed; None for a new run. Earlier content then stays until the run sets it
        aside, and is put back if the run fails before there is anything to resume.

    Raises:
        RunDirectoryError: The directory is in use, cannot be written to, or holds work and neither
            ``force`` nor ``run.resume`` is given.
        ParameterError: Both are.
    """
    _check_choice(run, force)
    with run.directory.lock():
        report_open_access(run)
        recover(run.directory)
        if run.resume and run.directory.exists(PLAN_FILE):
            yield Plan.load(run.directory)
            return
        if not force:
            _refuse(run.directory)
        if run.resume:
            run.reporter.note(f"{run.directory.root} holds nothing to resume: a new run starts")
        with restored_on_failure(run.directory):
            yield None


def prepare_for_rows(run: Run, journal: Path, *, to_directory: bool, force: bool) -> None:
    """Prepare a run directory that is held, and has a model, for further rows.

    Args:
        run: The run.
        journal: Where a generation like this one stores its finished batches.
        to_directory: Whether the rows are written to the run directory.
        force: Whether a result, and a generation that is not finished, may be overwritten.

    Raises:
        RunDirectoryError: There is work and neither ``force`` nor ``run.resume`` is given.
        ParameterError: Both are.
    """
    _check_choice(run, force)
    begun = journal.exists()
    if begun and not run.resume and not force:
        raise RunDirectoryError(_UNFINISHED.format(f"{run.directory.root} holds part of these rows"))
    if begun and run.resume:
        return
    if run.resume:
        run.reporter.note(f"{run.directory.root} holds none of these rows: generation starts from the beginning")
    if to_directory:
        if not force:
            _refuse_result(run.directory)
        set_aside(run.directory, model=False)


def report_open_access(run: Run) -> None:
    """Report a run directory that others may write to."""
    note = run.directory.access_warning()
    if note is not None:
        run.reporter.note(note)


def _check_choice(run: Run, force: bool) -> None:
    if force and run.resume:
        raise ParameterError("resume and overwrite contradict each other; give one of them")


def _refuse(directory: RunDirectory) -> None:
    if any(journals(directory)):
        raise RunDirectoryError(_UNFINISHED.format(f"{directory.root} holds part of a run's rows"))
    _refuse_result(directory)
    if result_files.has_model(directory):
        raise RunDirectoryError(_UNFINISHED.format(f"{directory.path('bundle')} holds the model of an earlier run"))
    if directory.exists(CHECKPOINT_FOLDER) and any(directory.path(CHECKPOINT_FOLDER).iterdir()):
        raise RunDirectoryError(_UNFINISHED.format(f"{directory.root} holds a training that is not finished"))


def _refuse_result(directory: RunDirectory) -> None:
    found = result_files.existing_result(directory)
    if found is not None:
        raise RunDirectoryError(
            f"{found} holds the result of an earlier run. Choose another run directory, or overwrite it with --force."
        )


def check_same(directory: Path, saved: Plan, plan: Plan) -> None:
    """Let a run go on only as what it began as.

    Args:
        directory: The run directory.
        saved: The plan that it began with.
        plan: The plan that it would go on with.

    Raises:
        RunDirectoryError: They differ in something that changes the rows.
    """
    differing = saved.differences(plan)
    if differing:
        raise RunDirectoryError(
            "\n".join(
                [
                    f"the run in {directory} cannot be resumed, because it began as another one:",
                    *(f"  {line}" for line in differing),
                    "Give what it began with, choose another run directory, or start again with --force.",
                ]
            )
        )
