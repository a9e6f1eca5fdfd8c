"""Trainer callback that saves checkpoints of a fit, at intervals and when the run is interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import define
from safetensors import SafetensorError
from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from rowsmith.errors import RunDirectoryError
from rowsmith.interruption import Interrupted
from rowsmith.model.checkpoints import Checkpoint, Checkpoints
from rowsmith_backends.training.ema_callback import EmaCallback
from rowsmith_backends.training.plan import Course
from rowsmith_backends.training.state import TrainingState

__all__ = ["CheckpointCallback"]

# Saving takes no more than this share of the time.
_MAX_TIME_SHARE = 0.02
_ARGUMENTS = "training_args.bin"


@define(eq=False)
class CheckpointCallback(TrainerCallback):
    """Decides when the state of a fit is saved, and saves it.

    Attributes:
        training: The training that the fit is part of.
        ema_callback: The EMA callback, whose state the Trainer does not save.
        course: Length of the fit.
        phase: Name of the fit.
        last_saved: Time of the last checkpoint, on the monotonic clock.
        interval: Seconds between checkpoints.
        stopped: Whether the fit was stopped by an interruption of the run.
        is_failing: Whether the last state could not be saved.
    """

    training: TrainingState
    ema_callback: EmaCallback
    course: Course
    phase: str
    last_saved: float = 0.0
    interval: float = 0.0
    stopped: bool = False
    is_failing: bool = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the interval."""
        checkpoints = self.training.job.checkpoints
        self.last_saved, self.interval = time.monotonic(), 0.0 if checkpoints is None else checkpoints.every

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Request a checkpoint if one is due or the run is interrupted."""
        if control.should_training_stop:
            return
        due = self.training.job.checkpoints is not None and not 0 <= time.monotonic() - self.last_saved < self.interval
        interrupted, due = self.training.process_group.broadcast((self.training.job.stop.requested, due))
        if interrupted:
            self.stopped = control.should_training_stop = True
        control.should_save = self.training.job.checkpoints is not None and (due or interrupted)

    def save(self, step: int, max_steps: int, write: Callable[[Path], None]) -> None:
        """Save a checkpoint.

        A full disk or a read-only folder does not end the training: the checkpoint before stays intact.

        Args:
            step: Steps done.
            max_steps: Steps planned.
            write: Writes the Trainer's files to a folder.

        Raises:
            TrainingError: Weights or losses are not finite; nothing is saved then.
        """
        self.ema_callback.check(step)
        checkpoints, began = self.training.job.checkpoints, time.monotonic()
        assert checkpoints is not None
        if self.training.job.ranks.is_main:
            self._save(checkpoints, step, max_steps, write)
        else:
            self._write_share(self.training.process_group.broadcast(None), write)
        self.last_saved = time.monotonic()
        self.interval = (
            max(checkpoints.every, (self.last_saved - began) / _MAX_TIME_SHARE) if checkpoints.every else 0.0
        )

    def _save(self, checkpoints: Checkpoints, step: int, max_steps: int, write: Callable[[Path], None]) -> None:
        process_group, announced = self.training.process_group, False
        try:
            # Libraries raise either for a file that cannot be written.
            with checkpoints.writing(self._state(step, max_steps), SafetensorError, RuntimeError) as folder:
                announced = bool(process_group.broadcast(folder))
                self._write_share(folder, write)
                # A pickle, and not needed to resume.
                (folder / f"{PREFIX_CHECKPOINT_DIR}-{step}" / _ARGUMENTS).unlink(missing_ok=True)
                self.ema_callback.save(folder)
        except RunDirectoryError as error:
            if not announced:
                process_group.broadcast(None)
            # Reported once, not at every attempt.
            if not self.is_failing:
                self.training.job.note(
                    f"the state of the training could not be saved. Training goes on, and tries again. {error}"
                )
            self.is_failing = True
        else:
            if self.is_failing:
                self.training.job.note("states of the training are saved again")
            self.is_failing = False

    def _write_share(self, folder: Path | None, write: Callable[[Path], None]) -> None:
        """Write this process's share of a state; the others write theirs at the same time."""
        if folder is not None:
            try:
                write(folder)
            finally:
                self.training.process_group.barrier()

    def _state(self, step: int, max_steps: int) -> Mapping[str, Any]:
        training_state = self.training.plain(self.phase, self.course)
        return {**training_state, "step": step, "keeper": self.ema_callback.state_fields(max_steps)}

    def trainer_state(self, resumed: Checkpoint) -> str:
        """Restore the EMA callback; returns the folder of the Trainer's own files in a checkpoint."""
        self.ema_callback.restore(resumed.directory, resumed.state["keeper"])
        return str(resumed.directory / f"{PREFIX_CHECKPOINT_DIR}-{resumed.state['step']}")

    def end(self, step: int, max_steps: int) -> None:
        """End the run if it was interrupted.

        Raises:
            Interrupted: The run was asked to end.
        """
        if self.stopped:
            fold = f" of {self.phase}" if self.phase else ""
            raise Interrupted(f"training was stopped after step {step:,} of {max_steps:,}{fold}")
