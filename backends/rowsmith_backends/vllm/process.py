"""Client of the vLLM worker process.

Failures of vLLM are detected from outside: a crash closes the connection, a hang leaves it silent. The worker leads a
session, so that an interrupt from the keyboard does not reach it, and all processes that it starts end with it.
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
from rowsmith_backends.vllm.messages import CompletionRows, Job, Setup

__all__ = ["VllmProcess"]

_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.02

# The worker inherits the import paths of this process.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from rowsmith_backends.vllm.worker import main; main()"
)

_ENVIRONMENT = {
    # The worker is a process of its own already.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_NO_USAGE_STATS": "1",
    # Models are local folders at this point.
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class VllmProcess:
    """A vLLM engine in a process of its own.

    Args:
        setup: Start-up parameters.
        log: Log file of the process.
        timeout: Seconds without a message after which the process counts as hung.
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
        self._connection, worker_end = Pipe()
        with worker_end, open(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", _PROGRAM, str(worker_end.fileno()), json.dumps(sys.path)],
                pass_fds=[worker_end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **_ENVIRONMENT, **_threads()},
                start_new_session=True,
            )
        try:
            self._send(("setup", self._setup))
            self._receive(timeout, "did not start")
        except BaseException:
            self.stop()
            raise

    def complete(self, job: Job) -> Iterator[CompletionRows | None]:
        """Complete the prompts of a job.

        Args:
            job: The prompts.

        Yields:
            Completions as they finish, and None if none did for a while; closing the iterator aborts the others.

        Raises:
            GenerationError: The engine died, or hangs.
        """
        self._send(("job", job))
        self._busy = True
        try:
            while (message := self._receive(self._timeout, "failed"))[0] != "done":
                yield message[1]
            self._busy = False
        finally:
            if self._busy and self._connection is not None:
                self._end_job()

    def _end_job(self) -> None:
        try:
            self._send(("end", None))
            while self._receive(self._timeout, "failed")[0] != "done":
                pass
        except BaseException:
            # Late messages of this job must not be taken for those of the next.
            self.stop()
            raise
        self._busy = False

    def _send(self, message: tuple[str, Any]) -> None:
        if self._connection is None:
            raise GenerationError("vLLM is not running: call teardown() and initialize()")
        # A hung process reads nothing, and sending blocks once the buffers are full.
        watchdog = threading.Timer(self._timeout, self._kill)
        watchdog.start()
        try:
            self._connection.send(message)
        except OSError as error:
            is_hung = not watchdog.is_alive()
            raise self._stopped_error(f"failed: {self._no_response(self._timeout)}" if is_hung else "failed") from error
        finally:
            watchdog.cancel()

    def _receive(self, timeout: float, what: str) -> tuple[str, Any]:
        if self._connection is None:
            raise GenerationError("vLLM is not running: call teardown() and initialize()")
        try:
            if not self._connection.poll(timeout):
                raise self._stopped_error(f"{what}: {self._no_response(timeout)}")
            kind, body = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._stopped_error(what) from error
        if kind == "failed":
            raise self._stopped_error(f"{what}: {_short(body)}")
        return kind, body

    @staticmethod
    def _no_response(seconds: float) -> str:
        return f"it gave no sign of life for {seconds:g} s"

    def _kill(self) -> None:
        process = self._process
        # The process id stays valid until the process is waited for.
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    def _stopped_error(self, what: str) -> GenerationError:
        """Stop the process and build the error that reports it."""
        code = self.stop()
        cause = "" if code is None or code >= 0 or ":" in what else f": it was ended by {signal.Signals(-code).name}"
        last_line = "" if cause or ":" in what else _last_line(self._log)
        return GenerationError(f"vLLM {what}{cause}{last_line}. What it said is in {self._log}")

    def stop(self) -> int | None:
        """Stop the process and all its children; no effect if it has stopped.

        Returns:
            The exit code if the process ended by itself, negative for a signal; None otherwise.
        """
        process, connection = self._process, self._connection
        self._connection = None
        self._busy = False
        if connection is not None:
            connection.close()
        if process is None:
            return None
        ended_by_itself = _has_ended(process.pid, _STOP_SECONDS)
        self._kill()
        self._process = None
        code = process.wait()
        return code if ended_by_itself else None


def _has_ended(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _threads() -> dict[str, str]:
    """Environment that sets the number of threads to that of this process."""
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
