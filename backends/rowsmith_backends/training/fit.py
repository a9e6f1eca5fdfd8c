"""One fit of a causal language model by the Hugging Face Trainer.

The Trainer runs the loop. EMA, early stopping and checkpoints are callbacks.
"""

from __future__ import annotations

import functools
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attrs import evolve, frozen
from torch.optim.lr_scheduler import LambdaLR
from transformers import PrinterCallback, Trainer, TrainingArguments

from rowsmith.assembly.ranges import IGNORED
from rowsmith.errors import TrainingError
from rowsmith.model import EarlyStopping
from rowsmith_backends.training.checkpoint_callback import CheckpointCallback
from rowsmith_backends.training.ema_callback import EmaCallback
from rowsmith_backends.training.examples import Examples
from rowsmith_backends.training.optimizers import CosineSchedule
from rowsmith_backends.training.out_of_memory import split, without_running_out
from rowsmith_backends.training.plan import Course, FitPlan
from rowsmith_backends.training.state import TrainingState

__all__ = ["Fit", "MicroBatches", "batch_loss", "fit"]

# Tokens of one held-out batch: memory grows with them.
_HELD_OUT_TOKENS = 65_536


@frozen(kw_only=True, eq=False)
class Fit:
    """The outcome of a fit.

    Attributes:
        model: The model, holding the averaged weights where the held-out loss was best.
        steps: Optimizer steps taken.
        total_steps: Optimizer steps planned in the end.
        tokens: Tokens trained on, padding left out.
        best_step: The last step whose held-out loss was about the lowest; the model has its weights.
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


@frozen(kw_only=True)
class MicroBatches:
    """Micro-batches of a step (gradient accumulation).

    Attributes:
        examples: Examples of a micro-batch.
        count: Micro-batches of a step; their gradients add up.
        held_out: Examples of a micro-batch of the held-out loss.
    """

    examples: int
    count: int = 1
    held_out: int

    @classmethod
    def of(cls, plan: FitPlan, batch_size: int) -> MicroBatches:
        """A single micro-batch, for small models."""
        return cls(
            examples=min(batch_size, len(plan.train)),
            held_out=int(np.clip(_HELD_OUT_TOKENS // plan.train.lengths.max(), 16, 1_024)),
        )


class _Indices(torch.utils.data.Dataset[int]):
    """Example indices; the collator gathers the tokens of a batch at once.

    Those of held-out examples are negative, to distinguish them from training examples.
    """

    def __init__(self, count: int, *, held_out: bool = False) -> None:
        self.count = count
        self.held_out = held_out

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return -1 - index if self.held_out else index


def _tensors(batch: dict[str, np.ndarray[Any, Any]]) -> dict[str, torch.Tensor]:
    # The last token predicts nothing, so it is not an input. Right padding needs no mask under causal attention.
    # Older Trainers divide by all labels of a batch, including the first, which nothing predicts: it is ignored.
    labels = batch["labels"].copy()
    labels[:, 0] = IGNORED
    return {
        "input_ids": torch.from_numpy(batch["input_ids"][:, :-1].copy()),
        "labels": torch.from_numpy(labels),
        "shift_labels": torch.from_numpy(batch["labels"][:, 1:].copy()),
    }


def batch_loss(model: Any, examples: Examples, indices: np.ndarray[Any, Any], bf16: bool) -> torch.Tensor:
    """The mean loss of some examples, in nats per token."""
    batch = {name: tensor.to(model.device) for name, tensor in _tensors(examples.batch(indices)).items()}
    with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=bf16):
        loss: torch.Tensor = model(**batch).loss
    return loss


class _Trainer(Trainer):
    """A Trainer that evaluates EMA weights, splits batches when memory runs out, and saves complete checkpoints."""

    ema_callback: EmaCallback
    checkpoint_callback: CheckpointCallback

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        with self.ema_callback.averaged():
            metrics: dict[str, float] = super().evaluate(*args, **kwargs)
        return metrics

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        step = super().training_step

        def compute(parts: int) -> torch.Tensor:
            # The Trainer divides by the tokens of the whole batch, so the losses of its micro-batches add up.
            losses = [step(model, micro_batch, num_items_in_batch) for micro_batch in split(inputs, parts)]
            return torch.stack(losses).sum()

        examples = len(inputs["input_ids"])
        # Processes that train together must all compute the same number of micro-batches.
        max_parts = examples if self.ema_callback.process_group.ranks.count == 1 else self.ema_callback.parts
        loss = without_running_out(compute, self.ema_callback.parts, max_parts, self._use_more_parts)
        if loss is None:
            raise TrainingError(
                f"memory ran out at step {self.state.global_step + 1:,}, even with "
                f"{-(-examples // self.ema_callback.parts)} of {examples} examples at a time: give fewer columns, or a "
                "smaller model (of the model 'scratch', model.options.width or layers; of 'pretrained', more "
                "model.options.gradient_accumulation)."
            )
        self.ema_callback.losses.append(loss)
        return loss

    def _use_more_parts(self, parts: int) -> None:
        self.model.zero_grad()
        self.ema_callback.parts = parts
        self.checkpoint_callback.training.job.note(
            f"memory ran out at step {self.state.global_step + 1:,}: batches are now computed in {parts} parts"
        )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        save = super()._save_checkpoint

        def write(folder: Path) -> None:
            self.args.output_dir = str(folder)
            save(model, trial)

        self.checkpoint_callback.save(self.state.global_step, self.state.max_steps, write)


def fit(
    plan: FitPlan,
    model: Any,
    optimizer_for: Callable[[Any], torch.optim.Optimizer],
    *,
    batch_size: int,
    bf16: bool,
    seed: int,
    training: TrainingState,
    phase: str = "",
    micro_batches: MicroBatches | None = None,
    early_stopping: EarlyStopping | None = None,
    write: Callable[[Any, Path], None] | None = None,
) -> Fit:
    """Fit a model to examples.

    Args:
        plan: Examples and course.
        model: The model; trained in place.
        optimizer_for: Makes the optimizer of a model.
        batch_size: Examples a step.
        bf16: Whether to compute in bfloat16.
        seed: Seed of the order of examples.
        training: The training that the fit is part of; a fit with a checkpoint is resumed.
        phase: Name of the fit in reports.
        micro_batches: Micro-batches of a step; None for a single one.
        early_stopping: Judges the weights in place of the held-out loss; None where the loss decides.
        write: Writes a model that is still trained to a folder, without changing it; for ``early_stopping``.

    Returns:
        The outcome.

    Raises:
        TrainingError: The loss is not finite, or memory does not suffice.
        Interrupted: The run was asked to end; the state is saved.
    """
    resumed = training.resumed_in(phase)
    if resumed is not None:
        plan = evolve(plan, course=Course(**resumed.state["course"]))
    course = plan.course
    optimizer = optimizer_for(model)
    schedule = CosineSchedule(
        warmup=max(1, course.warmup), total=course.total_steps, floor=0.02 if course.decayed else 1.0
    )

    def collate(indices: list[int]) -> dict[str, torch.Tensor]:
        is_held_out = indices[0] < 0
        source = plan.validation if is_held_out and plan.validation is not None else plan.train
        return _tensors(source.batch(np.array([-1 - i for i in indices] if is_held_out else indices)))

    ema_callback = EmaCallback(model, plan, schedule, training.job.progress, phase, training.process_group)
    if early_stopping is not None and write is not None:
        ema_callback.early_stopping, ema_callback.write = early_stopping, functools.partial(write, model)
    checkpoint_callback = CheckpointCallback(training, ema_callback, course, phase)
    with tempfile.TemporaryDirectory(prefix="rowsmith-") as scratch:
        trainer = _Trainer(
            model=model,
            args=_arguments(scratch, model, plan, bf16, seed, micro_batches or MicroBatches.of(plan, batch_size)),
            train_dataset=_Indices(len(plan.train)),
            eval_dataset=None if plan.validation is None else _Indices(len(plan.validation), held_out=True),
            data_collator=collate,
            optimizers=(optimizer, LambdaLR(optimizer, schedule)),
            callbacks=[ema_callback, checkpoint_callback],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.ema_callback, trainer.checkpoint_callback = ema_callback, checkpoint_callback
        trainer.train(resume_from_checkpoint=None if resumed is None else checkpoint_callback.trainer_state(resumed))
    steps = trainer.state.global_step
    ema_callback.check(steps)
    checkpoint_callback.end(steps, trainer.state.max_steps)
    ema_callback.finish(steps)
    return Fit(
        model=model,
        steps=steps,
        total_steps=trainer.state.max_steps,
        tokens=int(plan.train.lengths.sum() * steps / math.ceil(len(plan.train) / batch_size)),
        best_step=ema_callback.best_step,
        best_loss=ema_callback.best_loss,
        curve=tuple(ema_callback.curve),
        stop_reason=ema_callback.stop_reason,
    )


def _arguments(
    folder: str, model: Any, plan: FitPlan, bf16: bool, seed: int, micro_batches: MicroBatches
) -> TrainingArguments:
    course = plan.course
    return TrainingArguments(
        output_dir=folder,
        # The Trainer ends after these steps, whatever is planned later.
        max_steps=course.most_steps,
        per_device_train_batch_size=micro_batches.examples,
        gradient_accumulation_steps=micro_batches.count,
        per_device_eval_batch_size=micro_batches.held_out,
        dataloader_pin_memory=False,
        # Mixture-of-experts models use some of their weights in a step; all others use all.
        ddp_find_unused_parameters=any("expert" in name for name in model.config.to_dict()),
        max_grad_norm=1.0,
        use_cpu=not torch.cuda.is_available(),
        bf16=bf16,
        eval_strategy="steps" if plan.evaluated else "no",
        eval_steps=course.evaluate_every if plan.evaluated else None,
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
