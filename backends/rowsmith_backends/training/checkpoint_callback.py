"""Saves the state of a fit from time to time, and when the run is asked to end."""

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
from rowsmith_backends.training.ema_callback import Keeper
from rowsmith_backends.training.plan import Course
from rowsmith_backends.training.state import TrainingState

__all__ = ["FitSaver"]

# Saving takes no more than this share of the time.
_SHARE = 0.02
_ARGUMENTS = "training_args.bin"


@define(eq=False)
class FitSaver(TrainerCallback):
    """Decides when the state of a fit is saved, and saves it.

    Attributes:
        training: The training that the fit is part of.
        keeper: Holds the state that the Trainer does not know of.
        course: How long the fit goes on.
        phase: Which fit it is.
        saved: When the last state was saved, on the monotonic clock.
        wait: Seconds until the next one.
        stopped: Whether the fit was ended because the run was asked to end.
        failing: Whether the last state could not be saved.
    """

    training: TrainingState
    keeper: Keeper
    course: Course
    phase: str
    saved: float = 0.0
    wait: float = 0.0
    stopped: bool = False
    failing: bool = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin to count the time."""
        checkpoints = self.training.job.checkpoints
        self.saved, self.wait = time.monotonic(), 0.0 if checkpoints is None else checkpoints.every

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Have the state saved if it is time, or if the run is asked to end."""
        if control.should_training_stop:
            return
        due = self.training.job.checkpoints is not None and not 0 <= time.monotonic() - self.saved < self.wait
        asked, due = self.training.process_group.broadcast((self.training.job.stop.requested, due))
        if asked:
            self.stopped = control.should_training_stop = True
        control.should_save = self.training.job.checkpoints is not None and (due or asked)

    def save(self, step: int, max_steps: int, write: Callable[[Path], None]) -> None:
        """Save a state.

        A disk that is full, or a folder that may no longer be written to, does not end the training: the
        newest state before is as it was.

        Args:
            step: Steps done.
            max_steps: Steps planned.
            write: Writes the Trainer's files to a folder.

        Raises:
            TrainingError: Weights or losses are not finite; nothing is saved then.
        """
        self.keeper.check(step)
        checkpoints, began = self.training.job.checkpoints, time.monotonic()
        assert checkpoints is not None
        if self.training.job.ranks.leads:
            self._save(checkpoints, step, max_steps, write)
        else:
            self._help(self.training.process_group.broadcast(None), write)
        self.saved = time.monotonic()
        self.wait = max(checkpoints.every, (self.saved - began) / _SHARE) if checkpoints.every else 0.0

    def _save(self, checkpoints: Checkpoints, step: int, max_steps: int, write: Callable[[Path], None]) -> None:
        process_group, announced = self.training.process_group, False
        try:
            # Both are what libraries make of a file that cannot be written.
            with checkpoints.writing(self._plain(step, max_steps), SafetensorError, RuntimeError) as folder:
                announced = bool(process_group.broadcast(folder))
                self._help(folder, write)
                # Not needed to go on, and a pickle.
                (folder / f"{PREFIX_CHECKPOINT_DIR}-{step}" / _ARGUMENTS).unlink(missing_ok=True)
                self.keeper.save(folder)
        except RunDirectoryError as error:
            if not announced:
                process_group.broadcast(None)
            # Once, and not at every try.
            if not self.failing:
                self.training.job.note(
                    f"the state of the training could not be saved. Training goes on, and tries again. {error}"
                )
            self.failing = True
        else:
            if self.failing:
                self.training.job.note("states of the training are saved again")
            self.failing = False

    def _help(self, folder: Path | None, write: Callable[[Path], None]) -> None:
        """Write this process's share of a state; the others write theirs at the same time."""
        if folder is not None:
            try:
                write(folder)
            finally:
                self.training.process_group.barrier()

    def _plain(self, step: int, max_steps: int) -> Mapping[str, Any]:
        around = self.training.plain(self.phase, self.course)
        return {**around, "step": step, "keeper": self.keeper.plain(max_steps)}

    def trainer_state(self, resumed: Checkpoint) -> str:
        """Where the Trainer finds its own files in a state, which the keeper takes up."""
        self.keeper.restore(resumed.directory, resumed.state["keeper"])
        return str(resumed.directory / f"{PREFIX_CHECKPOINT_DIR}-{resumed.state['step']}")

    def end(self, step: int, max_steps: int) -> None:
        """End the run if it was asked to end.

        Raises:
            Interrupted: It was.
        """
        if self.stopped:
            fold = f" of {self.phase}" if self.phase else ""
            raise Interrupted(f"training was stopped after step {step:,} of {max_steps:,}{fold}")
