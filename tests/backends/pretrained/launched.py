"""Trains as one of the processes that a launcher started, and writes the loss of every step down.

``launched.py CONFIG TABLE RUN CURVE``
"""

from __future__ import annotations

import json
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
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        self.losses: dict[int, float] = {}
        self.held_out: dict[int, float] = {}

    def training(self, progress: TrainingProgress) -> None:
        if progress.loss is not None:
            self.losses[progress.step] = progress.loss
        if progress.validation_loss is not None:
            self.held_out[progress.step] = progress.validation_loss


def main() -> None:
    config, run, curve = (Path(argument) for argument in sys.argv[1:])
    settings, told, ranks = load_config(str(config), []), Curve(), DistributedEnv.current()
    job = Run(config=settings, registry=registry_for(settings), directory=RunDirectory(run), reporter=told, ranks=ranks)
    if not ranks.is_main:
        return follow_job(job)
    train_job(job)
    curve.write_text(json.dumps({"losses": told.losses, "held_out": told.held_out}))
    return None


if __name__ == "__main__":
    main()
