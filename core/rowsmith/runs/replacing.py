"""An earlier result that new work is to replace: set aside until the new one is whole, and put back if none comes.

::

    replaced/    what was there before, laid out as the run directory itself; it goes when the new result is whole
    replacing/   the same while it is moved there or back

Every step is a rename, so that a process that is killed at any time loses nothing: ``recover`` ends what it began.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rowsmith.errors import RunDirectoryError
from rowsmith.generation.status import GenerationStatus
from rowsmith.model.checkpoints import CHECKPOINT_FOLDER
from rowsmith.runs import result_files
from rowsmith.runs.generation_state import journals
from rowsmith.runs.plan import PLAN_FILE
from rowsmith.storage.disk_errors import explain_disk_errors

if TYPE_CHECKING:
    from rowsmith.storage.run_directory import RunDirectory

__all__ = ["REPLACED_FOLDER", "forget", "kept_until_whole", "recover", "set_aside"]

REPLACED_FOLDER = "replaced"
_MOVING = "replacing"


def set_aside(directory: RunDirectory, *, model: bool) -> None:
    """Make room for new work; what is there is kept until ``forget``.

    Where an earlier result is set aside already, that one is kept, and the work that never became whole goes.

    Args:
        directory: The run directory, held by its lock.
        model: Whether the trained model and what belongs to it make room as well as the rows.

    Raises:
        RunDirectoryError: Something cannot be moved.
    """
    if directory.exists(REPLACED_FOLDER):
        whole = not model or directory.exists(f"{REPLACED_FOLDER}/{PLAN_FILE}")
        result_files.clear(directory, model=whole and model)
        if whole:
            return
        _rename(directory, REPLACED_FOLDER, _MOVING)
    names = result_files.present(directory, model=model)
    if not names and not directory.exists(_MOVING):
        return
    directory.folder(_MOVING)
    for name in names:
        _rename(directory, name, f"{_MOVING}/{name}")
    _rename(directory, _MOVING, REPLACED_FOLDER)


def forget(directory: RunDirectory) -> None:
    """Remove what was set aside: the new result is whole.

    Raises:
        RunDirectoryError: It cannot be removed.
    """
    if directory.exists(REPLACED_FOLDER):
        directory.discard(REPLACED_FOLDER)


def recover(directory: RunDirectory) -> None:
    """End what a killed process has begun: put back what new work was to replace, if there is no new work.

    Args:
        directory: The run directory, held by its lock.

    Raises:
        RunDirectoryError: Something cannot be moved.
    """
    if directory.exists(_MOVING):
        _move_back(directory)
    if directory.exists(REPLACED_FOLDER) and _complete(directory):
        forget(directory)
    if directory.exists(REPLACED_FOLDER) and not _begun(directory, planned=True):
        _put_back(directory)


@contextlib.contextmanager
def kept_until_whole(directory: RunDirectory, *, resumable: bool = True) -> Iterator[None]:
    """Put back what was set aside when the block fails before there is anything to resume; else tell where it is.

    Args:
        directory: The run directory, held by its lock.
        resumable: Whether new work that is not whole can be gone on with.
    """
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(RunDirectoryError):
            if directory.exists(_MOVING):
                _move_back(directory)
            elif directory.exists(REPLACED_FOLDER):
                if resumable and _begun(directory, planned=False):
                    kept = directory.path(REPLACED_FOLDER)
                    error.add_note(f"What was there before is kept in {kept} until the new result is whole.")
                else:
                    _put_back(directory)
        raise


def _complete(directory: RunDirectory) -> bool:
    """Whether the new result is whole, told by what is written last."""
    rows = result_files.existing_result(directory) is not None and directory.exists(result_files.REJECTED_FILE)
    if any(journals(directory)) or not rows:
        return False
    with contextlib.suppress(RunDirectoryError):
        figures = directory.read_json(result_files.METRICS_FILE)
        return isinstance(figures, dict) and figures.get("status") == GenerationStatus.COMPLETE.value
    return False


def _begun(directory: RunDirectory, *, planned: bool) -> bool:
    """Whether there is new work that can be gone on with, or, if ``planned``, that was only decided on."""
    if any(journals(directory)):
        return True
    if not directory.exists(f"{REPLACED_FOLDER}/{PLAN_FILE}"):
        return result_files.existing_result(directory) is not None
    if planned and directory.exists(PLAN_FILE):
        return True
    states = directory.path(CHECKPOINT_FOLDER)
    return result_files.has_model(directory) or (states.is_dir() and any(states.iterdir()))


def _put_back(directory: RunDirectory) -> None:
    result_files.clear(directory, model=directory.exists(f"{REPLACED_FOLDER}/{PLAN_FILE}"))
    _rename(directory, REPLACED_FOLDER, _MOVING)
    _move_back(directory)


def _move_back(directory: RunDirectory) -> None:
    for path in sorted(directory.path(_MOVING).iterdir()):
        directory.discard(path.name)
        _rename(directory, f"{_MOVING}/{path.name}", path.name)
    directory.discard(_MOVING)


def _rename(directory: RunDirectory, name: str, new: str) -> None:
    path = directory.path(name)
    with explain_disk_errors("move", path):
        os.rename(path, directory.path(new))
