"""Trainings that can be broken off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from rowsmith.config import TrainingConfig
from rowsmith.interruption import StopRequest
from rowsmith.model import EarlyStopping, TrainingJob, TrainingProgress, TrainingReport
from rowsmith.model.checkpoints import CHECKPOINT_FOLDER, Checkpoints
from rowsmith.randomness.seeds import Seeds
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.table.schema import TableSchema
from rowsmith_backends.scratch.model import ScratchModel

from .scratch_training import OPTIONS, examples, number_table


class Killed(Exception):
    """Stands for a process that ends."""


class Training:
    """A training that can be broken off.

    Args:
        root: Where it is kept.
        rows: Rows of the table.
        validation: Examples held out; 0 has it cross-validated.
        every: Seconds between saved states.
        table: Makes the table.
        stopping: Makes what judges the weights; None for the held-out loss.
        training: The budget.
    """

    def __init__(
        self,
        root: Path,
        *,
        rows: int = 200,
        validation: int = 40,
        every: float = 0,
        table: Callable[[int], tuple[pa.Table, TableSchema]] = number_table,
        stopping: Callable[[], EarlyStopping] | None = None,
        **training: float,
    ) -> None:
        self.stopping = stopping
        self.root, self.validation, self.every, self.training = root, validation, every, training
        self.model = ScratchModel(OPTIONS)
        self.prepared = self.model.prepare(*table(rows))
        self.notes: list[str] = []
        self.seen: list[tuple[str, int]] = []

    def run(self, *, kill: tuple[str, int] | None = None, stop: tuple[str, int] | None = None) -> TrainingReport:
        """Train, up to a phase and step where it is killed or asked to stop."""
        request = StopRequest(requested=stop is not None and stop[1] == 0)

        def progress(where: TrainingProgress) -> None:
            here = (where.phase, where.step)
            self.seen.append(here)
            assert np.isfinite(where.seconds) and where.seconds >= 0
            assert where.seconds_left is None or np.isfinite(where.seconds_left)
            if here == kill:
                raise Killed
            if stop is not None and where.phase == stop[0] and where.step >= stop[1]:
                request.ask()

        job = TrainingJob(
            examples=examples(self.prepared, self.validation),
            training=TrainingConfig(**self.training),
            seeds=Seeds(0),
            directory=self.root / "model",
            progress=progress,
            note=self.notes.append,
            checkpoints=Checkpoints(RunDirectory(self.root), every=self.every, resume=True, note=self.notes.append),
            stop=request,
            early_stopping=None if self.stopping is None else self.stopping(),
        )
        return self.model.train(self.prepared, job)

    @property
    def weights(self) -> bytes:
        return (self.root / "model" / "model.safetensors").read_bytes()

    @property
    def states(self) -> list[Path]:
        return sorted((self.root / CHECKPOINT_FOLDER).iterdir())
