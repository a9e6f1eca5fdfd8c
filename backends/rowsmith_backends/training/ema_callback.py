"""Trainer callback: EMA weights, best checkpoint, early stopping and time budget.

A fit ends early if the held-out loss has stopped falling, or if the machine is too slow for the planned steps. In both
cases the learning rate is decayed first (cooldown), because weights after a decay are better than any average of
earlier ones.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attrs import define, field
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

from rowsmith.errors import TrainingError
from rowsmith.model import EarlyStopping, TrainingMoment, TrainingProgress
from rowsmith_backends.training.optimizers import CosineSchedule
from rowsmith_backends.training.plan import FitPlan
from rowsmith_backends.training.process_group import ProcessGroup

__all__ = ["EmaCallback"]

_EMA_DECAY = 0.99
_COOLDOWN_SHARE = 5
_LOSS_TOLERANCE = 1.003
_TIMED_STEPS = 8
"""After this many timed steps the duration of a step is known."""
_FEWEST_TIMED_STEPS = 2
"""The same once half of the time is over."""
_REPLAN_FACTOR = 1.25
"""Steps are planned again if there is time for this many times more."""
_WEIGHTS_FILE = "keeper.safetensors"
_WEIGHT_SETS = ("average", "best")
_STATE_FIELDS = (
    "best_step",
    "best_loss",
    "curve",
    "stop_reason",
    "planned",
    "last",
    "longest",
    "paced_from",
    "loss",
    "parts",
    "every",
)


@define(eq=False)
class EmaCallback(TrainerCallback):
    """Tracks EMA weights and the best of them, and decides when to stop early.

    Attributes:
        model: The model in training.
        plan: Examples and course of the fit.
        schedule: The learning rate schedule, which may be cut short here.
        progress: Called at every report.
        phase: Name of the fit in reports.
        process_group: The processes that train together.
        started: Start of the fit, on the monotonic clock.
        average: The EMA weights.
        best: The EMA weights of the best evaluation so far.
        best_step: The step of the best evaluation.
        best_loss: Its held-out loss, in nats per token.
        curve: Held-out losses by step.
        stop_reason: Why the fit ended.
        planned: Whether the number of steps has been planned from measured steps.
        last: End of the last step, in seconds.
        longest: Duration of the longest step, in seconds.
        paced_from: Seconds and steps at the end of the first step, from where steps are timed; None before.
        loss: The last training loss, in nats per token.
        losses: Losses of the last steps, not checked yet.
        every: Steps between evaluations after the steps were planned again; None before.
        parts: Number of micro-batches of a batch, raised when memory runs out.
        max_steps: Steps planned in the resumed state; None in a new fit.
        early_stopping: Judges the weights in place of the held-out loss; None where the loss decides.
        write: Writes the model, as it is at the moment, to a folder.
    """

    model: Any
    plan: FitPlan
    schedule: CosineSchedule
    progress: Callable[[TrainingProgress], None]
    phase: str
    process_group: ProcessGroup = field(factory=ProcessGroup)
    # Looked up at the start of a fit: a test may have replaced the clock.
    started: float = field(factory=lambda: time.monotonic())
    average: list[torch.Tensor] = field(factory=list)
    best: list[torch.Tensor] = field(factory=list)
    best_step: int = 0
    best_loss: float | None = None
    curve: list[tuple[int, float]] = field(factory=list)
    stop_reason: str = "all steps done"
    planned: bool = False
    last: float = 0.0
    longest: float = 0.0
    paced_from: Sequence[float] | None = None
    loss: float | None = None
    losses: list[torch.Tensor] = field(factory=list)
    every: int | None = None
    parts: int = 1
    max_steps: int | None = None
    early_stopping: EarlyStopping | None = None
    write: Callable[[Path], None] | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set the planned steps, those of the state in a resumed fit."""
        state.max_steps = self.plan.course.total_steps if self.max_steps is None else self.max_steps
        state.eval_steps = self.every or self.plan.course.evaluate_every or state.eval_steps

    def weights(self) -> list[torch.Tensor]:
        """The trained weights, not copied."""
        return [weight.detach() for weight in self.model.parameters() if weight.requires_grad]

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Use the EMA weights inside the block."""
        current = [weight.clone() for weight in self.weights()]
        self._load(self.average)
        try:
            yield
        finally:
            self._load(current)

    def _load(self, source: Sequence[torch.Tensor]) -> None:
        with torch.no_grad():
            torch._foreach_copy_(self.weights(), list(source))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Update the EMA weights, check the time, and have the weights judged where that is due."""
        if not self.average:
            self.average = [weight.clone() for weight in self.weights()]
        decay = min(_EMA_DECAY, (1 + state.global_step) / (10 + state.global_step))
        torch._foreach_lerp_(self.average, self.weights(), 1 - decay)
        if self.plan.course.max_seconds is not None:
            self._check_time(state, control, self.plan.course.max_seconds)
        if self.early_stopping is not None:
            self._judge(self.early_stopping, state, control)

    def _judge(self, early_stopping: EarlyStopping, state: Any, control: Any) -> None:
        """Have the EMA weights judged; they are retained if they are the best, and training may end."""
        moment = TrainingMoment(
            step=state.global_step,
            total_steps=state.max_steps,
            seconds=max(0.0, time.monotonic() - self.started),
            is_last=control.should_training_stop or state.global_step >= state.max_steps,
        )
        if self.write is None or not early_stopping.due(moment):
            return
        self.check(state.global_step)
        with self.averaged():
            decision = early_stopping.decide(moment, self.write)
        if decision is None:
            return
        if decision.best:
            self.best, self.best_step = [weight.clone() for weight in self.average], state.global_step
        if decision.stop is not None and not moment.is_last:
            self.stop_reason, control.should_training_stop = decision.stop, True

    def _check_time(self, state: Any, control: Any, limit: float) -> None:
        """Plan the number of steps from measured ones, and end within the time budget in any case.

        Steps are planned after a tenth of the time or half of the steps: the calibration may be far too low or high if
        the machine stalled. The time before the second step (imports, first shapes) and the longest step are left out
        of the measurement. Steps are planned again at half of them as long as there is time for many more.
        """
        # Never zero, even if the clock was set back.
        elapsed, step = self.process_group.broadcast(max(1e-6, time.monotonic() - self.started)), state.global_step
        if elapsed > limit and step < state.max_steps:
            self.stop_reason = f"the time was up after {step} of {self.schedule.total} steps"
            control.should_training_stop = True
            # The Trainer itself evaluates only after the last planned step.
            control.should_evaluate = self.plan.evaluated
            return
        if self.paced_from is None:
            self.paced_from = (elapsed, step)
        self.longest, self.last = max(self.longest, elapsed - self.last if step > self.paced_from[1] else 0), elapsed
        possible_steps = int((limit - elapsed) / self._step_seconds(elapsed, step))
        timed = step - self.paced_from[1]
        # The first step is mostly one-time setup.
        known = timed >= _TIMED_STEPS or (timed >= _FEWEST_TIMED_STEPS and elapsed > limit / 2)
        half = 2 * step >= state.max_steps
        least_steps = step + 1 + max(0, _FEWEST_TIMED_STEPS - timed)
        total = max(least_steps, min(step + int(0.98 * possible_steps), self.plan.course.most_steps))
        due = (
            (elapsed > limit / 10 and known) or half
            if not self.planned
            else half and total > _REPLAN_FACTOR * state.max_steps
        )
        if due and self.schedule.cooled_at is None:
            self.planned = self.planned or known
            state.max_steps = self.schedule.total = total
            self.every = self.plan.course.every(total)
            state.eval_steps = self.every or state.eval_steps
        last = step + max(1, possible_steps)
        # If the machine slows down further, the cooldown must be shortened.
        if self.planned and last < state.max_steps and possible_steps <= step // _COOLDOWN_SHARE:
            self.schedule.cool_down(step, last - step)
            self.stop_reason = f"the time allowed {last} of {self.schedule.total} steps"
            state.max_steps = last

    def _step_seconds(self, elapsed: float, step: int) -> float:
        """Seconds of a step: the mean after the first step and without the longest; of all if there are few."""
        began, first = self.paced_from or (0.0, 0)
        seconds, steps = elapsed - began, step - first
        if steps >= 2:
            seconds, steps = seconds - self.longest, steps - 1
        return max(1e-6, seconds) / steps if steps else elapsed / max(1, step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Report the loss, and stop at one that is not finite."""
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        self.check(state.global_step)
        self.loss = loss
        self._report(state)

    def check(self, step: int) -> None:
        """Check that losses and weights are finite, before anything is saved.

        Raises:
            TrainingError: A loss since the last check, or a weight, is not finite.
        """
        if self.losses:
            finite = torch.isfinite(torch.stack(self.losses)).tolist()
            if not all(finite):
                bad = finite.index(False)
                raise _not_finite(f"the loss became {float(self.losses[bad])}", step - len(finite) + bad + 1)
            self.losses.clear()
        if not all(bool(torch.isfinite(weight).all()) for weight in (*self.weights(), *self.average)):
            raise _not_finite("weights are no longer finite", step)

    def _report(self, state: Any) -> None:
        self.progress(
            TrainingProgress(
                step=state.global_step,
                total_steps=state.max_steps,
                loss=self.loss,
                validation_loss=self.curve[-1][1] if self.curve else None,
                seconds=max(0.0, time.monotonic() - self.started),
                phase=self.phase,
            )
        )

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any) -> None:
        """Retain the weights if their loss is about the lowest, and stop early if it no longer falls."""
        loss = metrics["eval_loss"]
        if not math.isfinite(loss):
            raise _not_finite(f"the held-out loss became {loss}", state.global_step)
        self.curve.append((state.global_step, loss))
        if self.early_stopping is not None:
            self._report(state)
            return
        lowest = min(value for _, value in self.curve)
        # Within the noise of a held-out set, later weights are better, since their learning rate is lower.
        if loss <= lowest * _LOSS_TOLERANCE:
            self.best_loss, self.best_step = loss, state.global_step
            self.best = [weight.clone() for weight in self.average]
        losses = [value for _, value in self.curve]
        evaluations_without_gain = len(losses) - 1 - int(np.argmin(losses))
        if evaluations_without_gain >= self.plan.course.patience and self.schedule.cooled_at is None:
            self._start_cooldown(state)
        self._report(state)

    def _start_cooldown(self, state: Any) -> None:
        """Start the cooldown: more steps at this learning rate would only overfit."""
        course = self.plan.course
        steps = max(1, state.global_step // _COOLDOWN_SHARE) if course.decayed else 1
        if state.global_step + steps < state.max_steps:
            self.schedule.cool_down(state.global_step, steps)
            self.stop_reason = (
                f"the held-out loss stopped falling by step {state.global_step} of {state.max_steps}, "
                f"so training was ended with {steps} steps of falling rate"
            )
            state.max_steps = state.global_step + steps

    def finish(self, step: int) -> None:
        """Load the final weights into the model: the best, or else the average."""
        if self.best:
            self._load(self.best)
        elif self.average:
            self.best_step = step
            self._load(self.average)

    def state_fields(self, max_steps: int) -> dict[str, Any]:
        """The state without weights, as plain data."""
        return {
            "max_steps": max_steps,
            "seconds": time.monotonic() - self.started,
            "early_stopping": None if self.early_stopping is None else self.early_stopping.state(),
            **{name: getattr(self, name) for name in _STATE_FIELDS},
        }

    def save(self, folder: Path) -> None:
        """Write the EMA weights and the best weights to a folder."""
        save_file(
            {
                f"{weight_set}.{index}": weight
                for weight_set in _WEIGHT_SETS
                for index, weight in enumerate(getattr(self, weight_set))
            },
            folder / _WEIGHTS_FILE,
        )

    def restore(self, folder: Path, state_fields: dict[str, Any]) -> None:
        """Restore the state of ``save`` and ``state_fields``."""
        tensors = load_file(folder / _WEIGHTS_FILE)
        device = self.model.device
        for weight_set in _WEIGHT_SETS:
            count = sum(name.startswith(f"{weight_set}.") for name in tensors)
            setattr(self, weight_set, [tensors[f"{weight_set}.{index}"].to(device) for index in range(count)])
        for name in _STATE_FIELDS:
            # The state of an earlier version may lack a field.
            setattr(self, name, state_fields.get(name, getattr(self, name)))
        self.curve = [(step, loss) for step, loss in self.curve]
        if self.early_stopping is not None:
            self.early_stopping.restore(state_fields["early_stopping"])
        self.max_steps, self.started = state_fields["max_steps"], time.monotonic() - state_fields["seconds"]


def _not_finite(what: str, step: int) -> TrainingError:
    return TrainingError(
        f"{what} at step {step:,}: lower model.options.learning_rate (of the model 'scratch' also "
        "model.options.matrix_learning_rate), or set model.options.dtype to float32."
    )
