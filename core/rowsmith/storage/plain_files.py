"""Files that come from elsewhere, read as what they are to be: regular, and no longer than any use of them."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

__all__ = ["MOST_BYTES", "parse_json", "read_plain"]

MOST_BYTES = 2**28
"""The longest file of settings or state that is read: 256 MiB."""


def read_plain(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a regular file.

    Args:
        path: The file; one that is a pipe or a device is not waited for.
        most: The most bytes.

    Raises:
        OSError: It is not there or cannot be read.
        ValueError: It is no regular file, too long, or not UTF-8.
    """
    # A pipe that nobody writes to would be waited for.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is no regular file")
        if found.st_size > most:
            raise ValueError(f"it has {found.st_size:,} bytes, more than the {most:,} that are read")
        return file.read(most).decode("utf-8")


def parse_json(text: str) -> Any:
    """The value of a JSON text, whose numbers are all finite.

    Args:
        text: The text.

    Raises:
        ValueError: It is not JSON, or holds ``NaN`` or an infinite number.
        RecursionError: It is nested without end.
    """
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number")
