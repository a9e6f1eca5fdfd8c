"""The directory a run writes to: private, locked while in use, and written atomically.

Directories have mode 0700 and files 0600. A file is written to a partial file beside it, which is renamed when it is
complete, so that a reader, or a resumed run, sees either the old file or the new one.
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
from rowsmith.storage.disk_errors import explain_disk_errors, is_full
from rowsmith.storage.file_lock import hold_lock
from rowsmith.storage.regular_files import parse_json, read_regular_file

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


def _partial_path(path: Path) -> Path:
    """The path of a partial file, or of one that is being removed."""
    return path.with_name(f"{_PARTIAL}{secrets.token_hex(6)}-{path.name}")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_tree(folder: Path) -> None:
    """Make a folder and all files in it private, and flush them to disk.

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
    """Remove a file or folder; errors are ignored."""
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
        with explain_disk_errors("write", final, beside=partial):
            raise


def _flush_directory(path: Path) -> None:
    # Not every system can open a directory; the rename is atomic nevertheless.
    with contextlib.suppress(OSError):
        _flush(path)


class RunDirectory:
    """The directory of one run.

    The constructor touches nothing; ``create`` or the first write makes the directory.

    Args:
        path: Its path; it need not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.root = Path(path)

    def __repr__(self) -> str:
        return f"RunDirectory({str(self.root)!r})"

    def __fspath__(self) -> str:
        return os.fspath(self.root)

    def create(self) -> RunDirectory:
        """Make the directory and its parents, with mode 0700; existing ones retain their mode.

        Raises:
            RunDirectoryError: It cannot be made, or the path is a file.
        """
        if self.root.exists() and not self.root.is_dir():
            raise RunDirectoryError(f"{self.root} is a file. Choose another run directory.")
        with explain_disk_errors("create", self.root):
            for folder in [*reversed(self.root.parents), self.root]:
                if not folder.is_dir():
                    folder.mkdir(mode=0o700, exist_ok=True)
        return self

    def access_warning(self) -> str | None:
        """A warning if other users may write to the directory; None if it is private.

        The files in it are private nevertheless, but users who may write to the directory may replace them.
        """
        mode = stat.S_IMODE(self.root.stat().st_mode)
        if not mode & 0o022:
            return None
        return (
            f"others may write to {self.root} (mode {mode:04o}), and so replace what is in it; to keep them out: "
            f"chmod 700 {self.root}"
        )

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Lock the directory for this process; the lock of a dead process is taken over.

        Returns:
            A context manager, which removes partial files of a killed process on entry.

        Raises:
            RunDirectoryError: Another process holds it, or a process of another machine left it
                locked; the message names process and machine.
        """
        return self._locked()

    def path(self, name: str) -> Path:
        """The path of a file in this directory, whether or not it exists.

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
        """Whether a file or folder of that name exists."""
        return self.path(name).exists()

    def folder(self, name: str) -> Path:
        """A folder in the directory, made if need be, readable by its owner alone."""
        path = self.path(name)
        self.create()
        with explain_disk_errors("create", path):
            for parent in [*reversed(path.relative_to(self.root).parents[:-1]), path.relative_to(self.root)]:
                (self.root / parent).mkdir(mode=0o700, exist_ok=True)
        return path

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Write a file: all of it or, on an error, nothing.

        Args:
            name: The file's name; the partial file has the same suffixes.

        Yields:
            The path to write to: an empty, private, partial file.

        Raises:
            RunDirectoryError: The name is unsafe, or the file cannot be written.
        """
        final, partial = self._final_and_partial(name)
        with explain_disk_errors("write", final):
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            with _full_disk_explained(final, partial):
                yield partial
            with explain_disk_errors("write", final, beside=partial):
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
            name: The folder's name; it must not exist yet.

        Yields:
            The path to write to: an empty, private, partial folder.

        Raises:
            RunDirectoryError: The name is unsafe, or the folder cannot be written.
        """
        final, partial = self._final_and_partial(name)
        with explain_disk_errors("create", final):
            partial.mkdir(mode=0o700)
        try:
            with _full_disk_explained(final, partial):
                yield partial
            with explain_disk_errors("write", final, beside=partial):
                flush_tree(partial)
                os.rename(partial, final)
                _flush_directory(final.parent)
        finally:
            _remove(partial)

    def _final_and_partial(self, name: str) -> tuple[Path, Path]:
        """The final and the partial path of a file; makes the folder."""
        final = self.path(name)
        above = self.folder(name.rpartition("/")[0]) if "/" in name else self.create().root
        return final, _partial_path(above / final.name)

    def discard(self, name: str) -> None:
        """Remove a file or folder, if it exists; a folder is renamed first, so that it is never half there."""
        path = self.path(name)
        with explain_disk_errors("remove", path):
            if path.is_dir():
                aside = _partial_path(path)
                os.rename(path, aside)
                _remove(aside)
            else:
                path.unlink(missing_ok=True)

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write a file of bytes atomically; returns its path."""
        with self.writing(name) as partial, explain_disk_errors("write", self.root / name, beside=partial):
            partial.write_bytes(content)
        return self.path(name)

    def write_text(self, name: str, content: str) -> Path:
        r"""Write a UTF-8 file with ``\n`` line ends atomically; returns its path."""
        return self.write_bytes(name, content.encode())

    def write_json(self, name: str, content: Any) -> Path:
        """Write a JSON file atomically; returns its path.

        Raises:
            ValueError: A number is not finite: JSON has no spelling for it.
        """
        text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
        return self.write_text(name, text + "\n")

    def read_text(self, name: str) -> str:
        """The text of a file.

        Raises:
            RunDirectoryError: It is not there or cannot be read.
            ValueError: It is not UTF-8, no regular file, or too large.
        """
        path = self.path(name)
        with explain_disk_errors("read", path):
            return read_regular_file(path)

    def read_json(self, name: str) -> Any:
        """The content of a JSON file.

        Raises:
            RunDirectoryError: It is not there or is not JSON.
        """
        try:
            return parse_json(self.read_text(name))
        except (ValueError, RecursionError) as exc:
            raise RunDirectoryError(f"{self.path(name)} is damaged: {exc}. Start the run again with --force.") from exc

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.create()
        with hold_lock(self.root / _LOCK, self.root):
            self._remove_partials()
            self._probe()
            yield

    def _probe(self) -> None:
        """Write a probe file, so that an unwritable folder is reported before any work is done."""
        probe = _partial_path(self.root / "probe")
        with explain_disk_errors("write to", self.root, beside=probe):
            try:
                probe.write_bytes(b"\0")
            finally:
                _remove(probe)

    def _remove_partials(self) -> None:
        for partial in list(self.root.rglob(f"{_PARTIAL}*")):
            _remove(partial)


Workdir = RunDirectory
