"""State of a training of several fits, saved with the checkpoint of the current fit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from attrs import asdict, define, field

from rowsmith.errors import TrainingError
from rowsmith.model import TrainingJob
from rowsmith.model.checkpoints import Checkpoint
from rowsmith_backends.training.plan import Course
from rowsmith_backends.training.process_group import ProcessGroup

__all__ = ["TrainingState"]


@define(eq=False)
class TrainingState:
    """State that spans all fits of a training.

    Attributes:
        job: The training job.
        bf16: Whether bfloat16 was chosen; None before the choice.
        calibration: Other choices before the first step, as plain data.
        curves: Held-out losses of finished folds.
        resumed: The checkpoint to resume from; None in a new training.
        started: Start of the training on the monotonic clock, without pauses.
        process_group: The processes that train together.
        base: Digest of the base model; None for random weights.
    """

    job: TrainingJob
    bf16: bool | None = None
    calibration: dict[str, Any] = field(factory=dict)
    curves: list[list[float]] = field(factory=list)
    resumed: Checkpoint | None = None
    # Looked up at the start of a training: a test may have replaced the clock.
    started: float = field(factory=lambda: time.monotonic())
    process_group: ProcessGroup = field(factory=ProcessGroup)
    base: str | None = None

    @classmethod
    def of(cls, job: TrainingJob, base: str | None = None) -> TrainingState:
        """The state of a job: that of its newest checkpoint, or a new one.

        Args:
            job: The training job.
            base: Digest of the base model; None for random weights.

        Raises:
            TrainingError: The resumed training began with another base model.
        """
        process_group = ProcessGroup.init(job.ranks)
        # The first process saves checkpoints; the others read them.
        checkpoint = process_group.broadcast(None if job.checkpoints is None else job.checkpoints.latest())
        if checkpoint is None:
            return cls(job, process_group=process_group, base=base)
        state = checkpoint.state
        if state.get("base") != base:
            raise TrainingError(
                "the base model is no longer the one that this training began with: restore it (of a model of the hub, "
                "name the commit as model.options.revision), or start again with --force."
            )
        job.note(f"training goes on from {_position(state)}")
        if state["threads"] != torch.get_num_threads():
            job.note(
                f"this training began with {state['threads']} threads and goes on with {torch.get_num_threads()}, "
                "so its weights may differ in the last digits from those of a run without a break"
            )
        if state.get("processes", 1) != job.ranks.count:
            job.note(
                f"this training began with {state.get('processes', 1)} processes and goes on with {job.ranks.count}: "
                "its weights will not be those of a run without a break"
            )
        return cls(
            job,
            bf16=state["bf16"],
            calibration=dict(state.get("calibration", {})),
            curves=state["curves"],
            resumed=checkpoint,
            started=time.monotonic() - state["seconds"],
            process_group=process_group,
            base=base,
        )

    @property
    def seconds(self) -> float:
        """Seconds since the training began, without pauses."""
        return max(0.0, time.monotonic() - self.started)

    def resumed_in(self, phase: str) -> Checkpoint | None:
        """The checkpoint to resume from, if it was saved in this phase."""
        return self.resumed if self.resumed is not None and self.resumed.state["phase"] == phase else None

    def course(self) -> Course | None:
        """The course of the final fit, if it has started already."""
        checkpoint = self.resumed_in("")
        return None if checkpoint is None else Course(**checkpoint.state["course"])

    def plain(self, phase: str, course: Course) -> dict[str, Any]:
        """The state as plain data.

        Args:
            phase: Name of the current fit.
            course: Length of the current fit.
        """
        return {
            "phase": phase,
            "course": asdict(course),
            "bf16": self.bf16,
            "calibration": self.calibration,
            "curves": self.curves,
            "seconds": self.seconds,
            "threads": torch.get_num_threads(),
            "processes": self.job.ranks.count,
            "base": self.base,
        }


def _position(state: Mapping[str, Any]) -> str:
    fold = f" of {state['phase']}" if state["phase"] else ""
    return f"step {state['step']:,}{fold}"
