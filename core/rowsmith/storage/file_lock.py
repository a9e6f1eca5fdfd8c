"""Directory lock that does not outlive its process.

The operating system releases the lock when the process ends. The file names the holder, for people and for machines
that share a file system without sharing locks.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rowsmith.errors import RunDirectoryError
from rowsmith.storage.disk_errors import explain_disk_errors

__all__ = ["hold_lock"]

# Beyond the text: locks are mandatory on Windows, and others must be able to read the holder.
_FAR = 1 << 30
# A link in a folder of unknown origin must not lead the lock to another file.
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)

if sys.platform == "win32":
    import msvcrt

    def _acquire(handle: int) -> None:
        os.lseek(handle, _FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _acquire(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _read_holder(handle: int) -> dict[str, Any] | None:
    os.lseek(handle, 0, os.SEEK_SET)
    try:
        holder = json.loads(os.read(handle, 4096))
    except ValueError:
        return None
    return holder if isinstance(holder, dict) else None


def _describe(holder: dict[str, Any] | None) -> str:
    if holder is None:
        return "another process"
    pid, host = (str(holder.get(name, "?"))[:80] for name in ("pid", "host"))
    return "process {} on {}".format(*(word if word.isprintable() else repr(word) for word in (pid, host)))


def _check_not_held(handle: int, file: Path, directory: Path) -> None:
    try:
        _acquire(handle)
    except OSError as exc:
        user = _describe(_read_holder(handle))
        raise RunDirectoryError(
            f"{directory} is in use by {user}. Wait for it to end, or choose another run directory."
        ) from exc
    holder = _read_holder(handle)
    if holder is not None and holder.get("host") != socket.gethostname():
        raise RunDirectoryError(
            f"{directory} was left locked by {_describe(holder)}. If that process is gone, remove {file} and try again."
        )


def _write_holder(handle: int) -> None:
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": int(time.time())}
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, json.dumps(holder).encode())


@contextlib.contextmanager
def hold_lock(file: Path, directory: Path) -> Iterator[None]:
    """Hold a lock file within the context.

    Args:
        file: The lock file; created if missing, emptied on release, never removed.
        directory: The directory it protects, for messages.

    Raises:
        RunDirectoryError: Another process holds it, or one of another machine left it locked, or there is
            no room for it.
    """
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | _NO_LINKS, 0o600)
    except OSError as exc:
        raise RunDirectoryError(f"Cannot lock {directory}: {exc.strerror or exc}.") from exc
    try:
        _check_not_held(handle, file, directory)
        with explain_disk_errors("write", file):
            _write_holder(handle)
        try:
            yield
        finally:
            # Not removed: a process that has opened it already would lock a file that no other process finds.
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)
