"""One fit of a causal language model by the Hugging Face Trainer.

The Trainer runs the loop; what is ours hangs on it as a callback (``keeper``).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from attrs import frozen
from torch.optim.lr_scheduler import LambdaLR
from transformers import PrinterCallback, Trainer, TrainingArguments

from rowsmith.modelling import TrainingProgress
from rowsmith_backends.examples import Examples
from rowsmith_backends.fit_plan import FitPlan
from rowsmith_backends.keeper import Keeper
from rowsmith_backends.optimizers import CosineSchedule

__all__ = ["Fit", "batch_loss", "fit"]

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


class _AveragedTrainer(Trainer):
    """A Trainer that evaluates the averaged weights."""

    keeper: Keeper

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
        keeper = Keeper(model, plan, schedule, progress, phase)
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
        per_device_eval_batch_size=int(np.clip(_HELD_OUT_TOKENS // plan.train.lengths.max(), 16, 1_024)),
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
