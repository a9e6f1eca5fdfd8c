"""An earlier result that new work replaces: set aside until the new one is complete, and restored if none comes.

::

    replaced/    the earlier content, laid out as the run directory itself; removed when the new result is complete
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
from rowsmith.runs.generations import journals
from rowsmith.runs.plan import PLAN_FILE
from rowsmith.storage.disk_errors import explain_disk_errors

if TYPE_CHECKING:
    from rowsmith.storage.run_directory import RunDirectory

__all__ = ["REPLACED_FOLDER", "discard_replaced", "recover", "restored_on_failure", "set_aside"]

REPLACED_FOLDER = "replaced"
_MOVING = "replacing"


def set_aside(directory: RunDirectory, *, model: bool) -> None:
    """Make room for new work; the earlier content is retained until ``discard_replaced``.

    Where an earlier result is set aside already, that one is retained, and work that never became complete is removed.

    Args:
        directory: The run directory, held by its lock.
        model: Whether the trained model and its files are set aside as well as the rows.

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


def discard_replaced(directory: RunDirectory) -> None:
    """Remove what was set aside: the new result is complete.

    Raises:
        RunDirectoryError: It cannot be removed.
    """
    if directory.exists(REPLACED_FOLDER):
        directory.discard(REPLACED_FOLDER)


def recover(directory: RunDirectory) -> None:
    """Finish what a killed process began: restore what new work was to replace, if there is no new work.

    Args:
        directory: The run directory, held by its lock.

    Raises:
        RunDirectoryError: Something cannot be moved.
    """
    if directory.exists(_MOVING):
        _move_back(directory)
    if directory.exists(REPLACED_FOLDER) and _complete(directory):
        discard_replaced(directory)
    if directory.exists(REPLACED_FOLDER) and not _begun(directory, planned=True):
        _put_back(directory)


@contextlib.contextmanager
def restored_on_failure(directory: RunDirectory, *, resumable: bool = True) -> Iterator[None]:
    """Restore what was set aside if the block fails before there is anything to resume; else note where it is.

    Args:
        directory: The run directory, held by its lock.
        resumable: Whether incomplete new work can be resumed.
    """
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(RunDirectoryError):
            if directory.exists(_MOVING):
                _move_back(directory)
            elif directory.exists(REPLACED_FOLDER):
                if resumable and _begun(directory, planned=False):
                    earlier = directory.path(REPLACED_FOLDER)
                    error.add_note(f"What was there before is in {earlier} until the new result is complete.")
                else:
                    _put_back(directory)
        raise


def _complete(directory: RunDirectory) -> bool:
    """Whether the new result is complete, judged by what is written last."""
    rows = result_files.existing_result(directory) is not None and directory.exists(result_files.REJECTED_FILE)
    if any(journals(directory)) or not rows:
        return False
    with contextlib.suppress(RunDirectoryError):
        figures = directory.read_json(result_files.METRICS_FILE)
        return isinstance(figures, dict) and figures.get("status") == GenerationStatus.COMPLETE.value
    return False


def _begun(directory: RunDirectory, *, planned: bool) -> bool:
    """Whether there is new work that can be resumed, or, if ``planned``, that was only planned."""
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
