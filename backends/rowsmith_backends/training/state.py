"""How far a training of several fits has come, saved with the state of the fit that runs."""

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
    """What outlasts a single fit.

    Attributes:
        job: What is trained.
        bf16: The precision that was chosen; None before.
        calibration: What else was chosen before the first step, as plain data.
        curves: Held-out losses of the folds that are done.
        resumed: The state that is taken up; None in a training that begins.
        started: When the training began, on the monotonic clock, pauses left out.
        process_group: The processes that train together.
        base: The digest of the model that training begins with; None for random weights.
    """

    job: TrainingJob
    bf16: bool | None = None
    calibration: dict[str, Any] = field(factory=dict)
    curves: list[list[float]] = field(factory=list)
    resumed: Checkpoint | None = None
    # Looked up when it begins: a test may have put another clock in its place.
    started: float = field(factory=lambda: time.monotonic())
    process_group: ProcessGroup = field(factory=ProcessGroup)
    base: str | None = None

    @classmethod
    def of(cls, job: TrainingJob, base: str | None = None) -> TrainingState:
        """The state of a job: that of its newest checkpoint, if it has one.

        Args:
            job: What is trained.
            base: The digest of the model that it begins with; None for random weights.

        Raises:
            TrainingError: The training that is taken up began with another model.
        """
        process_group = ProcessGroup.init(job.ranks)
        # Other processes read the first one's states, and leave the saving to it.
        found = process_group.broadcast(None if job.checkpoints is None else job.checkpoints.latest())
        if found is None:
            return cls(job, process_group=process_group, base=base)
        state = found.state
        if state.get("base") != base:
            raise TrainingError(
                "the base model is no longer the one that this training began with: restore it (of a model of the hub, "
                "name the commit as model.options.revision), or start anew with --force."
            )
        job.note(f"training goes on from {_where(state)}")
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
            resumed=found,
            started=time.monotonic() - state["seconds"],
            process_group=process_group,
            base=base,
        )

    @property
    def seconds(self) -> float:
        """Time since the training began, pauses left out."""
        return max(0.0, time.monotonic() - self.started)

    def resumed_in(self, phase: str) -> Checkpoint | None:
        """The state that is taken up, if it was saved in that phase."""
        return self.resumed if self.resumed is not None and self.resumed.state["phase"] == phase else None

    def course(self) -> Course | None:
        """The course of the last fit, if that is under way already."""
        found = self.resumed_in("")
        return None if found is None else Course(**found.state["course"])

    def plain(self, phase: str, course: Course) -> dict[str, Any]:
        """The state as plain data.

        Args:
            phase: The fit that runs.
            course: How long it goes on.
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


def _where(state: Mapping[str, Any]) -> str:
    fold = f" of {state['phase']}" if state["phase"] else ""
    return f"step {state['step']:,}{fold}"
