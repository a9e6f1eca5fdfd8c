"""Ctrl-C once ends a run with the rows so far; twice ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["interruptible"]

_MESSAGE = b"\nEnding with what there is. Press Ctrl-C again to end at once.\n"


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Handle Ctrl-C that way for as long as the context lasts."""
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or previous in (signal.SIG_IGN, None):
        yield
        return

    def once(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, _twice)
        # Not through a stream, whose lock the interrupted code may hold.
        with contextlib.suppress(OSError):
            os.write(2, _MESSAGE)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, once)
    try:
        yield
    finally:
        # After an interrupt the process is about to end, and a second one may still come.
        if signal.getsignal(signal.SIGINT) is once:
            signal.signal(signal.SIGINT, previous)


def _twice(number: int, frame: FrameType | None) -> None:
    """End the process without any more ado."""
    os._exit(130)
