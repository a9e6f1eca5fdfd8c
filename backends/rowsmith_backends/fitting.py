"""One fit of a causal language model by the Hugging Face Trainer.

The Trainer runs the loop; what is ours hangs on it as a callback: the exponential average of the
weights, the held-out curve, the best weights so far, patience, the wall clock, and progress.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from attrs import define, field, frozen
from torch.optim.lr_scheduler import LambdaLR
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from rowsmith.errors import TrainingError
from rowsmith.modelling import TrainingProgress
from rowsmith_backends.examples import Examples
from rowsmith_backends.optimizers import CosineSchedule

__all__ = ["Course", "Fit", "FitPlan", "batch_loss", "fit"]

_EMA_DECAY = 0.99
_COOLING_SHARE = 5
_AS_GOOD = 1.003


@frozen(kw_only=True)
class Course:
    """How long a fit goes on.

    Attributes:
        total_steps: Optimizer steps planned; with a time limit, until a tenth of it has been measured.
        most_steps: The most optimizer steps, however much time there is.
        warmup: Steps over which the learning rate rises.
        decayed: Whether the rate then falls along a cosine; constant otherwise.
        evaluate_every: Steps between held-out evaluations; 0 for none.
        patience: Evaluations without a better loss before the learning rate is taken down and the fit ends.
        max_seconds: Wall-clock guard; None for none.
        reason: What set the number of steps, when that is worth telling.
    """

    total_steps: int
    most_steps: int
    warmup: int
    decayed: bool
    evaluate_every: int
    patience: int
    max_seconds: float | None = None
    reason: str | None = None


@frozen(kw_only=True)
class FitPlan:
    """What to fit on.

    Attributes:
        train: Training examples.
        validation: Held-out examples; None for none.
        course: How long.
    """

    train: Examples
    validation: Examples | None
    course: Course


@frozen(kw_only=True, eq=False)
class Fit:
    """The outcome of a fit.

    Attributes:
        model: The model, holding the averaged weights where the held-out loss was best.
        steps: Optimizer steps taken.
        total_steps: Optimizer steps planned in the end.
        tokens: Tokens trained on, padding left out.
        best_step: The last step whose held-out loss was as good as the lowest; its weights were kept.
        best_loss: The held-out loss there, in nats per token; None without a validation set.
        curve: Held-out losses by step.
        stop_reason: Why the fit ended.
    """

    model: Any
    steps: int
    total_steps: int
    tokens: int
    best_step: int
    best_loss: float | None
    curve: tuple[tuple[int, float], ...]
    stop_reason: str


class _Indices(torch.utils.data.Dataset[int]):
    """Example numbers; the collator gathers their tokens in one go."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return index


class _Held(torch.utils.data.Dataset[int]):
    """Held-out example numbers, told from training ones by their sign."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return -1 - index


def _tensors(batch: dict[str, np.ndarray[Any, Any]]) -> dict[str, torch.Tensor]:
    # The last token predicts nothing, so it is no input; and right padding under causal attention needs
    # no mask, for no real token sees what comes after it.
    return {
        "input_ids": torch.from_numpy(batch["input_ids"][:, :-1].copy()),
        "labels": torch.from_numpy(batch["labels"]),
        "shift_labels": torch.from_numpy(batch["labels"][:, 1:].copy()),
    }


def batch_loss(model: Any, examples: Examples, indices: np.ndarray[Any, Any], bf16: bool) -> torch.Tensor:
    """The mean loss of some examples, in nats per token."""
    batch = {name: tensor.to(model.device) for name, tensor in _tensors(examples.batch(indices)).items()}
    with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=bf16):
        loss: torch.Tensor = model(**batch).loss
    return loss


@define(eq=False)
class _Keeper(TrainerCallback):
    """Averages weights, keeps the best, and decides when to end early."""

    model: Any
    plan: FitPlan
    schedule: CosineSchedule
    progress: Callable[[TrainingProgress], None]
    phase: str
    started: float = field(factory=time.monotonic)
    average: list[torch.Tensor] = field(factory=list)
    best: list[torch.Tensor] = field(factory=list)
    best_step: int = 0
    best_loss: float | None = None
    curve: list[tuple[int, float]] = field(factory=list)
    stop_reason: str = "all steps done"
    planned: bool = False
    loss: float | None = None

    def weights(self) -> list[torch.Tensor]:
        return [weight.detach() for weight in self.model.parameters()]

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
        if not self.average:
            self.average = [weight.clone() for weight in self.weights()]
        decay = min(_EMA_DECAY, (1 + state.global_step) / (10 + state.global_step))
        torch._foreach_lerp_(self.average, self.weights(), 1 - decay)
        if self.plan.course.max_seconds is not None:
            self._keep_time(state, control, self.plan.course.max_seconds)

    def _keep_time(self, state: Any, control: Any, limit: float) -> None:
        """Count on from real steps once a tenth of the time is over, and end in time in any case."""
        elapsed, step = time.monotonic() - self.started, state.global_step
        if elapsed > limit and step < state.max_steps:
            self.stop_reason = f"the time was up after {step} of {state.max_steps} steps"
            control.should_training_stop = True
        possible = int((limit - elapsed) / elapsed * step)
        if not self.planned and elapsed > limit / 10 and self.schedule.cooled_at is None:
            self.planned = True
            state.max_steps = self.schedule.total = max(
                step + 1, min(step + int(0.98 * possible), self.plan.course.most_steps)
            )
        slower = step + possible < state.max_steps and possible <= step // _COOLING_SHARE
        if self.planned and slower and self.schedule.cooled_at is None:
            self.schedule.cool_down(step, max(1, possible))
            self.stop_reason = f"the time allowed {step + possible} of {state.max_steps} steps"
            state.max_steps = step + max(1, possible)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss} at step {state.global_step}: lower model.options.learning_rate and "
                "model.options.matrix_learning_rate, or set model.options.dtype to float32."
            )
        self.loss = loss
        self._tell(state)

    def _tell(self, state: Any) -> None:
        self.progress(
            TrainingProgress(
                step=state.global_step,
                total_steps=state.max_steps,
                loss=self.loss,
                validation_loss=self.curve[-1][1] if self.curve else None,
                seconds=time.monotonic() - self.started,
                phase=self.phase,
            )
        )

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any) -> None:
        loss = metrics["eval_loss"]
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
                f"the held-out loss stopped falling by step {state.global_step} of {course.total_steps}, "
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


class _AveragedTrainer(Trainer):
    """A Trainer that evaluates the averaged weights."""

    keeper: _Keeper

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        with self.keeper.averaged():
            metrics: dict[str, float] = super().evaluate(*args, **kwargs)
        return metrics


def fit(
    plan: FitPlan,
    model: Any,
    optimizer_for: Callable[[Any], torch.optim.Optimizer],
    *,
    batch_size: int,
    bf16: bool,
    seed: int,
    progress: Callable[[TrainingProgress], None],
    phase: str = "",
) -> Fit:
    """Fit a model to examples.

    Args:
        plan: Examples and course.
        model: The model; trained in place.
        optimizer_for: Makes the optimizer of a model.
        batch_size: Examples a step.
        bf16: Whether to compute in bfloat16.
        seed: Seed of the order of examples.
        progress: Called at every report.
        phase: What is being fitted, for reports.

    Returns:
        The outcome.

    Raises:
        TrainingError: The loss is not finite.
    """
    course = plan.course
    optimizer = optimizer_for(model)
    schedule = CosineSchedule(
        warmup=max(1, course.warmup), total=course.total_steps, floor=0.02 if course.decayed else 1.0
    )

    def collate(indices: list[int]) -> dict[str, torch.Tensor]:
        held = indices[0] < 0
        source = plan.validation if held and plan.validation is not None else plan.train
        return _tensors(source.batch(np.array([-1 - i for i in indices] if held else indices)))

    with tempfile.TemporaryDirectory(prefix="rowsmith-") as scratch:
        keeper = _Keeper(model, plan, schedule, progress, phase)
        trainer = _AveragedTrainer(
            model=model,
            args=_arguments(scratch, plan, batch_size, bf16, seed),
            train_dataset=_Indices(len(plan.train)),
            eval_dataset=None if plan.validation is None else _Held(len(plan.validation)),
            data_collator=collate,
            optimizers=(optimizer, LambdaLR(optimizer, schedule)),
            callbacks=[keeper],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.keeper = keeper
        trainer.train()
    steps = trainer.state.global_step
    keeper.finish(steps)
    return Fit(
        model=model,
        steps=steps,
        total_steps=trainer.state.max_steps,
        tokens=int(plan.train.lengths.sum() * steps / math.ceil(len(plan.train) / batch_size)),
        best_step=keeper.best_step,
        best_loss=keeper.best_loss,
        curve=tuple(keeper.curve),
        stop_reason=keeper.stop_reason,
    )


def _arguments(folder: str, plan: FitPlan, batch_size: int, bf16: bool, seed: int) -> TrainingArguments:
    course = plan.course
    evaluated = plan.validation is not None and course.evaluate_every > 0
    return TrainingArguments(
        output_dir=folder,
        max_steps=course.total_steps,
        per_device_train_batch_size=min(batch_size, len(plan.train)),
        per_device_eval_batch_size=1_024,
        dataloader_pin_memory=False,
        max_grad_norm=1.0,
        use_cpu=not torch.cuda.is_available(),
        bf16=bf16,
        eval_strategy="steps" if evaluated else "no",
        eval_steps=course.evaluate_every if evaluated else None,
        save_strategy="no",
        logging_steps=max(1, min(20, course.total_steps // 50)),
        logging_nan_inf_filter=False,
        prediction_loss_only=True,
        label_names=["labels"],
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to="none",
        seed=seed,
        data_seed=seed,
    )
