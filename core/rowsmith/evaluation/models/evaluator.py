"""The evaluator: runs a list of evaluations on one model and saves the results."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, cast

from attrs import evolve, frozen

from rowsmith.errors import ParameterError
from rowsmith.evaluation.models.checkpoint import open_checkpoint
from rowsmith.evaluation.models.evaluation import Evaluation, ModelScore
from rowsmith.evaluation.models.inference import BaseTrainer, EvaluatorConfig, ExecutionSpec, InferenceJob, unsupported
from rowsmith.evaluation.models.model import LanguageModel, M
from rowsmith.evaluation.models.results import EvaluationResults, Outcome, OutcomeStatus, read_results, results_file
from rowsmith.interruption import Interrupted
from rowsmith.storage.run_directory import RunDirectory

__all__ = ["Evaluator", "Unavailable"]

_logger = logging.getLogger(__name__)


@frozen
class Unavailable:
    """An evaluation that cannot be asked of the model: it is named in the results with the reason.

    Attributes:
        name: Its name.
        reason: Why not.
        failed: Whether that is an error, and not a choice.
    """

    name: str
    reason: str
    failed: bool = False


class Evaluator(InferenceJob[EvaluatorConfig, M], Generic[M]):
    """InferenceJob that runs evaluations and saves results.

    Created from a trainer or checkpoint, holds a list of evaluations, and runs them when run() is called. An evaluation
    that fails does not stop the others: the results name it and its error, and their status is ``failed``.

    Example::

        evaluator = Evaluator.from_trainer(trainer, evaluations, encoding)
        evaluator()  # Runs evaluations and saves results

    Direct init not supported - use from_trainer() or from_checkpoint().

    Attributes:
        evaluations: What is evaluated.
        encoding: The tokenizer.
        directory: Where results go.
        results: The results of the last run, or what was found on disk; None before.
    """

    evaluations: tuple[Evaluation | Unavailable, ...]
    encoding: Any
    directory: RunDirectory
    results: EvaluationResults | None

    def __init__(self, spec: ExecutionSpec) -> None:
        raise ParameterError(
            "an Evaluator is not made directly: use Evaluator.from_trainer(trainer) or "
            "Evaluator.from_checkpoint(suffix, spec)"
        )

    @classmethod
    def _made(
        cls,
        model: LanguageModel,
        evaluations: Sequence[Evaluation | Unavailable],
        encoding: Any,
        spec: ExecutionSpec,
        directory: RunDirectory,
    ) -> Evaluator[M]:
        made = cls.__new__(cls)
        InferenceJob.__init__(made, cast(M, model), EvaluatorConfig(name=spec.name, seed=spec.seed), spec)
        made.evaluations = tuple(evaluations)
        made.encoding = model.encoding if encoding is None else encoding
        made.directory = directory
        made.results = None
        _check_names(made.evaluations)
        return made

    @classmethod
    def from_trainer(
        cls,
        trainer: BaseTrainer[Any, Any],
        evaluations: Sequence[Evaluation] | None = None,
        encoding: Any = None,
    ) -> Evaluator[M]:
        """Create Evaluator from trainer.

        Args:
            trainer: BaseTrainer instance to get inference state from.
            evaluations: What is evaluated; by default what the trainer names.
            encoding: The tokenizer; by default the trainer's, or the model's own.

        Returns:
            Evaluator instance ready to run evaluations.

        Raises:
            ParameterError: The trainer has no model that can be evaluated, or two evaluations have one name.
        """
        language_model = getattr(trainer, "language_model", None)
        model = language_model() if callable(language_model) else None
        if not isinstance(model, LanguageModel):
            raise unsupported(trainer)
        spec = getattr(trainer, "spec", None) or ExecutionSpec()
        chosen = getattr(trainer, "evaluations", ()) if evaluations is None else evaluations
        own_encoding = getattr(trainer, "encoding", None) if encoding is None else encoding
        return cls._made(model, chosen, own_encoding, spec, RunDirectory(spec.root))

    @classmethod
    def from_checkpoint(cls, suffix: str | Path, spec: ExecutionSpec) -> tuple[Evaluator[M], Any]:
        """Create Evaluator from checkpoint.

        Args:
            suffix: The run directory of a trained model, or its bundle, below ``spec.root``.
            spec: ExecutionSpec with topology, backend and, in place of the stored ones, evaluations.

        Returns:
            (evaluator, config) tuple; the configuration that the model was trained with.

        Raises:
            ParameterError: ``suffix`` leads out of ``spec.root``, or two evaluations have one name.
            BundleError: There is no trained model, or it is damaged.
            PluginError: The backend or an evaluation that the configuration names is missing.
        """
        found = open_checkpoint(suffix, spec)
        evaluations = [each if isinstance(each, Evaluation) else Unavailable(*each) for each in found.evaluations]
        return cls._made(found.model, evaluations, None, spec, found.directory), found.config

    @property
    def done(self) -> bool:
        """Check if evaluation results already exist.

        They count if they are whole, none failed, and model, seed, configuration and samples are still the same.
        """
        saved = read_results(self.directory, self.config.name)
        if saved is None or saved.status != "complete" or len(saved.evaluations) != len(self.evaluations):
            return False
        like = self._empty()
        done = all(
            isinstance(each, Unavailable) or saved.known(each.name, _fingerprint(each), like) is not None
            for each in self.evaluations
        )
        if done:
            self.results = saved
        return done

    def __call__(self) -> None:
        """Run all evaluations and save results, unless they are done; every process has the results then."""
        super().__call__()
        self.results = self.spec.exchange.gather(self.results)[0]

    def run(self) -> None:
        """Run all evaluations and save results to disk.

        Finished evaluations of an interrupted earlier run are not repeated, if nothing has changed.
        """
        earlier = self.spec.exchange.gather(read_results(self.directory, self.config.name))[0]
        results = self._empty()
        for evaluation in self.evaluations:
            outcome = self._outcome(evaluation, earlier, results)
            results = results.added(outcome)
            if outcome.status is OutcomeStatus.FAILED:
                _logger.warning("the evaluation %s failed: %s", outcome.name, outcome.error)
            self._save(results)
        self.results = evolve(results, whole=True)
        self._save(self.results)
        self.spec.exchange.gather(None)

    def _outcome(
        self, evaluation: Evaluation | Unavailable, earlier: EvaluationResults | None, like: EvaluationResults
    ) -> Outcome:
        if isinstance(evaluation, Unavailable):
            status = OutcomeStatus.FAILED if evaluation.failed else OutcomeStatus.SKIPPED
            return Outcome(name=evaluation.name, prefix=f"{evaluation.name}_", status=status, error=evaluation.reason)
        started, truncated, data = time.monotonic(), self.executor.num_truncated, ""
        about: dict[str, Any] = {"name": evaluation.name, "prefix": evaluation.prefix()}
        try:
            data = _fingerprint(evaluation)
            known = None if earlier is None else earlier.known(evaluation.name, data, like)
            if known is not None:
                return known
            found = _checked(evaluation.measure(self, self.encoding, **self.config.arguments))
        except Interrupted:
            raise
        except Exception as error:
            # An evaluation is foreign code: whatever it raises is its result.
            text = f"{type(error).__name__}: {error}"
            return Outcome(
                **about, status=OutcomeStatus.FAILED, data=data, error=text, seconds=time.monotonic() - started
            )
        return Outcome.of(
            found,
            **about,
            data=data,
            num_truncated=self.executor.num_truncated - truncated,
            seconds=time.monotonic() - started,
        )

    def _empty(self) -> EvaluationResults:
        """Results before the first evaluation, with what the scores depend on."""
        depends = {
            "arguments": dict(self.config.arguments),
            "encoding": getattr(self.encoding, "fingerprint", type(self.encoding).__qualname__),
            "block_size": self.block_size,
        }
        config = hashlib.sha256(json.dumps(depends, sort_keys=True, default=repr).encode()).hexdigest()
        return EvaluationResults(model=self.model.fingerprint, seed=self.config.seed, config=config)

    def _save(self, results: EvaluationResults) -> None:
        if self.spec.exchange.rank == 0:
            self.directory.write_json(results_file(self.config.name), results.to_mapping())


def _fingerprint(evaluation: Evaluation) -> str:
    fingerprint: str = evaluation.fingerprint()
    return fingerprint


def _checked(found: ModelScore) -> ModelScore:
    if not isinstance(found.value, int | float) or not math.isfinite(found.value):
        raise ParameterError(f"the score is {found.value!r:.100}; an evaluation returns a finite number")
    return found


def _check_names(evaluations: Sequence[Evaluation | Unavailable]) -> None:
    prefixes: dict[str, str] = {}
    names: set[str] = set()
    for each in evaluations:
        prefix = f"{each.name}_" if isinstance(each, Unavailable) else each.prefix()
        if each.name in names:
            raise ParameterError(f"two evaluations are called {each.name!r}; give each a name of its own")
        if prefix in prefixes:
            raise ParameterError(
                f"the evaluations {prefixes[prefix]!r} and {each.name!r} share the prefix {prefix!r}; their metrics "
                "would overwrite each other"
            )
        names.add(each.name)
        prefixes[prefix] = each.name
