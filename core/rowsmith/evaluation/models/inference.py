"""Inference jobs: a model, how it is run, and where results go."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import field, frozen, validators

from rowsmith.config.defaults import BACKEND
from rowsmith.errors import ParameterError
from rowsmith.evaluation.models.exchange import Exchange, SingleProcess
from rowsmith.evaluation.models.executor import MAX_ROWS, MAX_TOKENS, Executor
from rowsmith.evaluation.models.model import LanguageModel, M
from rowsmith.interruption import StopRequest
from rowsmith.randomness.seeds import Seeds
from rowsmith.storage.run_directory import RunDirectory

if TYPE_CHECKING:
    from rowsmith.components import ComponentRef
    from rowsmith.evaluation.models.evaluation import Evaluation
    from rowsmith.plugins import Registry

__all__ = ["BaseTrainer", "C", "EvaluatorConfig", "ExecutionSpec", "InferenceJob"]

C = TypeVar("C")
"""The configuration of an inference job."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SAMPLING_STAGE = "evaluation.sampling"


def _check_name(instance: object, attribute: Any, value: str) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ParameterError(
            f"{value!r:.100} is no name of results: use up to 64 letters, digits, '-' and '_', a letter or digit first"
        )


@frozen(kw_only=True)
class ExecutionSpec:
    """How and where a model is evaluated.

    Attributes:
        root: The folder that checkpoints are in, and results.
        name: The name of the results, which distinguishes those of several evaluators of one model.
        seed: Seed of everything random.
        per_device_batch_size: The most sequences of a batch.
        max_batch_tokens: The most tokens of a batch, padding included.
        exchange: The topology: the processes that evaluate together.
        backend: What runs the model of a checkpoint: a component's name, or name and options.
        evaluations: What is evaluated, in place of what the checkpoint's configuration names.
        tables: What evaluations of tables are bound to; None if there are no tables.
        registry: Where components are found; the installed plugins by default.
        allow_factory: Code of no plugin that a saved configuration may run, each as ``package.module:name``.
        progress: Called with the number of finished requests and of all of them.
        stop: Whether the evaluation was asked to end.
    """

    root: Path = field(default=Path(), converter=Path)
    name: str = field(default="evaluation", validator=_check_name)
    seed: int = field(default=0, validator=validators.ge(0))
    per_device_batch_size: int = field(default=MAX_ROWS, validator=validators.ge(1))
    max_batch_tokens: int = field(default=MAX_TOKENS, validator=validators.ge(1))
    exchange: Exchange = field(factory=SingleProcess)
    backend: str | ComponentRef = BACKEND
    evaluations: Sequence[Evaluation | ComponentRef | str] | None = None
    tables: Any = None
    registry: Registry | None = None
    allow_factory: tuple[str, ...] = ()
    progress: Callable[[int, int], None] = lambda done, total: None
    stop: StopRequest = field(factory=StopRequest)


@frozen(kw_only=True)
class EvaluatorConfig:
    """Configuration of an evaluator.

    Attributes:
        name: The name of its results.
        seed: Seed of everything random.
        arguments: Keyword arguments of every evaluation, such as ``temperature``.
    """

    name: str = field(default="evaluation", validator=_check_name)
    seed: int = field(default=0, validator=validators.ge(0))
    arguments: Mapping[str, Any] = field(factory=dict)


class InferenceJob(Generic[C, M]):
    """Runs a model; evaluations reach it through ``executor``.

    Args:
        model: The model.
        config: The configuration of the job.
        spec: How it is run.

    Attributes:
        model: The model.
        config: The configuration of the job.
        spec: How it is run.
        executor: Runs requests.
    """

    def __init__(self, model: M, config: C, spec: ExecutionSpec | None = None) -> None:
        self.spec = spec or ExecutionSpec()
        self.model = model
        self.config = config
        self.executor: Executor[M] = Executor(
            model=model,
            max_rows=self.spec.per_device_batch_size,
            max_tokens=self.spec.max_batch_tokens,
            exchange=self.spec.exchange,
            progress=self.spec.progress,
            stop=self.spec.stop,
        )

    @property
    def block_size(self) -> int:
        """The most tokens of one sequence."""
        return self.model.block_size

    def sampling_seed(self, name: str) -> int:
        """The seed of the draws of an evaluation.

        Args:
            name: The evaluation.
        """
        return Seeds(self.spec.seed).integer(f"{_SAMPLING_STAGE}.{name}")

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do."""
        return False

    def run(self) -> None:
        """Do the job; a job of another kind says how."""
        raise NotImplementedError

    def __call__(self) -> None:
        """Run the job unless it is done; all processes return together."""
        exchange = self.spec.exchange
        if not exchange.gather(exchange.rank == 0 and self.done)[0]:
            self.run()


class BaseTrainer(ABC, Generic[C, M]):
    """A training whose model can be evaluated while it goes on.

    Attributes:
        config: The configuration of the training.
        spec: How its model is evaluated, and where results go.
        evaluations: What is evaluated, unless the evaluator is given something else.
        encoding: The tokenizer; None for the model's own.
    """

    config: C
    spec: ExecutionSpec = ExecutionSpec()
    evaluations: Sequence[Evaluation] = ()
    encoding: Any = None

    @abstractmethod
    def language_model(self) -> M:
        """The model with its current weights."""

    @property
    def directory(self) -> RunDirectory:
        """Where results go."""
        return RunDirectory(self.spec.root)


def unsupported(model: object) -> ParameterError:
    """The error of a trainer or backend whose model cannot be evaluated."""
    return ParameterError(
        f"a {type(model).__name__} has no method language_model() that gives a {LanguageModel.__name__}; evaluate with "
        f"a backend or trainer that has one, such as the backend {BACKEND!r}"
    )
