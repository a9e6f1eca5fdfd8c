"""Asked once to end, by Ctrl-C or by the system, a run ends in order; asked twice, at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from rowsmith.interruption import StopRequest

__all__ = ["interrupted_code", "interruptible"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_MESSAGE = b"\nEnding with what there is. Press Ctrl-C again to end at once.\n"
_received = [int(signal.SIGINT)]


def interrupted_code() -> int:
    """The exit code of a process that was interrupted: 128 and the number of the signal that did it."""
    return 128 + _received[-1]


@contextlib.contextmanager
def interruptible() -> Iterator[StopRequest]:
    """Handle interrupts that way for as long as the context lasts.

    Yields:
        What is asked to end.
    """
    request = StopRequest()
    _received[:] = [int(signal.SIGINT)]
    handled = _handled()

    def once(number: int, frame: FrameType | None) -> None:
        for each in handled:
            signal.signal(each, _twice)
        _received.append(number)
        # Not through a stream, whose lock the interrupted code may hold.
        with contextlib.suppress(OSError):
            os.write(2, _MESSAGE)
        request.ask()

    for each in handled:
        signal.signal(each, once)
    try:
        yield request
    finally:
        # After an interrupt the process is about to end, and a second one may still come.
        for each, previous in handled.items():
            if signal.getsignal(each) is once:
                signal.signal(each, previous)


def _handled() -> dict[signal.Signals, signal._HANDLER]:
    """The signals to handle and what handled them before; one that is ignored is left alone."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {each: signal.getsignal(each) for each in _SIGNALS}
    return {each: previous for each, previous in found.items() if previous not in (signal.SIG_IGN, None)}


def _twice(number: int, frame: FrameType | None) -> None:
    """End the process without any more ado."""
    os._exit(128 + number)
