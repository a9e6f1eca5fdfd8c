"""Processes of the command line that need not import what every run imports, such as torch.

To import it takes longer than a small run. Each test process has one interpreter that imports it, and nothing of
Rowsmith, and forks for each command. A command is a process of its own, with streams, environment, folder and signals
of its own, as if it had been started afresh. What a start imports is tested by ``tests/project``.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import IO, Any

IMPORTED = ("pandas", "pyarrow.parquet", "torch", "transformers.trainer", "transformers.models.llama.modeling_llama")
_LONGEST_REQUEST = 1 << 20


class Command:
    """``python -m rowsmith.cli``, running.

    Args:
        arguments: Those of the command line.
        cwd: Its folder; by default that of this process.
        env: Its environment; by default that of this process.
        stdout: Where its output goes; by default nowhere.
        stderr: Where its messages go; by default nowhere.

    Attributes:
        pid: Number of the process.
        returncode: Its exit code, negative for a signal; None while it is not known to have ended.
    """

    def __init__(
        self,
        arguments: Sequence[object],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdout: IO[Any] | None = None,
        stderr: IO[Any] | None = None,
    ) -> None:
        request = {"arguments": [*map(str, arguments)], "cwd": str(cwd or Path.cwd()), "env": dict(env or os.environ)}
        reader, writer = os.pipe()
        self._status = os.fdopen(reader, "rb", buffering=0)
        with open(os.devnull, "r+b") as nothing:
            streams = [nothing.fileno() if each is None else each.fileno() for each in (stdout, stderr)]
            socket.send_fds(_interpreter(), [json.dumps(request).encode()], [nothing.fileno(), *streams, writer])
        os.close(writer)
        self.returncode: int | None = None
        self.pid = int(self._status.readline())

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float = 600) -> int:
        """Wait for its end; its exit code."""
        if self.returncode is None:
            assert select.select([self._status], [], [], timeout)[0], f"it has not ended in {timeout} s"
            self.returncode = int(self._status.readline())
            self._status.close()
        return self.returncode


def run(
    *arguments: object,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: IO[Any] | None = None,
    stderr: IO[Any] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end.

    Args:
        *arguments: Its arguments.
        cwd: Its folder; by default that of this process.
        env: Its environment; by default that of this process.
        stdout: Where its output goes; by default it is returned.
        stderr: Where its messages go; by default they are returned.

    Returns:
        Exit code, output and messages.
    """
    with ExitStack() as files:
        output, messages = (files.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(2))
        command = Command(arguments, cwd=cwd, env=env, stdout=stdout or output, stderr=stderr or messages)
        code = command.wait()
        for file in (output, messages):
            file.seek(0)
        return subprocess.CompletedProcess([*arguments], code, output.read(), messages.read())


@cache
def _interpreter() -> socket.socket:
    """Requests to the interpreter of this process, which ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST_REQUEST)
    # The folder of this file is no place to import from.
    program = [sys.executable, "-c", f"import runpy; runpy.run_path({__file__!r}, run_name='__main__')"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with theirs:
        interpreter = subprocess.Popen(
            [*program, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**environment, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
    # It ends when nobody is left to send a request.
    atexit.register(interpreter.wait)
    atexit.register(ours.close)
    return ours


def _next_request(requests: socket.socket) -> dict[str, Any]:
    """Wait for requests; each is returned in a process of its own, with its streams."""
    # The forks that wait are not waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, streams, _, _ = socket.recv_fds(requests, _LONGEST_REQUEST, 4)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            break
        for each in streams:
            os.close(each)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    requests.close()
    status = streams.pop()
    child = os.fork()
    if child:
        os.write(status, f"{child}\n".encode())
        for each in streams:
            os.close(each)
        os.write(status, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
        os._exit(0)
    os.close(status)
    for number, each in enumerate(streams):
        os.dup2(each, number)
        os.close(each)
    return dict(json.loads(message))


def _main(requests: int) -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    # A training collects garbage, and need not look at all that is imported.
    gc.freeze()
    request = _next_request(socket.socket(fileno=requests))
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    tempfile.tempdir = None  # as the environment says, and not as it was looked up before
    added = [path for path in request["env"].get("PYTHONPATH", "").split(os.pathsep) if path]
    # As ``python -m`` has it: first the folder it is started in.
    sys.path[:] = [request["cwd"], *added, *(path for path in sys.path if path)]
    sys.argv[1:] = request["arguments"]
    runpy.run_module("rowsmith.cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main(int(sys.argv[-1]))
