"""Trains as one of the processes that a launcher started, and writes the loss of every step down.

    launched.py CONFIG RUN

The losses go to ``RUN.curve``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from rowsmith.config import load_config
from rowsmith.model import TrainingProgress
from rowsmith.model.distributed import DistributedEnv
from rowsmith.runs.jobs import follow_job, train_job
from rowsmith.runs.reporting import Reporter
from rowsmith.runs.stages import Run
from rowsmith.runs.validation import registry_for
from rowsmith.storage.run_directory import RunDirectory


class Curve(Reporter):
    """Keeps the loss of every step, and passes on what is worth knowing."""

    def __init__(self, killed_after: int | None) -> None:
        self.killed_after = killed_after
        self.losses: dict[int, float] = {}
        self.held_out: dict[int, float] = {}

    def training(self, progress: TrainingProgress) -> None:
        if self.killed_after is not None and progress.step > self.killed_after:
            os.kill(os.getpid(), signal.SIGKILL)
        if progress.loss is not None:
            self.losses[progress.step] = progress.loss
        if progress.validation_loss is not None:
            self.held_out[progress.step] = progress.validation_loss

    def note(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)


def work(config: Path, run: Path, *, resume: bool = False, killed_after: int | None = None) -> None:
    """Train, or take a training up, as the process that the environment says.

    Args:
        config: The configuration.
        run: The run directory.
        resume: Whether a training that is there is taken up.
        killed_after: The step whose state is the last to be saved before this process is killed; None to go on.
    """
    settings, curve, ranks = load_config(str(config), []), Curve(killed_after), DistributedEnv.current()
    job = Run(
        config=settings,
        registry=registry_for(settings),
        directory=RunDirectory(run),
        reporter=curve,
        ranks=ranks,
        resume=resume,
    )
    if not ranks.is_main:
        return follow_job(job)
    train_job(job)
    run.with_suffix(".curve").write_text(json.dumps({"losses": curve.losses, "held_out": curve.held_out}))
    return None


if __name__ == "__main__":
    work(*(Path(argument) for argument in sys.argv[1:]))
