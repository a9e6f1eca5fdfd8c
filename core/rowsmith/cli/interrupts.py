"""Signal handling: the first Ctrl-C or SIGTERM stops a run in order, the second at once."""

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
    """The exit code after a signal: 128 plus its number."""
    return 128 + _received[-1]


@contextlib.contextmanager
def interruptible() -> Iterator[StopRequest]:
    """Handle SIGINT and SIGTERM within the context.

    Yields:
        The stop request that the first signal sets.
    """
    request = StopRequest()
    _received[:] = [int(signal.SIGINT)]
    handled = _handled()

    def _request_stop(number: int, frame: FrameType | None) -> None:
        for each in handled:
            signal.signal(each, _exit_now)
        _received.append(number)
        # Not through a stream: the interrupted code may hold its lock.
        with contextlib.suppress(OSError):
            os.write(2, _MESSAGE)
        request.ask()

    for each in handled:
        signal.signal(each, _request_stop)
    try:
        yield request
    finally:
        # After a signal the process is about to end, and a second signal may still come.
        for each, previous in handled.items():
            if signal.getsignal(each) is _request_stop:
                signal.signal(each, previous)


def _handled() -> dict[signal.Signals, signal._HANDLER]:
    """The signals to handle and their previous handlers; ignored signals are skipped."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {each: signal.getsignal(each) for each in _SIGNALS}
    return {each: previous for each, previous in found.items() if previous not in (signal.SIG_IGN, None)}


def _exit_now(number: int, frame: FrameType | None) -> None:
    """End the process at once."""
    os._exit(128 + number)
