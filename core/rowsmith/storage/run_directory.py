"""The directory a run writes to: private, locked while in use, and never half written.

Directories are made with mode 0700 and files with 0600. A file is written beside its final place
and renamed when it is whole, so that a reader, or a run that continues after a crash, sees either
the old file or the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rowsmith.errors import RunDirectoryError
from rowsmith.storage.disk_errors import explained, is_full
from rowsmith.storage.file_lock import hold_lock
from rowsmith.storage.plain_files import parse_json, read_plain

__all__ = ["RunDirectory", "Workdir", "flush_tree"]

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
_PARTIAL = ".partial-"
_LOCK = ".lock"


def _check_parts(name: str) -> tuple[str, ...]:
    parts = tuple(name.split("/"))
    for part in parts:
        if not _PART.fullmatch(part) or part.endswith(".") or len(part) > 200:
            raise RunDirectoryError(
                f"{name!r} is not a safe file name for a run directory. "
                "Use letters, digits, '.', '_', '+' and '-', and '/' between folders."
            )
    return parts


def _beside(path: Path) -> Path:
    """Where something is until it is whole, or until it is gone."""
    return path.with_name(f"{_PARTIAL}{secrets.token_hex(6)}-{path.name}")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_tree(folder: Path) -> None:
    """Make a folder and all in it private, and see it onto the disk.

    Raises:
        OSError: It cannot be written.
    """
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o700 if path.is_dir() else 0o600)
        if path.is_dir():
            _flush_directory(path)
        else:
            _flush(path)


def _remove(path: Path) -> None:
    """Remove what is of no more use, as far as it can be removed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def _full_disk_explained(final: Path, partial: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        with explained("write", final, beside=partial):
            raise


def _flush_directory(path: Path) -> None:
    # Not every system lets a directory be opened; the rename itself is still atomic there.
    with contextlib.suppress(OSError):
        _flush(path)


class RunDirectory:
    """The directory of one run.

    Making the object touches nothing; ``create`` or the first write makes the directory.

    Args:
        path: Where it is, or will be.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.root = Path(path)

    def __repr__(self) -> str:
        return f"RunDirectory({str(self.root)!r})"

    def __fspath__(self) -> str:
        return os.fspath(self.root)

    def create(self) -> RunDirectory:
        """Make the directory and those above it, for their owner alone; what exists keeps its mode.

        Raises:
            RunDirectoryError: It cannot be made, or the path is a file.
        """
        if self.root.exists() and not self.root.is_dir():
            raise RunDirectoryError(f"{self.root} is a file. Choose another run directory.")
        with explained("create", self.root):
            for folder in [*reversed(self.root.parents), self.root]:
                if not folder.is_dir():
                    folder.mkdir(mode=0o700, exist_ok=True)
        return self

    def openness(self) -> str | None:
        """What others of the machine may do with a directory that was there before; None where they may do nothing.

        What is in it is private all the same, but who may write to the directory may put other files in their place.
        """
        mode = stat.S_IMODE(self.root.stat().st_mode)
        if not mode & 0o022:
            return None
        return (
            f"others may write to {self.root} (mode {mode:04o}), and so replace what is in it; to keep them out: "
            f"chmod 700 {self.root}"
        )

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Hold the directory for this process; a lock that a dead process left is taken over.

        Returns:
            A context manager. Files that a killed process left half written are removed on entry.

        Raises:
            RunDirectoryError: Another process holds it, or a process of another machine left it
                locked; the message names process and machine.
        """
        return self._locked()

    def path(self, name: str) -> Path:
        """Where a file of this directory is, whether or not it exists.

        Args:
            name: Its name, with ``/`` between folders.

        Raises:
            RunDirectoryError: The name is unsafe or leads out of the directory.
        """
        path = self.root.joinpath(*_check_parts(name))
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise RunDirectoryError(f"{name!r} leads out of the run directory {self.root}. Remove the link.")
        return path

    def exists(self, name: str) -> bool:
        """Whether a file or folder of that name is there."""
        return self.path(name).exists()

    def folder(self, name: str) -> Path:
        """A folder in the directory, made if need be, readable by its owner alone."""
        path = self.path(name)
        self.create()
        with explained("create", path):
            for parent in [*reversed(path.relative_to(self.root).parents[:-1]), path.relative_to(self.root)]:
                (self.root / parent).mkdir(mode=0o700, exist_ok=True)
        return path

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Write a file: all of it or, on an error, nothing.

        Args:
            name: The file's name; it keeps its suffixes while it is written.

        Yields:
            The path to write to: an empty private file beside the final place.

        Raises:
            RunDirectoryError: The name is unsafe, or the file cannot be written.
        """
        final, partial = self._places(name)
        with explained("write", final):
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            with _full_disk_explained(final, partial):
                yield partial
            with explained("write", final, beside=partial):
                partial.chmod(0o600)
                _flush(partial)
                os.replace(partial, final)
                _flush_directory(final.parent)
        finally:
            _remove(partial)

    @contextlib.contextmanager
    def writing_folder(self, name: str) -> Iterator[Path]:
        """Write a folder of files: all of it or, on an error, nothing.

        Args:
            name: The folder's name; nothing of that name is there yet.

        Yields:
            The path to write to: an empty private folder beside the final place.

        Raises:
            RunDirectoryError: The name is unsafe, or the folder cannot be written.
        """
        final, partial = self._places(name)
        with explained("create", final):
            partial.mkdir(mode=0o700)
        try:
            with _full_disk_explained(final, partial):
                yield partial
            with explained("write", final, beside=partial):
                flush_tree(partial)
                os.rename(partial, final)
                _flush_directory(final.parent)
        finally:
            _remove(partial)

    def _places(self, name: str) -> tuple[Path, Path]:
        """Where something is to be, in a folder that is there, and where it is until it is whole."""
        final = self.path(name)
        above = self.folder(name.rpartition("/")[0]) if "/" in name else self.create().root
        return final, _beside(above / final.name)

    def discard(self, name: str) -> None:
        """Remove a file or folder, if it is there; a folder goes as a whole, also when this is killed midway."""
        path = self.path(name)
        with explained("remove", path):
            if path.is_dir():
                aside = _beside(path)
                os.rename(path, aside)
                _remove(aside)
            else:
                path.unlink(missing_ok=True)

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write a file of bytes, whole or not at all; returns its path."""
        with self.writing(name) as partial, explained("write", self.root / name, beside=partial):
            partial.write_bytes(content)
        return self.path(name)

    def write_text(self, name: str, content: str) -> Path:
        r"""Write a UTF-8 file with ``\n`` line ends, whole or not at all; returns its path."""
        return self.write_bytes(name, content.encode())

    def write_json(self, name: str, content: Any) -> Path:
        """Write a JSON file, whole or not at all; returns its path.

        Raises:
            ValueError: A number is not finite: JSON has no spelling for it.
        """
        text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
        return self.write_text(name, text + "\n")

    def read_text(self, name: str) -> str:
        """The text of a file.

        Raises:
            RunDirectoryError: It is not there or cannot be read.
            ValueError: It is no text, no regular file, or longer than any use of it.
        """
        path = self.path(name)
        with explained("read", path):
            return read_plain(path)

    def read_json(self, name: str) -> Any:
        """The content of a JSON file.

        Raises:
            RunDirectoryError: It is not there or is not JSON.
        """
        try:
            return parse_json(self.read_text(name))
        except (ValueError, RecursionError) as exc:
            raise RunDirectoryError(f"{self.path(name)} is damaged: {exc}. Start the run anew with --force.") from exc

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.create()
        with hold_lock(self.root / _LOCK, self.root):
            self._remove_partials()
            self._probe()
            yield

    def _probe(self) -> None:
        """Write something now, so that a folder that cannot be written to is found before any work is done."""
        probe = _beside(self.root / "probe")
        with explained("write to", self.root, beside=probe):
            try:
                probe.write_bytes(b"\0")
            finally:
                _remove(probe)

    def _remove_partials(self) -> None:
        for partial in list(self.root.rglob(f"{_PARTIAL}*")):
            _remove(partial)


Workdir = RunDirectory
