"""One fit of a causal language model by the Hugging Face Trainer.

The Trainer runs the loop; what is ours hangs on it as a callback (``ema_callback``).
"""

from __future__ import annotations

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
from rowsmith_backends.training.checkpoint_callback import FitSaver
from rowsmith_backends.training.ema_callback import Keeper
from rowsmith_backends.training.examples import Examples
from rowsmith_backends.training.optimizers import CosineSchedule
from rowsmith_backends.training.out_of_memory import split, without_running_out
from rowsmith_backends.training.plan import Course, FitPlan
from rowsmith_backends.training.state import TrainingState

__all__ = ["Fit", "Pieces", "batch_loss", "fit"]

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


@frozen(kw_only=True)
class Pieces:
    """How much of a step is computed at once.

    Attributes:
        examples: Examples of a piece.
        number: Pieces of a step; their gradients add up.
        held_out: Examples of a piece of the held-out loss.
    """

    examples: int
    number: int = 1
    held_out: int

    @classmethod
    def of(cls, plan: FitPlan, batch_size: int) -> Pieces:
        """The pieces of a small model: a step is one."""
        return cls(
            examples=min(batch_size, len(plan.train)),
            held_out=int(np.clip(_HELD_OUT_TOKENS // plan.train.lengths.max(), 16, 1_024)),
        )


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
    # Older Trainers divide by all labels of a batch, the first included, which nothing predicts: it is no label.
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
    """A Trainer that evaluates averaged weights, gets by with little memory, and saves its state whole."""

    keeper: Keeper
    saver: FitSaver

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        with self.keeper.averaged():
            metrics: dict[str, float] = super().evaluate(*args, **kwargs)
        return metrics

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        step = super().training_step

        def compute(parts: int) -> torch.Tensor:
            # The Trainer divides by the tokens of the whole batch, so the losses of its parts add up.
            losses = [step(model, part, num_items_in_batch) for part in split(inputs, parts)]
            return torch.stack(losses).sum()

        examples = len(inputs["input_ids"])
        # Processes that train together compute as many parts each.
        most = examples if self.keeper.process_group.ranks.count == 1 else self.keeper.parts
        loss = without_running_out(compute, self.keeper.parts, most, self._halve)
        if loss is None:
            raise TrainingError(
                f"memory ran out at step {self.state.global_step + 1:,}, even with "
                f"{-(-examples // self.keeper.parts)} of {examples} examples at a time: give fewer columns, or a "
                "smaller model (of the model 'scratch', model.options.width or layers; of 'pretrained', more "
                "model.options.gradient_accumulation)."
            )
        self.keeper.losses.append(loss)
        return loss

    def _halve(self, parts: int) -> None:
        self.model.zero_grad()
        self.keeper.parts = parts
        self.saver.training.job.note(
            f"memory ran out at step {self.state.global_step + 1:,}: batches are now computed in {parts} parts"
        )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        save = super()._save_checkpoint

        def write(folder: Path) -> None:
            self.args.output_dir = str(folder)
            save(model, trial)

        self.saver.save(self.state.global_step, self.state.max_steps, write)


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
    pieces: Pieces | None = None,
) -> Fit:
    """Fit a model to examples.

    Args:
        plan: Examples and course.
        model: The model; trained in place.
        optimizer_for: Makes the optimizer of a model.
        batch_size: Examples a step.
        bf16: Whether to compute in bfloat16.
        seed: Seed of the order of examples.
        training: The training that the fit is part of; a fit that it had begun is taken up.
        phase: What is being fitted, for reports.
        pieces: How much is computed at once; None for what suits small models.

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
        held = indices[0] < 0
        source = plan.validation if held and plan.validation is not None else plan.train
        return _tensors(source.batch(np.array([-1 - i for i in indices] if held else indices)))

    keeper = Keeper(model, plan, schedule, training.job.progress, phase, training.process_group)
    saver = FitSaver(training, keeper, course, phase)
    with tempfile.TemporaryDirectory(prefix="rowsmith-") as scratch:
        trainer = _Trainer(
            model=model,
            args=_arguments(scratch, model, plan, bf16, seed, pieces or Pieces.of(plan, batch_size)),
            train_dataset=_Indices(len(plan.train)),
            eval_dataset=None if plan.validation is None else _Held(len(plan.validation)),
            data_collator=collate,
            optimizers=(optimizer, LambdaLR(optimizer, schedule)),
            callbacks=[keeper, saver],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.keeper, trainer.saver = keeper, saver
        trainer.train(resume_from_checkpoint=None if resumed is None else saver.trainer_state(resumed))
    steps = trainer.state.global_step
    keeper.check(steps)
    saver.end(steps, trainer.state.max_steps)
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


def _arguments(folder: str, model: Any, plan: FitPlan, bf16: bool, seed: int, pieces: Pieces) -> TrainingArguments:
    course = plan.course
    return TrainingArguments(
        output_dir=folder,
        # The Trainer counts epochs from these and ends after them, whatever is planned later.
        max_steps=course.most_steps,
        per_device_train_batch_size=pieces.examples,
        gradient_accumulation_steps=pieces.number,
        per_device_eval_batch_size=pieces.held_out,
        dataloader_pin_memory=False,
        # Which experts a step uses differs; other models use all of their weights.
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
