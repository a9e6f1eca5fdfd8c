"""Calibration of a training by time: size, precision, attention and duration of a step.

Steps are measured on throwaway weights before the training, on different examples every time: setting up products of
new shapes takes time, which repeating one batch would hide. A training by steps measures nothing, because it must be
the same on any machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from attrs import evolve, frozen

from rowsmith.model import TrainingJob
from rowsmith.storage.out_of_memory import is_out_of_memory
from rowsmith_backends.sampling.precision import has_fast_bf16
from rowsmith_backends.scratch.shape_buckets import bucket_lengths
from rowsmith_backends.scratch.training.example_windows import shortest_window, windows_of
from rowsmith_backends.scratch.training.fit_settings import FitSettings
from rowsmith_backends.training.examples import Examples
from rowsmith_backends.training.fit import batch_loss

__all__ = ["Calibration", "StepSize", "calibrated", "largest_step"]

# The fewest steps that a budget should allow; fewer learn nothing useful.
_FEW_STEPS = 40
# Up to this many steps, more steps are better than larger ones, down to this many examples a step.
_ENOUGH_STEPS, _SMALL_STEP = 150, 32
_TIME_SHARE = 0.03
_ROUNDS = 8
_FIRST_TOKENS = 128
# A slow measurement is repeated once: the machine may have stalled for a moment.
_ATTEMPTS = 2


@frozen(kw_only=True)
class StepSize:
    """A measured step.

    Attributes:
        examples: Number of examples.
        tokens: The most tokens of an example.
        seconds: Duration.
    """

    examples: int
    tokens: int
    seconds: float


@frozen(kw_only=True)
class Calibration:
    """Result of the calibration.

    Attributes:
        settings: The settings, with precision, attention and batch size.
        train: The examples, split into windows if the budget needs it.
        window: The most tokens of a window; None for whole examples.
        step_seconds: Duration of a step; 0 if it was not measured.
    """

    settings: FitSettings
    train: Examples
    window: int | None = None
    step_seconds: float = 0.0


def calibrated(settings: FitSettings, train: Examples, job: TrainingJob) -> Calibration:
    """Choose the size of a step, precision and attention, and measure a step.

    Args:
        settings: Settings with the preferred batch size; a resumed training uses that of its checkpoint.
        train: Training examples.
        job: The budget.
    """
    settings = evolve(settings, batch_size=min(settings.batch_size, len(train)))
    if settings.state.bf16 is not None:
        return _resumed(settings, train)
    automatic = settings.options.dtype == "auto"
    settings = evolve(settings, bf16=has_fast_bf16(settings.device) if automatic else settings.bf16)
    if job.training.max_steps is not None:
        return Calibration(settings=_with_buckets(settings, train), train=train)
    seconds = job.training.max_time
    window, probe_seconds = None, 0.0
    if seconds is not None:
        settings, window, probe_seconds = _choose_size(settings, train, job, seconds)
    examples = train if window is None else windows_of(train, window)
    settings = _with_buckets(evolve(settings, batch_size=min(settings.batch_size, len(examples))), examples)
    settings, step = _choose_fastest(settings, examples, _TIME_SHARE * (seconds or 120), probe_seconds)
    state = settings.state
    state.calibration = {"attention": settings.attention, "batch_size": settings.batch_size, "window": window}
    return Calibration(settings=settings, train=examples, window=window, step_seconds=step)


def _resumed(settings: FitSettings, train: Examples) -> Calibration:
    step = settings.state.calibration
    window = step.get("window")
    examples = train if window is None else windows_of(train, window)
    return Calibration(
        settings=_with_buckets(
            evolve(
                settings,
                bf16=bool(settings.state.bf16),
                attention=step.get("attention", settings.attention),
                batch_size=step.get("batch_size", settings.batch_size),
            ),
            examples,
        ),
        train=examples,
        window=window,
    )


def _with_buckets(settings: FitSettings, examples: Examples) -> FitSettings:
    """The settings with length buckets for the examples."""
    # The last token predicts nothing, so it is not an input.
    return evolve(settings, buckets=bucket_lengths(examples.lengths - 1))


def largest_step(measure: Callable[[int, int], float], *, examples: int, tokens: int, target: float) -> StepSize:
    """Find the largest step within a time limit, without trying one that takes far longer.

    Args:
        measure: Runs a step of a number of examples with a limit of tokens, and returns its seconds.
        examples: The most examples.
        tokens: The most tokens of an example; more than one example is tried only at this length.
        target: Time limit of a step, in seconds.
    """
    size = (1, min(tokens, _FIRST_TOKENS))
    # The very first step includes one-time setup.
    seconds = min(measure(*size), measure(*size))
    while size != (examples, tokens):
        ratio, larger = _next_size(size, examples, tokens)
        if ratio * seconds > target:
            break
        found = _measure_step(measure, larger, target)
        if found > target:
            break
        size, seconds = larger, found
    whole = size[1] == tokens
    share = max(1.0, target / max(seconds, 1e-9))
    return StepSize(
        examples=min(examples, int(size[0] * min(share, 2))) if whole else 1,
        tokens=tokens if whole else min(tokens, int(size[1] * min(share**0.5, 2))),
        seconds=seconds,
    )


def _next_size(size: tuple[int, int], examples: int, tokens: int) -> tuple[float, tuple[int, int]]:
    """The next size to try, and the least factor by which it computes more."""
    if size[1] < tokens:
        longer = min(2 * size[1], tokens)
        return longer / size[1], (1, longer)
    more = min(2 * size[0], examples)
    # The duration of a step of few tokens is mostly call overhead.
    return more / size[0] / 2, (more, tokens)


def _measure_step(measure: Callable[[int, int], float], size: tuple[int, int], target: float) -> float:
    found = np.inf
    for _ in range(_ATTEMPTS):
        try:
            found = min(found, measure(*size))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if found <= target:
            break
    return float(found)


def _choose_size(
    settings: FitSettings, train: Examples, job: TrainingJob, seconds: float
) -> tuple[FitSettings, int | None, float]:
    """Choose a batch size, and a window if whole examples are too long for the budget; also the seconds of a step."""
    longest, target = int(train.lengths.max()), seconds / _FEW_STEPS
    found = largest_step(_StepProber(settings, train), examples=settings.batch_size, tokens=longest, target=target)
    least = shortest_window(train) if found.tokens < longest else None
    window = None if least is None else max(least, found.tokens)
    tokens = window or longest
    # With attention, time grows at most with the square of the length.
    expected_seconds = found.seconds * max(1.0, tokens / found.tokens) ** 2
    if expected_seconds > seconds:
        job.note(
            f"a step of one example of {tokens:,} tokens takes up to {expected_seconds:,.0f} s, and the time "
            f"for training is {seconds:,.0f} s: little or nothing will be learned. Give it more time "
            "(training.max_time), fewer columns, or a smaller model (model.options.width or layers)."
        )
    elif window is not None:
        job.note(
            f"training examples of more than {window:,} tokens (the longest has {longest:,}) are learned in windows of "
            f"at most as many, so that {seconds:,.0f} s hold {_FEW_STEPS} steps: what lies further apart is not "
            "learned. With more time (training.max_time) they are learned whole."
        )
    examples = found.examples if window is not None else _enough_steps(found, seconds)
    if examples < settings.batch_size and window is None and expected_seconds <= seconds:
        job.note(
            f"a step has {examples:,} examples instead of {settings.batch_size:,}, so that {seconds:,.0f} s of "
            "training hold more steps"
        )
    return evolve(settings, batch_size=max(1, examples)), window, found.seconds * examples / max(1, found.examples)


def _enough_steps(found: StepSize, seconds: float) -> int:
    """Examples a step, so that the budget allows enough steps; small steps are not reduced further."""
    share = seconds / _ENOUGH_STEPS / max(found.seconds, 1e-9)
    return min(found.examples, max(_SMALL_STEP, int(found.examples * share)))


class _ThrowawayModel:
    """Steps of a throwaway model."""

    def __init__(self, settings: FitSettings) -> None:
        self._settings = settings
        self._model = settings.new_model()
        self._optimizer = settings.optimizer(self._model)

    def seconds(self, examples: Examples, chosen: np.ndarray) -> float:
        """Seconds of a step on some examples."""
        _synchronize(self._settings.device)
        began = time.perf_counter()
        batch_loss(self._model, examples, chosen, self._settings.bf16).backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        _synchronize(self._settings.device)
        return time.perf_counter() - began


class _StepProber:
    """Measures steps of any size, on truncated examples."""

    def __init__(self, settings: FitSettings, train: Examples) -> None:
        self._throwaway, self._train = _ThrowawayModel(settings), train
        self._longest_first = np.argsort(-train.lengths, kind="stable")
        self._random = np.random.default_rng(settings.seed)

    def __call__(self, examples: int, tokens: int) -> float:
        # A single example is the longest one, since it must fit; several are drawn like a batch.
        chosen = self._longest_first[:1] if examples == 1 else _draw(self._random, len(self._train), examples)
        return self._throwaway.seconds(_TruncatedExamples(self._train, tokens), chosen)


@frozen(eq=False)
class _TruncatedExamples:
    """Examples truncated to their first tokens."""

    source: Examples
    max_tokens: int

    def __len__(self) -> int:
        return len(self.source)

    @property
    def lengths(self) -> np.ndarray:
        return self.source.lengths.clip(max=self.max_tokens)

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        return {name: array[:, : self.max_tokens] for name, array in self.source.batch(indices).items()}


def _choose_fastest(
    settings: FitSettings, train: Examples, limit: float, probe_seconds: float
) -> tuple[FitSettings, float]:
    """Choose the fastest precision and attention, and measure a step with them.

    Candidates take turns on the same examples, so that a busy machine slows all of them; those for which there is no
    time are left out. Each batch is computed twice: setup of new shapes counts towards the duration of a step, but not
    towards the choice of the candidate that is faster in the long run.
    """
    candidates = _candidates(settings)[: max(1, int(limit / (2 * probe_seconds))) if probe_seconds else None]
    models = [_ThrowawayModel(candidate) for candidate in candidates]
    times: list[list[float]] = [[] for _ in candidates]
    repeat_times: list[list[float]] = [[] for _ in candidates]
    random = np.random.default_rng(settings.seed)
    for round_ in range(_ROUNDS + 1):
        chosen = _draw(random, len(train), settings.batch_size)
        for model, first, second in zip(models, times, repeat_times, strict=True):
            first.append(model.seconds(train, chosen))
            second.append(model.seconds(train, chosen))
        # A single stall of the machine does not use up the time for the other measurements.
        spent = sum(sum(taken) - max(taken) for taken in (*times, *repeat_times))
        if round_ and spent > limit:
            break
    # On a busy machine the shortest step compares candidates best; the median predicts the duration of a step.
    best = min(range(len(candidates)), key=lambda candidate: min(repeat_times[candidate]))
    return candidates[best], float(np.median(times[best][1:]))


def _candidates(settings: FitSettings) -> list[FitSettings]:
    """Settings to try, the likeliest first."""
    precisions = [settings.bf16, not settings.bf16] if settings.options.dtype == "auto" else [settings.bf16]
    pairs = [(bf16, attention) for attention in settings.attentions for bf16 in precisions]
    return [evolve(settings, bf16=bf16, attention=attention) for bf16, attention in pairs]


def _draw(random: np.random.Generator, count: int, wanted: int) -> np.ndarray:
    return random.choice(count, min(wanted, count), replace=False)


def _synchronize(device: torch.device) -> None:
    """Wait for a GPU to finish, since it computes asynchronously."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
