"""vLLM in a process of its own, seen from the one that asks it.

Whatever becomes of vLLM is noticed from outside: an end of the process by the connection that breaks off, a hang by a
connection on which nothing comes. Its process leads a session, so that an interrupt from the keyboard does not reach
it, and all processes that it starts end with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rowsmith.errors import GenerationError
from rowsmith_backends.vllm.messages import Job, Rows, Setup

__all__ = ["VllmProcess"]

_STOP_SECONDS = 5.0
_LOOK_SECONDS = 0.02

# The paths of this process are those of the new one, wherever they come from.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from rowsmith_backends.vllm.worker import main; main()"
)

_ENVIRONMENT = {
    # The process is one already.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_NO_USAGE_STATS": "1",
    # Models are folders by now.
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class VllmProcess:
    """A vLLM engine in a process of its own.

    Args:
        setup: What it is started with.
        log: Where it writes what it has to say.
        timeout: Seconds without a sign of life after which it is given up.
    """

    def __init__(self, setup: Setup, log: Path, timeout: float) -> None:
        self._setup = setup
        self._log = log
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._busy = False

    def start(self, timeout: float) -> None:
        """Start the process and wait until the model is loaded.

        Args:
            timeout: Seconds that this may take.

        Raises:
            GenerationError: vLLM did not start.
        """
        self._connection, other = Pipe()
        with other, open(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", _PROGRAM, str(other.fileno()), json.dumps(sys.path)],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **_ENVIRONMENT, **_threads()},
                start_new_session=True,
            )
        try:
            self._send(("setup", self._setup))
            self._received(timeout, "did not start")
        except BaseException:
            self.stop()
            raise

    def complete(self, job: Job) -> Iterator[Rows | None]:
        """Complete the prompts of a job.

        Args:
            job: The prompts.

        Yields:
            Completions as they finish, and None when none did for a while; closing the iterator gives the others up.

        Raises:
            GenerationError: The engine died, or hangs.
        """
        self._send(("job", job))
        self._busy = True
        try:
            while (found := self._received(self._timeout, "failed"))[0] != "done":
                yield found[1]
            self._busy = False
        finally:
            if self._busy and self._connection is not None:
                self._end_job()

    def _end_job(self) -> None:
        try:
            self._send(("end", None))
            while self._received(self._timeout, "failed")[0] != "done":
                pass
        except BaseException:
            # What it may still say about this job must not be taken for answers to the next.
            self.stop()
            raise
        self._busy = False

    def _send(self, message: tuple[str, Any]) -> None:
        if self._connection is None:
            raise GenerationError("vLLM is not running: call teardown() and initialize()")
        # A process that hangs reads nothing either, and what is sent has to go somewhere.
        silence = threading.Timer(self._timeout, self._kill)
        silence.start()
        try:
            self._connection.send(message)
        except OSError as error:
            hung = not silence.is_alive()
            raise self._ended(f"failed: {self._silent(self._timeout)}" if hung else "failed") from error
        finally:
            silence.cancel()

    def _received(self, timeout: float, what: str) -> tuple[str, Any]:
        if self._connection is None:
            raise GenerationError("vLLM is not running: call teardown() and initialize()")
        try:
            if not self._connection.poll(timeout):
                raise self._ended(f"{what}: {self._silent(timeout)}")
            kind, body = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._ended(what) from error
        if kind == "failed":
            raise self._ended(f"{what}: {_short(body)}")
        return kind, body

    @staticmethod
    def _silent(seconds: float) -> str:
        return f"it gave no sign of life for {seconds:g} s"

    def _kill(self) -> None:
        process = self._process
        # The process is there until it is waited for, and with it its number.
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    def _ended(self, what: str) -> GenerationError:
        """End the process; the error that tells of it."""
        code = self.stop()
        by = "" if code is None or code >= 0 or ":" in what else f": it was ended by {signal.Signals(-code).name}"
        last = "" if by or ":" in what else _last_line(self._log)
        return GenerationError(f"vLLM {what}{by}{last}. What it said is in {self._log}")

    def stop(self) -> int | None:
        """End the process and all that it has started; does nothing when it has ended.

        Returns:
            What the process ended with, if it did so by itself: a signal below zero; None otherwise.
        """
        process, connection = self._process, self._connection
        self._connection = None
        self._busy = False
        if connection is not None:
            connection.close()
        if process is None:
            return None
        alone = _has_ended(process.pid, _STOP_SECONDS)
        self._kill()
        self._process = None
        code = process.wait()
        return code if alone else None


def _has_ended(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _threads() -> dict[str, str]:
    """As many threads as this process was told to take."""
    torch = sys.modules.get("torch")
    return {} if torch is None else {"OMP_NUM_THREADS": str(torch.get_num_threads())}


def _short(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[:3])[:400].rstrip(".")


def _last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f": {_short(lines[-1])}" if lines else ""
    return ""
