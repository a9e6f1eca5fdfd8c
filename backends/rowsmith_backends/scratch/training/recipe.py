"""Training recipe of a scratch model: turn the budget into steps, then run the Hugging Face Trainer.

Large tables: a short calibration turns the time budget into steps, the learning rate decays along a cosine, and the
held-out loss may stop training early. Small tables: parts of each record are masked inputs; cross-validation at a
constant learning rate finds the number of epochs, and the model is then fitted to all rows for as many. The final
weights are an exponential moving average (EMA), from the step with the best held-out loss.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import evolve

from rowsmith.errors import TrainingError
from rowsmith.model import PreparedModel, TrainingJob, TrainingReport
from rowsmith.storage.malloc import retain_freed_memory
from rowsmith_backends.sampling.precision import chosen_device
from rowsmith_backends.scratch.column_loss import VocabularyParts
from rowsmith_backends.scratch.packed_llama import PackedLlama
from rowsmith_backends.scratch.training.calibration import calibrated
from rowsmith_backends.scratch.training.cross_validation import best_epochs, has_risen
from rowsmith_backends.scratch.training.example_windows import windows_of
from rowsmith_backends.scratch.training.fit_settings import SMALL_TABLE, FitSettings, recipe_of
from rowsmith_backends.scratch.training.initial_weights import InitialWeights
from rowsmith_backends.scratch.training.smoothed_embeddings import SmoothedEmbeddings, folded_weights
from rowsmith_backends.training.budget import course_of_budget, limit_held_out
from rowsmith_backends.training.examples import Examples, ExampleSubset, examples_of
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
"""Share of the time for the first fold: the fit to all rows can then run as long."""
_FOLDS_SHARE = 0.6
"""Share of the time for all folds."""
_TESTED_EPOCHS = 10
_MAX_EPOCHS = 300
_BATCH_TOKENS = 4_096
_FEW_STEPS = 100
_MANY_STEPS = 250
"""With more steps, random initial weights learn the frequencies of values as well, and their dependencies no worse."""
_SHORT_SHARE = 0.7
"""A training of few steps that used this share of its time is reported as short."""


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
        Report of the training.

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
    settings = FitSettings(
        config=config,
        parts=None if vocabulary is None else VocabularyParts.of_wide(vocabulary),
        options=options,
        seed=job.seeds.integer("training") % 2**31,
        device=chosen_device(),
        batch_size=options.batch_size or _batch_size(train, prepared),
        bf16=options.dtype == "bfloat16",
        state=state,
        mask_id=None if vocabulary is None else vocabulary.unknown_id,
        smoothed_embeddings=None if vocabulary is None else SmoothedEmbeddings.of(vocabulary),
        packed=prepared.model_schema.step is not None,
    )
    # Windows of a single example do not count as several examples.
    cross_validatable = prepared.cross_validated and len(train) > 1
    calibration = calibrated(settings, train, job)
    settings, train, step_seconds = calibration.settings, calibration.train, calibration.step_seconds
    state.bf16 = settings.bf16
    if vocabulary is not None and _steps_in_budget(job, step_seconds) <= (2 if cross_validatable else 1) * _MANY_STEPS:
        first = InitialWeights.of(vocabulary, train, by_column=settings.parts is None, seed=settings.seed)
        settings = evolve(settings, initial_weights=first)
    validation = None
    if job.examples.test is not None:
        held_out = examples_of(job.examples.test, prepared.metadata.pad_token_id or 0)
        if calibration.window is not None:
            held_out = windows_of(held_out, calibration.window)
        validation = limit_held_out(
            held_out, train, batch_size=settings.batch_size, step_seconds=step_seconds, seed=settings.seed, state=state
        )
    # A resumed training continues in the mode in which it started.
    may_cross_validate = bool(state.curves) or state.course() is None
    small = cross_validatable and validation is None and _may_overfit(settings, train, job, step_seconds)
    if small and may_cross_validate and job.early_stopping is None:
        settings = settings.with_recipe(SMALL_TABLE)
        course = state.course() or _cross_validated(settings, train, job)
    else:
        course = state.course() or course_of_budget(
            job.training,
            train,
            validation,
            batch_size=settings.batch_size,
            step_seconds=step_seconds,
            spent=state.seconds,
            most_epochs=_MAX_EPOCHS,
        )
        if small and job.early_stopping is not None:
            # Weights of every moment may be the final ones, so the rate is constant as in cross-validation.
            course = evolve(course, decayed=False)
        epochs = course.total_steps * settings.batch_size / len(train)
        settings = settings.with_recipe(recipe_of(epochs) if course.decayed else SMALL_TABLE)
    result = fit(
        FitPlan(train=settings.masked(train), validation=validation, course=course),
        settings.new_model(),
        settings.optimizer,
        batch_size=settings.batch_size,
        bf16=settings.bf16,
        seed=settings.seed,
        training=settings.state,
        early_stopping=job.early_stopping,
        write=functools.partial(_write_copy, prepared),
    )
    seconds = _seconds(job)
    if result.steps < _FEW_STEPS and seconds is not None and state.seconds > _SHORT_SHARE * seconds:
        passes = result.steps * settings.batch_size / len(train)
        job.note(
            f"there was time for {result.steps} steps of training, {passes:.1f} passes over the rows: the rows made "
            "will be like the real ones in outline only. Give it more time (training.max_time)."
        )
    save_model(prepared, job, lambda: _write(result.model, job.directory))
    return _report(result, course.reason, settings, train, state.seconds)


def _batch_size(train: Examples, prepared: PreparedModel) -> int:
    """Examples a step: fewer of a small table, and fewer groups the longer they are."""
    records = int(np.clip(len(train) // 40, 16, 256))
    if prepared.model_schema.step is None:
        return records
    return min(records, max(8, int(_BATCH_TOKENS // train.lengths.mean())))


def _cross_validated(settings: FitSettings, train: Examples, job: TrainingJob) -> Course:
    """Find the number of epochs by cross-validation."""
    order = job.seeds.generator("folds").permutation(len(train))
    folds = np.array_split(order, min(_FOLDS, len(train)))
    # This many held-out rows determine the best number of epochs well enough.
    folds = folds[: -(-_HELD_OUT_ROWS // len(folds[0]))]
    seconds = _seconds(job)
    epoch = max(1, (len(train) - len(folds[0])) // settings.batch_size)
    limit = _MAX_EPOCHS * epoch if job.training.max_steps is None else job.training.max_steps
    course = Course(
        total_steps=limit,
        most_steps=limit,
        warmup=min(20, limit),
        decayed=False,
        evaluate_every=epoch,
        patience=12,
    )
    curves = settings.state.curves
    for number, held_out in enumerate(folds):
        if number < len(curves):
            continue
        train_rows = np.setdiff1d(order, held_out)
        share = _FOLDS_SHARE if curves else _FIRST_FOLD_SHARE
        remaining = None if seconds is None else share * seconds - settings.state.seconds
        if curves and seconds is not None and remaining is not None and remaining < seconds / 10:
            break
        result = fit(
            FitPlan(
                train=settings.masked(ExampleSubset(train, train_rows)),
                validation=ExampleSubset(train, held_out),
                course=evolve(course, max_seconds=remaining),
            ),
            settings.new_model(),
            settings.optimizer,
            batch_size=min(settings.batch_size, len(train_rows)),
            bf16=settings.bf16,
            seed=settings.seed,
            training=settings.state,
            phase=f"fold {number + 1} of {len(folds)}",
        )
        curve = [loss for _, loss in result.curve]
        # A fold that ran out of time adds nothing to the earlier ones.
        if curves and seconds is not None and not has_risen(curve, course.patience):
            break
        curves.append(curve)
    epochs = best_epochs(curves, course.patience)
    steps = max(1, round(epochs * len(train) / settings.batch_size))
    remaining = None if seconds is None else seconds - settings.state.seconds
    return evolve(
        course,
        total_steps=min(steps, limit),
        most_steps=min(steps, limit),
        warmup=min(20, steps),
        evaluate_every=0,
        max_seconds=remaining,
        reason=f"cross-validation over {len(curves)} fold{'s'[: len(curves) > 1]} found {epochs} epochs",
    )


def _may_overfit(settings: FitSettings, train: Examples, job: TrainingJob, step_seconds: float) -> bool:
    """Whether the budget allows so many epochs that the model could overfit."""
    seconds = _seconds(job)
    return seconds is None or seconds >= _TESTED_EPOCHS * step_seconds * len(train) / settings.batch_size


def _steps_in_budget(job: TrainingJob, step_seconds: float) -> float:
    """The most steps within the budget; infinite without one."""
    if job.training.max_steps is not None:
        return job.training.max_steps
    seconds = _seconds(job)
    return math.inf if seconds is None else seconds / max(step_seconds, 1e-9)


def _seconds(job: TrainingJob) -> float | None:
    """The time budget in seconds; None for a budget of steps."""
    return job.training.max_time if job.training.max_steps is None else None


def _write(model: Any, folder: Path) -> None:
    SmoothedEmbeddings.fold(model)
    (model.plain() if isinstance(model, PackedLlama) else model).save_pretrained(folder)


def _write_copy(prepared: PreparedModel, model: Any, folder: Path) -> None:
    """Write a model that is still trained: what is saved at the end is another, with the same weights."""
    from transformers import LlamaForCausalLM

    folder.mkdir(parents=True, mode=0o700)
    plain = LlamaForCausalLM(type(model.config)(**model.config.to_dict()))
    plain.load_state_dict(folded_weights(model))
    plain.save_pretrained(folder)
    prepared.tokenizer.save_pretrained(folder)


def _report(result: Fit, reason: str | None, settings: FitSettings, train: Examples, seconds: float) -> TrainingReport:
    return TrainingReport(
        steps=result.steps,
        total_steps=result.total_steps,
        tokens=result.tokens,
        seconds=seconds,
        epochs=result.steps * settings.batch_size / len(train),
        validation_loss=result.best_loss,
        best_step=result.best_step,
        parameters=sum(weight.numel() for weight in result.model.parameters()),
        dtype="bfloat16" if settings.bf16 else "float32",
        stop_reason=result.stop_reason if reason is None else f"{reason}; {result.stop_reason}",
    )
