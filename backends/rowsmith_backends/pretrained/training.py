"""Fine-tuning of a pretrained model: turn the budget into steps, then run the Hugging Face Trainer.

The learning rate warms up and decays along a cosine; the held-out loss may stop training early; the final weights are
an exponential moving average, from the step with the best held-out loss. With an adapter, all of this concerns the
adapter's weights only.
"""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from attrs import frozen

from rowsmith.errors import TrainingError
from rowsmith.model import PreparedModel, TrainingJob, TrainingReport
from rowsmith_backends.pretrained.learning_rates import learning_rate_for
from rowsmith_backends.pretrained.loading import digest_of, load_base, unusable_base
from rowsmith_backends.pretrained.lora import Adapter, add_adapter, save_adapter
from rowsmith_backends.sampling.precision import chosen_device, has_fast_bf16
from rowsmith_backends.training.budget import course_of_budget, limit_held_out
from rowsmith_backends.training.examples import Examples, examples_of
from rowsmith_backends.training.fit import Fit, MicroBatches, batch_loss, fit
from rowsmith_backends.training.plan import Course, FitPlan
from rowsmith_backends.training.progress_bars import no_progress_bars
from rowsmith_backends.training.saving import save_model
from rowsmith_backends.training.state import TrainingState

if TYPE_CHECKING:
    from rowsmith_backends.pretrained.options import PretrainedOptions

__all__ = ["train_pretrained"]

_MAX_EPOCHS = 20
_CALIBRATION_SHARE = 0.03
_CALIBRATION_STEPS = 5
_HELD_OUT_TOKENS = 16_384
# Small batches give a small table enough steps; larger ones would not speed up learning.
_BATCHES, _BATCH_TOKENS = 40, (2_048, 16_384)


def train_pretrained(
    prepared: PreparedModel, job: TrainingJob, options: PretrainedOptions, folder: Path
) -> TrainingReport:
    """Fine-tune a pretrained model and save its adapter, or the whole model, with the tokenizer.

    Args:
        prepared: Tokenizer, metadata and base model.
        job: Examples, budget and target directory.
        options: What is trained, and how.
        folder: The base model.

    Returns:
        Report of the training.

    Raises:
        TrainingError: There are no examples, the loss is not finite, or memory does not suffice.
        ConfigError: The base model cannot be loaded, or has no layers of the names that are asked for.
    """
    with job.stop.awaited():
        return _train(prepared, job, options, folder)


@no_progress_bars()
def _train(prepared: PreparedModel, job: TrainingJob, options: PretrainedOptions, folder: Path) -> TrainingReport:
    state = TrainingState.of(job, digest_of(folder) if prepared.base is None else prepared.base.digest)
    if state.bf16 is None:
        state.bf16 = options.dtype == "bfloat16" or (options.dtype == "auto" and has_fast_bf16(chosen_device()))
    began = time.monotonic()
    fine_tuning = FineTuning.of(folder, prepared, options, job.seeds.integer("training") % 2**31, state.bf16)
    # The budget is for training alone, without the time to load the model.
    state.started += time.monotonic() - began
    train, validation = _examples(prepared, job)
    batch_size, micro_batches = _micro_batches(train, options, job.ranks.count)
    step_seconds = (
        0.0 if state.course() else state.process_group.broadcast(_step_seconds(fine_tuning, train, micro_batches, job))
    )
    if validation is not None:
        validation = limit_held_out(
            validation, train, batch_size=batch_size, step_seconds=step_seconds, seed=fine_tuning.seed, state=state
        )
    result = fit(
        FitPlan(train=train, validation=validation, course=_course(train, validation, batch_size, step_seconds, state)),
        fine_tuning.model,
        fine_tuning.optimizer,
        batch_size=batch_size,
        bf16=fine_tuning.bf16,
        seed=fine_tuning.seed,
        training=state,
        micro_batches=micro_batches,
        early_stopping=job.early_stopping,
        write=functools.partial(_write_unfinished, prepared),
    )
    result.model.config.use_cache = fine_tuning.use_cache
    if job.ranks.is_main:
        save_model(prepared, job, lambda: _write(result.model, prepared, job.directory))
    state.process_group.destroy()
    return _report(result, fine_tuning, batch_size, train, state.seconds)


def _examples(prepared: PreparedModel, job: TrainingJob) -> tuple[Examples, Examples | None]:
    """Training examples and held-out ones."""
    pad = prepared.metadata.pad_token_id or 0
    train, test = examples_of(job.examples.train, pad), job.examples.test
    if len(train) == 0:
        raise TrainingError("there are no training examples: give more rows, or lower training.validation_ratio.")
    return train, None if test is None else examples_of(test, pad)


def _course(
    train: Examples, validation: Examples | None, batch_size: int, step_seconds: float, state: TrainingState
) -> Course:
    """The course of a resumed fit, or a new one; the first process decides for all."""
    return state.course() or course_of_budget(
        state.job.training,
        train,
        validation,
        batch_size=batch_size,
        step_seconds=step_seconds,
        spent=state.process_group.broadcast(state.seconds),
        most_epochs=_MAX_EPOCHS,
    )


@frozen(kw_only=True, eq=False)
class FineTuning:
    """A model that is being fine-tuned.

    Attributes:
        model: The model; trained weights require gradients.
        seed: Seed of the adapter's weights and of everything random.
        bf16: Whether matrix products are computed in bfloat16.
        use_cache: The ``use_cache`` of the model's configuration, restored after training.
        learning_rate: Peak rate.
        weight_decay: Decoupled weight decay.
    """

    model: Any
    seed: int
    bf16: bool
    use_cache: bool
    learning_rate: float
    weight_decay: float

    @classmethod
    def of(cls, folder: Path, prepared: PreparedModel, options: PretrainedOptions, seed: int, bf16: bool) -> FineTuning:
        """The model that options name, with an adapter unless all of it is trained."""
        # Trained weights are in float32; frozen ones may be in bfloat16.
        frozen_dtype = torch.bfloat16 if bf16 and not options.full else torch.float32
        scaling = prepared.metadata.rope_scaling
        model = load_base(folder, dtype=frozen_dtype, rope_scaling=scaling, error=unusable_base).to(chosen_device())
        use_cache = getattr(model.config, "use_cache", True)
        rate = options.learning_rate or learning_rate_for(model.config, full=options.full)
        # A KV cache is useful for generation only, and takes memory.
        model.config.use_cache = False
        torch.manual_seed(seed)
        if not options.full:
            model = _adapted(model, options)
        if options.gradient_checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        return cls(
            model=model,
            seed=seed,
            bf16=bf16,
            use_cache=use_cache,
            learning_rate=rate,
            weight_decay=options.weight_decay,
        )

    @property
    def parameters(self) -> int:
        """The number of weights that are trained."""
        return sum(weight.numel() for weight in self.model.parameters() if weight.requires_grad)

    def optimizer(self, model: Any) -> torch.optim.Optimizer:
        """The optimizer of the trained weights."""
        return torch.optim.AdamW(
            [weight for weight in model.parameters() if weight.requires_grad],
            lr=self.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=self.weight_decay,
            fused=True,
        )


def _adapted(model: Any, options: PretrainedOptions) -> Any:
    adapter = Adapter(
        rank=options.rank,
        alpha=options.rank if options.alpha is None else options.alpha,
        rslora=options.rslora,
        modules=options.target_modules,
        dropout=options.dropout,
    )
    try:
        return add_adapter(model, adapter)
    except ValueError as error:
        reason = str(error).splitlines()[0][:200]
        named = ", ".join(options.target_modules)
        raise unusable_base(f"target_modules {named} cannot be used: {reason}", "target_modules") from error


def _micro_batches(train: Examples, options: PretrainedOptions, processes: int) -> tuple[int, MicroBatches]:
    """Batch size, and the micro-batches of a process."""
    mean, longest = float(train.lengths.mean()), int(train.lengths.max())
    tokens = options.batch_tokens or int(np.clip(train.lengths.sum() // _BATCHES, *_BATCH_TOKENS))
    target_size = int(np.clip(tokens // mean, 1, len(train)))
    number = max(1, min(options.gradient_accumulation, target_size // processes))
    held_out = max(1, min(_HELD_OUT_TOKENS, tokens) // number // longest)
    micro_batches = MicroBatches(examples=max(1, target_size // number // processes), count=number, held_out=held_out)
    return micro_batches.examples * number * processes, micro_batches


def _step_seconds(fine_tuning: FineTuning, train: Examples, micro_batches: MicroBatches, job: TrainingJob) -> float:
    """Seconds of a step, measured without updating weights; 0 for a budget of steps, which must not be timed."""
    if job.training.max_steps is not None:
        return 0.0
    # Different examples every time, since lengths differ; the generators of the training are left untouched.
    random = np.random.default_rng(fine_tuning.seed)
    times: list[float] = []
    with torch.random.fork_rng():
        while len(times) <= _CALIBRATION_STEPS and sum(times) < _CALIBRATION_SHARE * (job.training.max_time or 120):
            start = time.perf_counter()
            indices = random.choice(len(train), micro_batches.examples, replace=False)
            batch_loss(fine_tuning.model, train, indices, fine_tuning.bf16).backward()
            fine_tuning.model.zero_grad()
            times.append(time.perf_counter() - start)
    return float(np.median(times[1:] or times)) * micro_batches.count


def _write(model: Any, prepared: PreparedModel, folder: Path) -> None:
    if prepared.base is not None:
        save_adapter(model, folder, prepared.base.name)
    else:
        vars(model.config).pop("auto_map", None)
        model.save_pretrained(folder)


def _write_unfinished(prepared: PreparedModel, model: Any, folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    _write(model, prepared, folder)
    prepared.tokenizer.save_pretrained(folder)


def _report(result: Fit, fine_tuning: FineTuning, batch_size: int, train: Examples, seconds: float) -> TrainingReport:
    return TrainingReport(
        steps=result.steps,
        total_steps=result.total_steps,
        tokens=result.tokens,
        seconds=seconds,
        epochs=result.steps * batch_size / len(train),
        validation_loss=result.best_loss,
        best_step=result.best_step,
        parameters=fine_tuning.parameters,
        dtype="bfloat16" if fine_tuning.bf16 else "float32",
        stop_reason=result.stop_reason,
    )
