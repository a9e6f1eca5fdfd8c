"""Error messages for files that cannot be read or written: path, reason and free space."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rowsmith.errors import RunDirectoryError

__all__ = ["explain_disk_errors", "is_full"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_PROBE = 1 << 20
_OS_ERROR = re.compile(r"os error (\d+)")


def is_full(error: BaseException) -> bool:
    """Whether an error, or its cause, says that the disk is full."""
    cause = error.__cause__
    return _number(error) in _FULL or (cause is not None and is_full(cause))


@contextlib.contextmanager
def explain_disk_errors(
    doing: str, path: Path, *foreign: type[Exception], beside: Path | None = None
) -> Iterator[None]:
    """Turn an error of the operating system into one that names the file, the reason and what to do.

    Args:
        doing: The operation as a verb, such as ``write``.
        path: The file or folder.
        *foreign: Exceptions in which libraries wrap errors of the operating system.
        beside: The path of the partial file, if another.

    Raises:
        RunDirectoryError: The block raised an ``OSError`` or one of ``foreign``.
    """
    expected: tuple[type[Exception], ...] = (OSError, *foreign)
    try:
        yield
    except expected as error:
        partial = beside or path
        cause = _os_error(error, partial)
        raise RunDirectoryError(_message(doing, path, cause, partial)) from cause


def _os_error(error: Exception, partial: Path) -> Exception:
    """The operating system's error; found by probing where a library reports only that it could not write."""
    if _number(error) is not None:
        return error
    found = _probe_error(partial if partial.is_dir() else partial.parent)
    if found is None:
        return error
    found.__cause__ = error
    return found


def _probe_error(folder: Path) -> OSError | None:
    """The error of writing to a folder; None if it can be written to."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            left = _PROBE
            while left:
                left -= file.write(bytes(left))
            os.fsync(file.fileno())
    except OSError as error:
        return OSError(error.errno, error.strerror, str(folder))
    return None


def _message(doing: str, path: Path, error: Exception, partial: Path) -> str:
    number = _number(error)
    reason = str(error) if number is None else os.strerror(number)
    if number not in _FULL:
        return f"Cannot {doing} {path}: {reason}."
    free = _free(path)
    left = "" if free is None else f", {free:,} bytes are free"
    return (
        f"Cannot {doing} {path}: {reason} after {_written(partial):,} bytes{left}. Make room and run the same "
        "command with --resume; what was saved before is whole."
    )


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _OS_ERROR.search(str(error))
    return None if found is None else int(found[1])


def _written(path: Path) -> int:
    """Size in bytes of a partial file or folder."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return path.stat().st_size
    return 0


def _free(path: Path) -> int | None:
    for folder in path.absolute().parents:
        with contextlib.suppress(OSError):
            return shutil.disk_usage(folder).free
    return None
