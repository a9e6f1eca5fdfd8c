"""What hangs on the Trainer during a fit: averaged weights, the best of them, and when to end.

A fit ends early in two ways, and in both the learning rate is taken down first, because weights of a
falling rate are better than any average of earlier ones: when the held-out loss has stopped falling,
and when the machine turns out too slow for the steps that were planned.
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
from rowsmith.model import TrainingProgress
from rowsmith_backends.training.optimizers import CosineSchedule
from rowsmith_backends.training.plan import FitPlan
from rowsmith_backends.training.process_group import ProcessGroup

__all__ = ["Keeper"]

_EMA_DECAY = 0.99
_COOLING_SHARE = 5
_AS_GOOD = 1.003
_KNOWN_STEPS = 8
"""After so many steps it is known what one takes."""
_PACED_STEPS = 2
"""So many have to do where half of the time is over."""
_MORE = 1.25
"""How many times more steps there must be time for to plan once more."""
_FILE = "keeper.safetensors"
_KINDS = ("average", "best")
_PLAIN = (
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
class Keeper(TrainerCallback):
    """Averages weights, keeps the best, and decides when to end early.

    Attributes:
        model: The model in training.
        plan: What it is fitted on, and for how long.
        schedule: Its learning rate, which is taken down here.
        progress: Called at every report.
        phase: What is being fitted, for reports.
        process_group: The processes that train together.
        started: When the fit began, on the monotonic clock.
        average: The averaged weights.
        best: The averaged weights to keep, once there was an evaluation.
        best_step: The step they are of.
        best_loss: Their held-out loss, in nats per token.
        curve: Held-out losses by step.
        stop_reason: Why the fit ended.
        planned: Whether the steps have been counted from real ones.
        last: When the last step ended, in seconds.
        longest: What the longest step took, in seconds.
        paced_from: Seconds and steps at the end of the first step, from where on steps are timed; None before.
        loss: The last training loss, in nats per token.
        losses: The losses of the last steps, not looked at yet.
        every: Steps between evaluations, once they were planned anew; None before.
        parts: In how many parts a batch is computed, for want of memory.
        max_steps: The steps planned when the state that is taken up was saved; None at a beginning.
    """

    model: Any
    plan: FitPlan
    schedule: CosineSchedule
    progress: Callable[[TrainingProgress], None]
    phase: str
    process_group: ProcessGroup = field(factory=ProcessGroup)
    # Looked up when it begins: a test may have put another clock in its place.
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

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Plan as many steps as were planned before."""
        state.max_steps = self.plan.course.total_steps if self.max_steps is None else self.max_steps
        state.eval_steps = self.every or self.plan.course.evaluate_every or state.eval_steps

    def weights(self) -> list[torch.Tensor]:
        """The weights that are trained, not copied."""
        return [weight.detach() for weight in self.model.parameters() if weight.requires_grad]

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """The model holds the averaged weights inside the block."""
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
        """Take the step into the average, and look at the clock."""
        if not self.average:
            self.average = [weight.clone() for weight in self.weights()]
        decay = min(_EMA_DECAY, (1 + state.global_step) / (10 + state.global_step))
        torch._foreach_lerp_(self.average, self.weights(), 1 - decay)
        if self.plan.course.max_seconds is not None:
            self._keep_time(state, control, self.plan.course.max_seconds)

    def _keep_time(self, state: Any, control: Any, limit: float) -> None:
        """Count on from real steps, and end in time in any case.

        That is done once a tenth of the time is over, or half of the steps are: those that were planned may be far
        too few where the machine stood still while a step was measured. What comes before the second step (imports,
        first shapes) and the longest step are left out of the count. It is done again at half of the steps as long as
        there is time for far more.
        """
        # A clock that was set back must not divide by nothing.
        elapsed, step = self.process_group.broadcast(max(1e-6, time.monotonic() - self.started)), state.global_step
        if elapsed > limit and step < state.max_steps:
            self.stop_reason = f"the time was up after {step} of {self.schedule.total} steps"
            control.should_training_stop = True
            # The Trainer does so by itself only after the last step that was planned.
            control.should_evaluate = self.plan.evaluated
            return
        if self.paced_from is None:
            self.paced_from = (elapsed, step)
        self.longest, self.last = max(self.longest, elapsed - self.last if step > self.paced_from[1] else 0), elapsed
        possible = int((limit - elapsed) / self._step_seconds(elapsed, step))
        paced = step - self.paced_from[1]
        # The first step tells nothing: what it took is mostly what was set up for it.
        known = paced >= _KNOWN_STEPS or (paced >= _PACED_STEPS and elapsed > limit / 2)
        half = 2 * step >= state.max_steps
        least = step + 1 + max(0, _PACED_STEPS - paced)
        total = max(least, min(step + int(0.98 * possible), self.plan.course.most_steps))
        due = (elapsed > limit / 10 and known) or half if not self.planned else half and total > _MORE * state.max_steps
        if due and self.schedule.cooled_at is None:
            self.planned = self.planned or known
            state.max_steps = self.schedule.total = total
            self.every = self.plan.course.every(total)
            state.eval_steps = self.every or state.eval_steps
        last = step + max(1, possible)
        # A machine may slow down further, so that the rate has to fall in fewer steps than it began to.
        if self.planned and last < state.max_steps and possible <= step // _COOLING_SHARE:
            self.schedule.cool_down(step, last - step)
            self.stop_reason = f"the time allowed {last} of {self.schedule.total} steps"
            state.max_steps = last

    def _step_seconds(self, elapsed: float, step: int) -> float:
        """What a step takes: the mean of those after the first, without the longest; of all where there are few."""
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
        self._tell(state)

    def check(self, step: int) -> None:
        """Stop at numbers that are not finite, before anything of them is kept.

        Raises:
            TrainingError: A loss since the last look, or a weight, is not finite.
        """
        if self.losses:
            finite = torch.isfinite(torch.stack(self.losses)).tolist()
            if not all(finite):
                bad = finite.index(False)
                raise _not_finite(f"the loss became {float(self.losses[bad])}", step - len(finite) + bad + 1)
            self.losses.clear()
        if not all(bool(torch.isfinite(weight).all()) for weight in (*self.weights(), *self.average)):
            raise _not_finite("weights are no longer finite", step)

    def _tell(self, state: Any) -> None:
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
        """Keep the weights if they are as good as any, and end soon if none got better for a while."""
        loss = metrics["eval_loss"]
        if not math.isfinite(loss):
            raise _not_finite(f"the held-out loss became {loss}", state.global_step)
        self.curve.append((state.global_step, loss))
        lowest = min(value for _, value in self.curve)
        # Within the noise of a held-out set, later weights are better ones: their learning rate is lower.
        if loss <= lowest * _AS_GOOD:
            self.best_loss, self.best_step = loss, state.global_step
            self.best = [weight.clone() for weight in self.average]
        losses = [value for _, value in self.curve]
        waited = len(losses) - 1 - int(np.argmin(losses))
        if waited >= self.plan.course.patience and self.schedule.cooled_at is None:
            self._finish_soon(state)
        self._tell(state)

    def _finish_soon(self, state: Any) -> None:
        """Take the learning rate down from here: more steps at this rate would only learn rows by heart."""
        course = self.plan.course
        steps = max(1, state.global_step // _COOLING_SHARE) if course.decayed else 1
        if state.global_step + steps < state.max_steps:
            self.schedule.cool_down(state.global_step, steps)
            self.stop_reason = (
                f"the held-out loss stopped falling by step {state.global_step} of {state.max_steps}, "
                f"so training was ended with {steps} steps of falling rate"
            )
            state.max_steps = state.global_step + steps

    def finish(self, step: int) -> None:
        """Leave the model with the weights to keep."""
        if self.best:
            self._load(self.best)
        elif self.average:
            self.best_step = step
            self._load(self.average)

    def plain(self, max_steps: int) -> dict[str, Any]:
        """The state but for the weights, as plain data."""
        return {
            "max_steps": max_steps,
            "seconds": time.monotonic() - self.started,
            **{name: getattr(self, name) for name in _PLAIN},
        }

    def save(self, folder: Path) -> None:
        """Write the averaged and the best weights to a folder."""
        save_file(
            {f"{kind}.{place}": weight for kind in _KINDS for place, weight in enumerate(getattr(self, kind))},
            folder / _FILE,
        )

    def restore(self, folder: Path, plain: dict[str, Any]) -> None:
        """Take up what ``save`` and ``plain`` kept."""
        found = load_file(folder / _FILE)
        device = self.model.device
        for kind in _KINDS:
            count = sum(name.startswith(f"{kind}.") for name in found)
            setattr(self, kind, [found[f"{kind}.{place}"].to(device) for place in range(count)])
        for name in _PLAIN:
            # A state of a version before may lack one.
            setattr(self, name, plain.get(name, getattr(self, name)))
        self.curve = [(step, loss) for step, loss in self.curve]
        self.max_steps, self.started = plain["max_steps"], time.monotonic() - plain["seconds"]


def _not_finite(what: str, step: int) -> TrainingError:
    return TrainingError(
        f"{what} at step {step:,}: lower model.options.learning_rate (of the model 'scratch' also "
        "model.options.matrix_learning_rate), or set model.options.dtype to float32."
    )
