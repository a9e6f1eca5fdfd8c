"""Messages on stderr, whose errors are ignored."""

from __future__ import annotations

import contextlib
import sys

__all__ = ["write_stderr"]


def write_stderr(message: str) -> None:
    """Write a message to stderr; errors are ignored, so that a full disk under a log does not end a run.

    Args:
        message: One or more lines.
    """
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr, flush=True)
