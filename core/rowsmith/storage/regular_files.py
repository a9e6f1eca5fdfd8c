"""Reading of files of unknown origin: regular files only, of bounded size."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

__all__ = ["MOST_BYTES", "parse_json", "read_regular_file"]

MOST_BYTES = 2**28
"""The longest file of settings or state that is read: 256 MiB."""


def read_regular_file(path: Path, max_bytes: int = MOST_BYTES) -> str:
    """Read the text of a regular file.

    Args:
        path: The file; never waits for a pipe or a device.
        max_bytes: The most bytes.

    Raises:
        OSError: It is not there or cannot be read.
        ValueError: It is no regular file, too long, or not UTF-8.
    """
    # Opening a pipe without a writer would block.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is no regular file")
        if found.st_size > max_bytes:
            raise ValueError(f"it has {found.st_size:,} bytes, more than the {max_bytes:,} that are read")
        return file.read(max_bytes).decode("utf-8")


def parse_json(text: str) -> Any:
    """Parse a JSON text whose numbers are all finite.

    Args:
        text: The text.

    Raises:
        ValueError: It is not JSON, or holds ``NaN`` or an infinite number.
        RecursionError: It is nested without end.
    """
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number")
