"""The stages of a run up to training, timed; the rest is not run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rowsmith.config import load_config
from rowsmith.plugins import Registry
from rowsmith.runs import stages as pipeline
from rowsmith.runs.reporting import Reporter
from rowsmith.storage.run_directory import RunDirectory


class Reached(Exception):
    """What was to be measured is done."""


class Stages(Reporter):
    """Seconds by stage; ends the run when training begins.

    Args:
        at_training: Called instead of ending the run, when given.
    """

    def __init__(self, at_training: Callable[[], None] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._at_training = at_training

    def stage_started(self, name: str) -> None:
        if name == "training":
            if self._at_training is None:
                raise Reached
            self._at_training()

    def stage_finished(self, name: str, seconds: float, detail: str = "") -> None:
        self.seconds[name] = seconds


def up_to_training(source: Path, stages: Stages, settings: Sequence[str] = ()) -> None:
    """Read a table, transform, tokenize and pack it, as ``rowsmith run`` does.

    Args:
        source: The table.
        stages: Gets the times.
        settings: Settings as ``--set`` takes them.
    """
    values = {"data": {"source": str(source), "holdout": 0}}
    with tempfile.TemporaryDirectory() as folder:
        run = pipeline.Run(
            config=load_config(None, list(settings), values),
            registry=Registry(),
            directory=RunDirectory(Path(folder) / "run"),
            reporter=stages,
        )
        try:
            pipeline.train(run)
        except Reached:
            return


def timed(function: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started
