"""What a step of a training by time is like: how large, how it is computed, and how long it takes.

All is measured on throwaway weights before the training, on other examples every time: products of shapes that were
not met before are set up first, and a batch that is computed again and again tells nothing of that. A training by
steps measures nothing, for it must be the same on any machine.
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
from rowsmith_backends.scratch.training.fit_settings import Setting
from rowsmith_backends.training.examples import Examples
from rowsmith_backends.training.fit import batch_loss

__all__ = ["Calibration", "StepSize", "calibrated", "largest_step"]

# The steps that a budget should hold at least; fewer learn nothing worth having.
_FEW_STEPS = 40
# So many are better than larger ones, down to steps of so few examples.
_ENOUGH_STEPS, _SMALL_STEP = 150, 32
_SHARE = 0.03
_ROUNDS = 8
_FIRST_TOKENS = 128
# Measured once more before it is believed to take too long: a machine may stand still for a moment.
_TRIES = 2


@frozen(kw_only=True)
class StepSize:
    """A step that was measured.

    Attributes:
        examples: Its examples.
        tokens: The most tokens of each.
        seconds: What it took.
    """

    examples: int
    tokens: int
    seconds: float


@frozen(kw_only=True)
class Calibration:
    """What was found.

    Attributes:
        setting: The setting, with precision, attention and size of a step.
        train: The examples, cut into windows where the budget asks for it.
        window: The most tokens of a window; None where examples are whole.
        step_seconds: What a step takes; 0 where nothing was measured.
    """

    setting: Setting
    train: Examples
    window: int | None = None
    step_seconds: float = 0.0


def calibrated(setting: Setting, train: Examples, job: TrainingJob) -> Calibration:
    """Choose the size of a step, precision and attention, and measure a step.

    Args:
        setting: With the size that a step should have; a training that is taken up says what it had.
        train: Training examples.
        job: The budget.
    """
    setting = evolve(setting, batch_size=min(setting.batch_size, len(train)))
    if setting.state.bf16 is not None:
        return _taken_up(setting, train)
    automatic = setting.options.dtype == "auto"
    setting = evolve(setting, bf16=has_fast_bf16(setting.device) if automatic else setting.bf16)
    if job.training.max_steps is not None:
        return Calibration(setting=_fitted(setting, train), train=train)
    seconds = job.training.max_time
    window, probed = None, 0.0
    if seconds is not None:
        setting, window, probed = _sized(setting, train, job, seconds)
    examples = train if window is None else windows_of(train, window)
    setting = _fitted(evolve(setting, batch_size=min(setting.batch_size, len(examples))), examples)
    setting, step = _fastest(setting, examples, _SHARE * (seconds or 120), probed)
    state = setting.state
    state.calibration = {"attention": setting.attention, "batch_size": setting.batch_size, "window": window}
    return Calibration(setting=setting, train=examples, window=window, step_seconds=step)


def _taken_up(setting: Setting, train: Examples) -> Calibration:
    step = setting.state.calibration
    window = step.get("window")
    examples = train if window is None else windows_of(train, window)
    return Calibration(
        setting=_fitted(
            evolve(
                setting,
                bf16=bool(setting.state.bf16),
                attention=step.get("attention", setting.attention),
                batch_size=step.get("batch_size", setting.batch_size),
            ),
            examples,
        ),
        train=examples,
        window=window,
    )


def _fitted(setting: Setting, examples: Examples) -> Setting:
    """The setting with the shapes that the examples have."""
    # The last token predicts nothing, so it is no input.
    return evolve(setting, buckets=bucket_lengths(examples.lengths - 1))


def largest_step(measure: Callable[[int, int], float], *, examples: int, tokens: int, target: float) -> StepSize:
    """The largest step that takes no longer than it should, found without ever trying one that takes far longer.

    Args:
        measure: Takes a step of so many examples of at most so many tokens, and says how many seconds it took.
        examples: The most examples.
        tokens: The most tokens of an example. There is one example only until it has as many.
        target: What a step should take at most, in seconds.
    """
    size = (1, min(tokens, _FIRST_TOKENS))
    # The first step of all sets much up.
    seconds = min(measure(*size), measure(*size))
    while size != (examples, tokens):
        ratio, larger = _larger(size, examples, tokens)
        if ratio * seconds > target:
            break
        found = _measured(measure, larger, target)
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


def _larger(size: tuple[int, int], examples: int, tokens: int) -> tuple[float, tuple[int, int]]:
    """The next size to try, and how many times more it has to compute at least."""
    if size[1] < tokens:
        longer = min(2 * size[1], tokens)
        return longer / size[1], (1, longer)
    more = min(2 * size[0], examples)
    # A step of few tokens takes what its calls take.
    return more / size[0] / 2, (more, tokens)


def _measured(measure: Callable[[int, int], float], size: tuple[int, int], target: float) -> float:
    found = np.inf
    for _ in range(_TRIES):
        try:
            found = min(found, measure(*size))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if found <= target:
            break
    return float(found)


def _sized(setting: Setting, train: Examples, job: TrainingJob, seconds: float) -> tuple[Setting, int | None, float]:
    """A step of which a budget holds enough, the window where whole examples are too long, and a step's seconds."""
    longest, target = int(train.lengths.max()), seconds / _FEW_STEPS
    found = largest_step(_Prober(setting, train), examples=setting.batch_size, tokens=longest, target=target)
    least = shortest_window(train) if found.tokens < longest else None
    window = None if least is None else max(least, found.tokens)
    tokens = window or longest
    # Attention makes it at most the square.
    likely = found.seconds * max(1.0, tokens / found.tokens) ** 2
    if likely > seconds:
        job.note(
            f"a step of one example of {tokens:,} tokens takes up to {likely:,.0f} s, and the time for training is "
            f"{seconds:,.0f} s: little or nothing will be learned. Give it more time (training.max_time), fewer "
            "columns, or a smaller model (model.options.width or layers)."
        )
    elif window is not None:
        job.note(
            f"training examples of more than {window:,} tokens (the longest has {longest:,}) are learned in windows of "
            f"at most as many, so that {seconds:,.0f} s hold {_FEW_STEPS} steps: what lies further apart is not "
            "learned. With more time (training.max_time) they are learned whole."
        )
    examples = found.examples if window is not None else _enough_steps(found, seconds)
    if examples < setting.batch_size and window is None and likely <= seconds:
        job.note(
            f"a step has {examples:,} examples instead of {setting.batch_size:,}, so that {seconds:,.0f} s of training "
            "hold more steps"
        )
    return evolve(setting, batch_size=max(1, examples)), window, found.seconds * examples / max(1, found.examples)


def _enough_steps(found: StepSize, seconds: float) -> int:
    """The examples of a step of which a budget holds enough, but for steps that are small already."""
    share = seconds / _ENOUGH_STEPS / max(found.seconds, 1e-9)
    return min(found.examples, max(_SMALL_STEP, int(found.examples * share)))


class _Stepper:
    """Steps of a throwaway model."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._model = setting.new_model()
        self._optimizer = setting.optimizer(self._model)

    def seconds(self, examples: Examples, chosen: np.ndarray) -> float:
        """What a step on some examples takes."""
        _wait(self._setting.device)
        began = time.perf_counter()
        batch_loss(self._model, examples, chosen, self._setting.bf16).backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        _wait(self._setting.device)
        return time.perf_counter() - began


class _Prober:
    """Takes steps of any size: the longest examples, cut off."""

    def __init__(self, setting: Setting, train: Examples) -> None:
        self._stepper, self._train = _Stepper(setting), train
        self._longest_first = np.argsort(-train.lengths, kind="stable")
        self._random = np.random.default_rng(setting.seed)

    def __call__(self, examples: int, tokens: int) -> float:
        # One example is the longest, for that has to fit; several are like those of a batch.
        chosen = self._longest_first[:1] if examples == 1 else _draw(self._random, len(self._train), examples)
        return self._stepper.seconds(_Beginnings(self._train, tokens), chosen)


@frozen(eq=False)
class _Beginnings:
    """The first tokens of examples."""

    source: Examples
    most: int

    def __len__(self) -> int:
        return len(self.source)

    @property
    def lengths(self) -> np.ndarray:
        return self.source.lengths.clip(max=self.most)

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        return {name: array[:, : self.most] for name, array in self.source.batch(indices).items()}


def _fastest(setting: Setting, train: Examples, limit: float, probed: float) -> tuple[Setting, float]:
    """The faster precision and attention, and what a step takes with them.

    Ways take turns on the same examples, so that a busy machine slows all; those that time does not allow to be tried
    are left out. Each batch is computed twice: what is set up for shapes that were not met before counts in what a step
    will take, and not in which way is the faster one in the long run.
    """
    ways = _ways(setting)[: max(1, int(limit / (2 * probed))) if probed else None]
    steppers = [_Stepper(way) for way in ways]
    times: list[list[float]] = [[] for _ in ways]
    again: list[list[float]] = [[] for _ in ways]
    random = np.random.default_rng(setting.seed)
    for round_ in range(_ROUNDS + 1):
        chosen = _draw(random, len(train), setting.batch_size)
        for stepper, first, second in zip(steppers, times, again, strict=True):
            first.append(stepper.seconds(train, chosen))
            second.append(stepper.seconds(train, chosen))
        # A machine that once stands still does not keep the other steps from being measured.
        spent = sum(sum(taken) - max(taken) for taken in (*times, *again))
        if round_ and spent > limit:
            break
    # The shortest step tells ways apart on a busy machine, the middle one what a step will take.
    best = min(range(len(ways)), key=lambda way: min(again[way]))
    return ways[best], float(np.median(times[best][1:]))


def _ways(setting: Setting) -> list[Setting]:
    """The settings to try, the likeliest first."""
    precisions = [setting.bf16, not setting.bf16] if setting.options.dtype == "auto" else [setting.bf16]
    pairs = [(bf16, attention) for attention in setting.attentions for bf16 in precisions]
    return [evolve(setting, bf16=bf16, attention=attention) for bf16, attention in pairs]


def _draw(random: np.random.Generator, count: int, wanted: int) -> np.ndarray:
    return random.choice(count, min(wanted, count), replace=False)


def _wait(device: torch.device) -> None:
    """Have a GPU finish what it was given: it works on while the clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
