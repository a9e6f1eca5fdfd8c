"""How a scratch model is trained: a budget becomes a step count, then the Hugging Face Trainer runs.

Large tables: a short calibration turns the time budget into steps, the learning rate follows the step
down a cosine, and a held-out loss may stop training early. Small tables: parts of each record are hidden
from the model; cross-validation finds how many epochs help, at a constant rate, and the model is then fitted
to all rows for as many. The weights kept are an exponential average, taken where the held-out loss was best.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from attrs import evolve, frozen
from safetensors import SafetensorError
from transformers import LlamaForCausalLM
from transformers.utils import logging

from rowsmith.disk_errors import explained
from rowsmith.errors import TrainingError
from rowsmith.modelling import PreparedModel, TrainingJob, TrainingReport
from rowsmith.run_directory import flush_tree
from rowsmith_backends.columnwise_llama import ColumnParts, ColumnwiseLlama
from rowsmith_backends.examples import BlankedExamples, Examples, SomeExamples, examples_of
from rowsmith_backends.fit_plan import Course, FitPlan
from rowsmith_backends.fitting import Fit, batch_loss, fit
from rowsmith_backends.optimizers import joint_optimizer
from rowsmith_backends.precision import chosen_device, has_fast_bf16
from rowsmith_backends.training_state import TrainingState

if TYPE_CHECKING:
    from transformers import LlamaConfig

    from rowsmith_backends.options import ScratchOptions

__all__ = ["train_scratch"]

_FOLDS = 4
_HELD_OUT_ROWS = 500
_CALIBRATION_STEPS = 7
_MAX_EPOCHS = 300
_FEW_EPOCHS = 5
# Without blanks more decay has to keep rows from being learned by heart.
_UNBLANKED_DECAY = 0.5


@frozen(kw_only=True)
class _Recipe:
    """What options stand for when they are left out."""

    matrix_learning_rate: float
    weight_decay: float
    blanked: float

    def completed(self, options: ScratchOptions) -> ScratchOptions:
        """Options with every choice made."""
        blanked = self.blanked if options.blanked is None else options.blanked
        decay = self.weight_decay if blanked or not self.blanked else _UNBLANKED_DECAY
        rate = self.matrix_learning_rate if options.matrix_learning_rate is None else options.matrix_learning_rate
        return evolve(
            options,
            blanked=blanked,
            weight_decay=decay if options.weight_decay is None else options.weight_decay,
            matrix_learning_rate=rate,
        )


# Muon learns faster, and learns rows by heart sooner.
_SHORT = _Recipe(matrix_learning_rate=4e-3, weight_decay=0.05, blanked=0.0)
_LONG = _Recipe(matrix_learning_rate=0.0, weight_decay=0.3, blanked=0.2)
_SMALL_TABLE = _Recipe(matrix_learning_rate=0.0, weight_decay=0.1, blanked=1.0)


@frozen(kw_only=True)
class _Setting:
    """What stays the same over all fits of one training."""

    config: LlamaConfig
    parts: ColumnParts | None
    options: ScratchOptions
    seed: int
    device: torch.device
    batch_size: int
    bf16: bool
    state: TrainingState
    blank_id: int | None

    def new_model(self) -> LlamaForCausalLM:
        torch.manual_seed(self.seed)
        made = LlamaForCausalLM(self.config) if self.parts is None else ColumnwiseLlama(self.config, self.parts)
        return made.to(self.device)

    def shown(self, examples: Examples) -> Examples:
        """Examples as the model is shown them."""
        if self.blank_id is None or not self.options.blanked:
            return examples
        return BlankedExamples(examples, self.options.blanked, self.blank_id, self.seed)

    def optimizer(self, model: LlamaForCausalLM) -> torch.optim.Optimizer:
        rates = self.options
        return joint_optimizer(
            model,
            lr=rates.learning_rate,
            matrix_lr=rates.matrix_learning_rate or 0.0,
            weight_decay=rates.weight_decay or 0.0,
        )

    def following(self, recipe: _Recipe) -> _Setting:
        """The setting with the options completed."""
        return evolve(self, options=recipe.completed(self.options))


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


def _train(config: LlamaConfig, prepared: PreparedModel, job: TrainingJob, options: ScratchOptions) -> TrainingReport:
    logging.disable_progress_bar()
    state = TrainingState.of(job)
    train = examples_of(job.examples.train, prepared.metadata.pad_token_id or 0)
    if len(train) == 0:
        raise TrainingError("there are no training examples: give more rows, or lower training.validation_ratio.")
    vocabulary = prepared.vocabulary
    setting = _Setting(
        config=config,
        parts=None if vocabulary is None else ColumnParts.of_wide(vocabulary),
        options=options,
        seed=job.seeds.integer("training") % 2**31,
        device=chosen_device(),
        batch_size=options.batch_size or int(np.clip(len(train) // 40, 16, 256)),
        bf16=options.dtype == "bfloat16",
        state=state,
        blank_id=None if vocabulary is None else vocabulary.unknown_id,
    )
    setting, step_seconds = _calibrate(setting, train, job)
    state.bf16 = setting.bf16
    validation = (
        None if job.examples.test is None else examples_of(job.examples.test, prepared.metadata.pad_token_id or 0)
    )
    if prepared.cross_validated and validation is None:
        setting = setting.following(_SMALL_TABLE)
        course = _cross_validated(setting, train, job)
    else:
        course = state.course() or _budgeted(setting, train, validation, job, step_seconds)
        epochs = course.total_steps * setting.batch_size / len(train)
        setting = setting.following(_SHORT if epochs <= _FEW_EPOCHS else _LONG)
    result = fit(
        FitPlan(train=setting.shown(train), validation=validation, course=course),
        setting.new_model(),
        setting.optimizer,
        batch_size=setting.batch_size,
        bf16=setting.bf16,
        seed=setting.seed,
        training=setting.state,
    )
    _save(result, prepared, job)
    return _report(result, course.reason, setting, train, state.seconds)


def _calibrate(setting: _Setting, train: Examples, job: TrainingJob) -> tuple[_Setting, float]:
    """Choose the precision and measure a step, on throwaway weights.

    A fixed number of steps must train the same on a busy machine: nothing is timed then.
    """
    if setting.state.bf16 is not None:
        return evolve(setting, bf16=setting.state.bf16), 0.0
    automatic = setting.options.dtype == "auto"
    if job.training.max_steps is not None:
        return (evolve(setting, bf16=has_fast_bf16(setting.device)) if automatic else setting), 0.0
    choices = [True, False] if automatic else [setting.bf16]
    measured = {bf16: _step_seconds(evolve(setting, bf16=bf16), train) for bf16 in choices}
    # The shortest step tells precisions apart on a busy machine, the middle one what a step will take.
    fastest = min(measured, key=lambda bf16: min(measured[bf16]))
    return evolve(setting, bf16=fastest), float(np.median(measured[fastest]))


def _step_seconds(setting: _Setting, train: Examples) -> list[float]:
    model = setting.new_model()
    optimizer = setting.optimizer(model)
    indices = np.arange(setting.batch_size) % len(train)
    times = []
    for _ in range(_CALIBRATION_STEPS + 1):
        start = time.perf_counter()
        batch_loss(model, train, indices, setting.bf16).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - start)
    return times[1:]


def _budgeted(
    setting: _Setting,
    train: Examples,
    validation: Examples | None,
    job: TrainingJob,
    step_seconds: float,
) -> Course:
    epoch = max(1, len(train) // setting.batch_size)
    most, seconds = max(_MAX_EPOCHS * epoch, 1_000), None
    if job.training.max_steps is not None:
        steps = most = job.training.max_steps
    elif job.training.max_time is not None:
        seconds = job.training.max_time - setting.state.seconds
        # A validation row costs about a third of a training row: no backward pass.
        held_out = 0.0 if validation is None else step_seconds / 3 * len(validation) / setting.batch_size
        steps = min(most, max(1, int((seconds - 8 * held_out) / (step_seconds * 1.05))))
    else:
        steps = most
    return Course(
        total_steps=steps,
        most_steps=most,
        warmup=min(100, max(1, steps // 5)),
        decayed=True,
        evaluate_every=max(min(20, steps), min(steps // 8, epoch)),
        patience=2,
        max_seconds=seconds,
    )


def _cross_validated(setting: _Setting, train: Examples, job: TrainingJob) -> Course:
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
        left = None if seconds is None else (0.6 * seconds - setting.state.seconds) / (len(folds) - number)
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
        curves.append([loss for _, loss in result.curve])
    epochs = _best_epochs(curves)
    steps = max(1, round(epochs * len(train) / setting.batch_size))
    left = None if seconds is None else seconds - setting.state.seconds
    return evolve(
        course,
        total_steps=min(steps, limit),
        most_steps=min(steps, limit),
        warmup=min(20, steps),
        evaluate_every=0,
        max_seconds=left,
        reason=f"cross-validation over {len(folds)} folds found {epochs} epochs",
    )


def _seconds(job: TrainingJob) -> float | None:
    """The time budget; a number of steps has none, whatever the machine."""
    return job.training.max_time if job.training.max_steps is None else None


def _best_epochs(curves: list[list[float]]) -> int:
    shared = min(len(curve) for curve in curves)
    if shared == 0:
        return 1
    return int(np.mean([curve[:shared] for curve in curves], axis=0).argmin()) + 1


def _save(result: Fit, prepared: PreparedModel, job: TrainingJob) -> None:
    model = result.model
    with explained("write", job.directory, SafetensorError):
        job.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        (model.plain() if isinstance(model, ColumnwiseLlama) else model).save_pretrained(job.directory)
        prepared.tokenizer.save_pretrained(job.directory)
        flush_tree(job.directory)


def _report(result: Fit, reason: str | None, setting: _Setting, train: Examples, seconds: float) -> TrainingReport:
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
