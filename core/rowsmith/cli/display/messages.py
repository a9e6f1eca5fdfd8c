"""Words on stderr that no work depends on."""

from __future__ import annotations

import contextlib
import sys

__all__ = ["tell"]


def tell(message: str) -> None:
    """Write to stderr, where it can be written to; a run does not end because its log is on a full disk.

    Args:
        message: One or more lines.
    """
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr, flush=True)
