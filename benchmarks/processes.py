"""Fresh processes, measured from outside."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

_EVERY = 0.005
_ANONYMOUS = re.compile(r"^RssAnon:\s+(\d+) kB", re.MULTILINE)


@frozen(kw_only=True)
class Usage:
    """What a process took.

    Attributes:
        seconds: From its start to its end.
        resident: The most memory it had resident, in MiB, mapped files and libraries included.
        anonymous: The most that no file backs, in MiB, looked at every 5 ms: what the system cannot put
            away when memory is short. None where it is not told.
        output: Its stdout.
    """

    seconds: float
    resident: float
    anonymous: float | None
    output: str


def measured(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Usage:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        environment: Variables to set besides the present ones.

    Raises:
        RuntimeError: It fails; its stderr is in the message.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=variables(environment))
        watch = Watch(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.stop()
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {err.read()[-2000:]}")
        # Linux counts KiB and macOS bytes.
        resident = usage.ru_maxrss / (1024 if sys.platform.startswith("linux") else 1024**2)
        return Usage(seconds=seconds, resident=resident, anonymous=watch.most, output=out.read())


def variables(further: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process that can import the benchmarks."""
    places = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places)), **(further or {})}


def python(*arguments: str) -> list[str]:
    """A command that runs this interpreter."""
    return [sys.executable, *arguments]


def median_seconds(command: Sequence[str], times: int = 3) -> float:
    """The median time of several runs."""
    return statistics.median(measured(command).seconds for _ in range(times))


class Watch:
    """Looks at a process's anonymous memory until it is told to stop.

    Args:
        pid: The process.

    Attributes:
        most: The most seen, in MiB; None where the system does not tell.
    """

    def __init__(self, pid: int) -> None:
        self.most: float | None = None
        self._path = Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(_EVERY):
            try:
                found = _ANONYMOUS.search(self._path.read_text())
            except OSError:
                return
            if found:
                self.most = max(self.most or 0, int(found.group(1)) / 1024)
