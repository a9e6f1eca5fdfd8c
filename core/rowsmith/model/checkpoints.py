"""Training checkpoints: written atomically, verified before use, removed after training.

::

    checkpoints/
        00000012/
            manifest.json    hashes of the other files, written last
            state.json       what the model saved as plain data
            ...              further files of the model

Checkpoints hold what was learned from the training data, so they are as private as the bundle.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from rowsmith.errors import RunDirectoryError
from rowsmith.model.tensor_files import holds_tensors_alone
from rowsmith.storage.disk_errors import explain_disk_errors, is_full
from rowsmith.storage.regular_files import parse_json, read_regular_file
from rowsmith.storage.run_directory import RunDirectory

__all__ = ["CHECKPOINT_FOLDER", "Checkpoint", "Checkpoints", "hashes"]

CHECKPOINT_FOLDER = "checkpoints"
_MANIFEST, _STATE = "manifest.json", "state.json"
_RETAINED = 2


@frozen(kw_only=True)
class Checkpoint:
    """A complete, verified checkpoint.

    Attributes:
        directory: Its files.
        state: The model's state as plain data.
    """

    directory: Path
    state: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of one training.

    Args:
        directory: The run directory.
        every: Seconds between checkpoints.
        resume: Whether existing checkpoints are used.
        note: Called with notes to the user.

    Attributes:
        every: Seconds between checkpoints.
    """

    def __init__(
        self,
        directory: RunDirectory,
        *,
        every: float = 15.0,
        resume: bool = False,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.every = every
        self.note = note
        self._directory = directory
        self._resume = resume
        self._retained = _RETAINED

    def latest(self) -> Checkpoint | None:
        """Find the newest intact checkpoint; damaged ones are reported and removed.

        Returns:
            The checkpoint; None if there is none, or without ``resume``.
        """
        for name in reversed(self._names() if self._resume else []):
            folder = self._directory.path(name)
            damage = _damage(folder)
            if damage is None:
                return Checkpoint(directory=folder, state=parse_json(read_regular_file(folder / _STATE)))
            self.note(f"{damage}: this saved state of the training is not used; an earlier one is, if there is one")
            self._directory.discard(name)
        return None

    @contextlib.contextmanager
    def writing(self, state: Mapping[str, Any], *foreign: type[Exception]) -> Iterator[Path]:
        """Save a checkpoint, then remove all earlier ones but the newest.

        Once the disk was full only a single checkpoint is retained.

        Args:
            state: The model's state as plain data.
            *foreign: Exceptions in which libraries wrap errors of the operating system.

        Yields:
            An empty folder for further files of the checkpoint.

        Raises:
            RunDirectoryError: It cannot be written; the newest earlier one is unchanged.
        """
        old = self._names()
        number = int(old[-1].rpartition("/")[2]) + 1 if old else 1
        name = f"{CHECKPOINT_FOLDER}/{number:08d}"
        try:
            with (
                self._directory.writing_folder(name) as folder,
                explain_disk_errors("write", self._directory.path(name), *foreign, beside=folder),
            ):
                yield folder
                (folder / _STATE).write_text(json.dumps(state, allow_nan=False), encoding="utf-8")
                (folder / _MANIFEST).write_text(json.dumps(hashes(folder)), encoding="utf-8")
        except RunDirectoryError as error:
            if is_full(error):
                self._retained = 1
                self._discard(old[:-1])
            raise
        self._discard([*old, name][: -self._retained])

    def save_making_room(self, write: Callable[[], None]) -> None:
        """Save the finished model; while the disk is full, remove the oldest checkpoint and try again.

        A checkpoint holds the weights at least twice, so removing one makes room for the model.

        Args:
            write: Saves the finished model; called again after each removed checkpoint.

        Raises:
            RunDirectoryError: It cannot be saved.
        """
        while True:
            try:
                write()
                return
            except RunDirectoryError as error:
                names = self._names()
                if not is_full(error) or not names:
                    raise
            self.note("the disk is full: a saved state of the training is removed to make room for the model")
            self._discard(names[:1])

    def clear(self) -> None:
        """Remove all checkpoints."""
        self._directory.discard(CHECKPOINT_FOLDER)

    def _discard(self, names: Sequence[str]) -> None:
        for name in names:
            self._directory.discard(name)

    def _names(self) -> list[str]:
        folder = self._directory.path(CHECKPOINT_FOLDER)
        found = folder.iterdir() if folder.is_dir() else []
        return sorted(f"{CHECKPOINT_FOLDER}/{path.name}" for path in found if path.name.isdigit())


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its name with ``/`` between folders."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _damage(folder: Path) -> str | None:
    """Describe the damaged file of a checkpoint; None if all are intact."""
    manifest = folder / _MANIFEST
    try:
        expected = parse_json(read_regular_file(manifest))
        found = {name: digest for name, digest in hashes(folder).items() if name != _MANIFEST}
    except (OSError, ValueError, RecursionError):
        return f"{manifest} is missing or damaged"
    if not isinstance(expected, dict) or _STATE not in expected:
        return f"{manifest} is damaged"
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            what = "missing" if name not in found else "not the one that was saved"
            return f"{folder / name} is {what}"
        if name.endswith((".pt", ".pth", ".bin", ".pkl")) and not holds_tensors_alone(folder / name):
            return f"{folder / name} holds more than numbers"
    try:
        state = parse_json(read_regular_file(folder / _STATE))
    except (OSError, ValueError, RecursionError):
        state = None
    return None if isinstance(state, dict) else f"{folder / _STATE} is damaged"
