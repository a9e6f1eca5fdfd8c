"""Kills a training on a base model at some steps, takes it up each time, and trains without a break beside it.

A process of its own, which forks one for each training, so that libraries are imported once: to import them takes
longer than to train.

    kill_points.py FOLDER PROCESSES STEP...

``FOLDER/config.json`` configures the training. One process trains without a break into ``FOLDER/whole``; so many
processes train together into ``FOLDER/broken``. What they say is in ``whole.log`` and ``broken.log``.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

# The tests are installed nowhere; the folder of a program is where it imports from.
import launched
import torch
from benchmarks.kills import exit_code, import_like, started


def logged(log: Path, environment: dict[str, str], work: Callable[[], None]) -> Callable[[], None]:
    """The same with an environment of its own, and with what it says in a file."""

    def done() -> None:
        os.environ.update(environment)
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
        work()

    return done


def launch(processes: int, log: Path, work: Callable[[], None]) -> list[int]:
    """Start processes that train together, with what a launcher tells them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    sizes = {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes), **place} if processes > 1 else {}
    return [
        started(logged(log, {"RANK": str(rank), "LOCAL_RANK": str(rank), **sizes} if sizes else {}, work))
        for rank in range(processes)
    ]


def main(folder: Path, processes: int, steps: list[int]) -> None:
    """Train without a break, then with all the breaks."""
    torch.set_num_threads(1)
    config, whole, broken = folder / "config.json", folder / "whole", folder / "broken"
    unbroken = logged(folder / "whole.log", {}, partial(launched.work, config, whole))
    assert import_like(unbroken, folder / "imported") == 0
    for number, step in enumerate(steps):
        work = partial(launched.work, config, broken, resume=number > 0, killed_after=step)
        first, *others = launch(processes, folder / "broken.log", work)
        assert exit_code(first) == -signal.SIGKILL
        for child in others:
            os.kill(child, signal.SIGKILL)
            exit_code(child)
    ended = launch(processes, folder / "broken.log", partial(launched.work, config, broken, resume=True))
    assert {exit_code(child) for child in ended} == {0}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), [int(step) for step in sys.argv[3:]])
