"""How a scratch model is trained: a budget becomes a step count, then the Hugging Face Trainer runs.

Large tables: a short calibration turns the time budget into steps, the learning rate follows the step
down a cosine, and a held-out loss may stop training early. Small tables: parts of each record are hidden
from the model; cross-validation finds how many epochs help, at a constant rate, and the model is then fitted
to all rows for as many. The weights kept are an exponential average, taken where the held-out loss was best.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import evolve

from rowsmith.errors import TrainingError
from rowsmith.model import PreparedModel, TrainingJob, TrainingReport
from rowsmith.storage.malloc import retain_freed_memory
from rowsmith_backends.sampling.precision import chosen_device
from rowsmith_backends.scratch.column_loss import ColumnParts
from rowsmith_backends.scratch.packed_llama import PackedLlama
from rowsmith_backends.scratch.training.calibration import calibrated
from rowsmith_backends.scratch.training.cross_validation import best_epochs, has_risen
from rowsmith_backends.scratch.training.example_windows import windows_of
from rowsmith_backends.scratch.training.fit_settings import SMALL_TABLE, Setting, recipe_of
from rowsmith_backends.scratch.training.initial_weights import FirstWeights
from rowsmith_backends.scratch.training.smoothed_embeddings import Neighbours
from rowsmith_backends.training.budget import budgeted, held_out_in_time
from rowsmith_backends.training.examples import Examples, SomeExamples, examples_of
from rowsmith_backends.training.fit import Fit, fit
from rowsmith_backends.training.plan import Course, FitPlan
from rowsmith_backends.training.progress_bars import no_progress_bars
from rowsmith_backends.training.saving import save_model
from rowsmith_backends.training.state import TrainingState

if TYPE_CHECKING:
    from transformers import LlamaConfig

    from rowsmith_backends.scratch.options import ScratchOptions

__all__ = ["train_scratch"]

_FOLDS = 4
_HELD_OUT_ROWS = 500
_FIRST_FOLD_SHARE = 0.5
"""Of the time, what the first fold may take: the fit to all rows can then go as far as it did."""
_FOLDS_SHARE = 0.6
"""The same of all folds."""
_TESTED_EPOCHS = 10
_MAX_EPOCHS = 300
_BATCH_TOKENS = 4_096
_FEW_STEPS = 100
_MANY_STEPS = 250
"""With more steps a model that begins at random learns the shares of values too, and how they go together no worse."""
_SHORT_SHARE = 0.7
"""A training of fewer steps that took so much of its time is said to be short."""


def train_scratch(
    config: LlamaConfig, prepared: PreparedModel, job: TrainingJob, options: ScratchOptions
) -> TrainingReport:
    """Train a Llama from random weights and save it with its tokenizer.

    Args:
        config: The model's shape.
        prepared: Tokenizer and vocabulary.
        job: Examples, budget and target directory.
        options: Rates and batch size.

    Returns:
        What training did.

    Raises:
        TrainingError: There are no examples, or the loss is not finite.
    """
    with job.stop.awaited():
        return _train(config, prepared, job, options)


@no_progress_bars()
def _train(config: LlamaConfig, prepared: PreparedModel, job: TrainingJob, options: ScratchOptions) -> TrainingReport:
    retain_freed_memory()
    state = TrainingState.of(job)
    train = examples_of(job.examples.train, prepared.metadata.pad_token_id or 0)
    if len(train) == 0:
        raise TrainingError("there are no training examples: give more rows, or lower training.validation_ratio.")
    vocabulary = prepared.vocabulary
    setting = Setting(
        config=config,
        parts=None if vocabulary is None else ColumnParts.of_wide(vocabulary),
        options=options,
        seed=job.seeds.integer("training") % 2**31,
        device=chosen_device(),
        batch_size=options.batch_size or _batch_size(train, prepared),
        bf16=options.dtype == "bfloat16",
        state=state,
        blank_id=None if vocabulary is None else vocabulary.unknown_id,
        neighbours=None if vocabulary is None else Neighbours.of(vocabulary),
        packed=prepared.model_schema.step is not None,
    )
    # The windows of one example are no examples of their own.
    several = prepared.cross_validated and len(train) > 1
    calibration = calibrated(setting, train, job)
    setting, train, step_seconds = calibration.setting, calibration.train, calibration.step_seconds
    state.bf16 = setting.bf16
    if vocabulary is not None and _steps_in_budget(job, step_seconds) <= (2 if several else 1) * _MANY_STEPS:
        first = FirstWeights.of(vocabulary, train, by_column=setting.parts is None, seed=setting.seed)
        setting = evolve(setting, first=first)
    validation = None
    if job.examples.test is not None:
        held_out = examples_of(job.examples.test, prepared.metadata.pad_token_id or 0)
        if calibration.window is not None:
            held_out = windows_of(held_out, calibration.window)
        validation = held_out_in_time(
            held_out, train, batch_size=setting.batch_size, step_seconds=step_seconds, seed=setting.seed, state=state
        )
    # A training that is taken up goes on as it had begun.
    begun = bool(state.curves) or state.course() is None
    if several and validation is None and begun and _has_time(setting, train, job, step_seconds):
        setting = setting.following(SMALL_TABLE)
        course = state.course() or _cross_validated(setting, train, job)
    else:
        course = state.course() or budgeted(
            job.training,
            train,
            validation,
            batch_size=setting.batch_size,
            step_seconds=step_seconds,
            spent=state.seconds,
            most_epochs=_MAX_EPOCHS,
        )
        epochs = course.total_steps * setting.batch_size / len(train)
        setting = setting.following(recipe_of(epochs))
    result = fit(
        FitPlan(train=setting.shown(train), validation=validation, course=course),
        setting.new_model(),
        setting.optimizer,
        batch_size=setting.batch_size,
        bf16=setting.bf16,
        seed=setting.seed,
        training=setting.state,
    )
    seconds = _seconds(job)
    if result.steps < _FEW_STEPS and seconds is not None and state.seconds > _SHORT_SHARE * seconds:
        passes = result.steps * setting.batch_size / len(train)
        job.note(
            f"there was time for {result.steps} steps of training, {passes:.1f} passes over the rows: the rows made "
            "will be like the real ones in outline only. Give it more time (training.max_time)."
        )
    save_model(prepared, job, lambda: _write(result.model, job.directory))
    return _report(result, course.reason, setting, train, state.seconds)


def _batch_size(train: Examples, prepared: PreparedModel) -> int:
    """Examples a step: fewer of a small table, and fewer groups the longer they are."""
    records = int(np.clip(len(train) // 40, 16, 256))
    if prepared.model_schema.step is None:
        return records
    return min(records, max(8, int(_BATCH_TOKENS // train.lengths.mean())))


def _cross_validated(setting: Setting, train: Examples, job: TrainingJob) -> Course:
    """Find how many epochs help by leaving out some folds, each once."""
    order = job.seeds.generator("folds").permutation(len(train))
    folds = np.array_split(order, min(_FOLDS, len(train)))
    # The best number of epochs is known well enough from this many rows.
    folds = folds[: -(-_HELD_OUT_ROWS // len(folds[0]))]
    seconds = _seconds(job)
    epoch = max(1, (len(train) - len(folds[0])) // setting.batch_size)
    limit = _MAX_EPOCHS * epoch if job.training.max_steps is None else job.training.max_steps
    course = Course(
        total_steps=limit,
        most_steps=limit,
        warmup=min(20, limit),
        decayed=False,
        evaluate_every=epoch,
        patience=12,
    )
    curves = setting.state.curves
    for number, held_out in enumerate(folds):
        if number < len(curves):
            continue
        kept = np.setdiff1d(order, held_out)
        share = _FOLDS_SHARE if curves else _FIRST_FOLD_SHARE
        left = None if seconds is None else share * seconds - setting.state.seconds
        if curves and seconds is not None and left is not None and left < seconds / 10:
            break
        result = fit(
            FitPlan(
                train=setting.shown(SomeExamples(train, kept)),
                validation=SomeExamples(train, held_out),
                course=evolve(course, max_seconds=left),
            ),
            setting.new_model(),
            setting.optimizer,
            batch_size=min(setting.batch_size, len(kept)),
            bf16=setting.bf16,
            seed=setting.seed,
            training=setting.state,
            phase=f"fold {number + 1} of {len(folds)}",
        )
        curve = [loss for _, loss in result.curve]
        # A fold that ran out of time does not tell more than those before it.
        if curves and seconds is not None and not has_risen(curve, course.patience):
            break
        curves.append(curve)
    epochs = best_epochs(curves, course.patience)
    steps = max(1, round(epochs * len(train) / setting.batch_size))
    left = None if seconds is None else seconds - setting.state.seconds
    return evolve(
        course,
        total_steps=min(steps, limit),
        most_steps=min(steps, limit),
        warmup=min(20, steps),
        evaluate_every=0,
        max_seconds=left,
        reason=f"cross-validation over {len(curves)} fold{'s'[: len(curves) > 1]} found {epochs} epochs",
    )


def _has_time(setting: Setting, train: Examples, job: TrainingJob, step_seconds: float) -> bool:
    """Whether the budget holds so many epochs that rows could be learned by heart."""
    seconds = _seconds(job)
    return seconds is None or seconds >= _TESTED_EPOCHS * step_seconds * len(train) / setting.batch_size


def _steps_in_budget(job: TrainingJob, step_seconds: float) -> float:
    """How many steps there is time for, at most; no end of them where there is no budget."""
    if job.training.max_steps is not None:
        return job.training.max_steps
    seconds = _seconds(job)
    return math.inf if seconds is None else seconds / max(step_seconds, 1e-9)


def _seconds(job: TrainingJob) -> float | None:
    """The time budget; a number of steps has none, whatever the machine."""
    return job.training.max_time if job.training.max_steps is None else None


def _write(model: Any, folder: Path) -> None:
    Neighbours.settle(model)
    (model.plain() if isinstance(model, PackedLlama) else model).save_pretrained(folder)


def _report(result: Fit, reason: str | None, setting: Setting, train: Examples, seconds: float) -> TrainingReport:
    return TrainingReport(
        steps=result.steps,
        total_steps=result.total_steps,
        tokens=result.tokens,
        seconds=seconds,
        epochs=result.steps * setting.batch_size / len(train),
        validation_loss=result.best_loss,
        best_step=result.best_step,
        parameters=sum(weight.numel() for weight in result.model.parameters()),
        dtype="bfloat16" if setting.bf16 else "float32",
        stop_reason=result.stop_reason if reason is None else f"{reason}; {result.stop_reason}",
    )
