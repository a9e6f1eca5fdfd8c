"""The results file of an evaluator: written atomically, and read back only if it is whole.

::

    evaluation/NAME.json
        version       of this layout
        status        complete, or failed if an evaluation failed
        model         hash of the weights
        seed, config  what the scores depend on
        metrics       the scores, each under the prefix of its evaluation
        evaluations   one entry an evaluation: name, data hash, n, score, interval, baseline, details, or the error
"""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Mapping
from typing import Any

import cattrs.preconf.json
from attrs import asdict, evolve, field, frozen

from rowsmith import __version__
from rowsmith.errors import RowsmithError
from rowsmith.evaluation.models.evaluation import ModelScore
from rowsmith.storage.run_directory import RunDirectory

__all__ = ["RESULTS_FOLDER", "EvaluationResults", "Outcome", "OutcomeStatus", "read_results", "results_file"]

RESULTS_FOLDER = "evaluation"
_VERSION = 1
_converter = cattrs.preconf.json.make_converter()


class OutcomeStatus(enum.StrEnum):
    """How an evaluation ended."""

    COMPLETE = "complete"
    FAILED = "failed"
    SKIPPED = "skipped"


@frozen(kw_only=True)
class Outcome:
    """One evaluation and what came of it.

    Attributes:
        name: Its name.
        prefix: Prefix of its metrics.
        status: How it ended.
        data: Hash of its samples; empty if it could not be computed.
        score: Its score; None unless complete.
        n: Number of samples.
        interval: 95 % confidence interval of the score.
        baseline: The score without a model.
        details: Further figures.
        num_truncated: Prompts that lost their beginning.
        error: Type and message of what was raised, or why it was skipped.
        seconds: Time it took.
    """

    name: str
    prefix: str
    status: OutcomeStatus
    data: str = ""
    score: float | None = None
    n: int = 0
    interval: tuple[float, float] | None = None
    baseline: float | None = None
    details: Mapping[str, Any] = field(factory=dict)
    num_truncated: int = 0
    error: str | None = None
    seconds: float = 0.0

    @classmethod
    def of(cls, found: ModelScore, **about: Any) -> Outcome:
        """The outcome of an evaluation that gave a score."""
        return cls(
            status=OutcomeStatus.COMPLETE,
            score=float(found.value),
            n=found.n,
            interval=found.interval,
            baseline=found.baseline,
            details=dict(found.details),
            **about,
        )


@frozen(kw_only=True)
class EvaluationResults:
    """All outcomes of one evaluator.

    Attributes:
        model: Hash of the weights.
        seed: Seed of everything random.
        config: What else the scores depend on.
        evaluations: The outcomes so far, in order.
        whole: Whether every evaluation has been tried.
        started: When the first one began, in seconds since 1970.
        ended: When the last one ended.
        rowsmith: The version that made them.
        version: Version of this layout.
    """

    model: str
    seed: int
    config: str
    evaluations: tuple[Outcome, ...] = ()
    whole: bool = False
    started: float = field(factory=time.time)
    ended: float = field(factory=time.time)
    rowsmith: str = __version__
    version: int = _VERSION

    @property
    def status(self) -> str:
        """``complete``; ``failed`` if an evaluation failed; ``unfinished`` before all were tried."""
        if any(each.status is OutcomeStatus.FAILED for each in self.evaluations):
            return "failed"
        return "complete" if self.whole else "unfinished"

    @property
    def failures(self) -> dict[str, str]:
        """The errors of the evaluations that failed, by name."""
        return {each.name: each.error or "" for each in self.evaluations if each.status is OutcomeStatus.FAILED}

    @property
    def metrics(self) -> dict[str, float]:
        """The scores, each under the prefix of its evaluation."""
        return {f"{each.prefix}score": each.score for each in self.evaluations if each.score is not None}

    def added(self, outcome: Outcome) -> EvaluationResults:
        """These results with one more outcome."""
        return evolve(self, evaluations=(*self.evaluations, outcome), ended=time.time())

    def known(self, name: str, data: str, like: EvaluationResults) -> Outcome | None:
        """The finished outcome of an evaluation, if model, seed, configuration and samples are the same."""
        if (self.model, self.seed, self.config) != (like.model, like.seed, like.config):
            return None
        found = (each for each in self.evaluations if (each.name, each.data) == (name, data))
        return next((each for each in found if each.status is OutcomeStatus.COMPLETE and data), None)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data; what is no finite number in details becomes null, since JSON has no spelling for it."""
        return {**_plain(asdict(self)), "status": self.status, "metrics": self.metrics}


def results_file(name: str) -> str:
    """The file of an evaluator's results in its directory."""
    return f"{RESULTS_FOLDER}/{name}.json"


def read_results(directory: RunDirectory, name: str) -> EvaluationResults | None:
    """The results that a directory holds; None if there are none, or they are damaged or of another version."""
    file = results_file(name)
    try:
        saved = directory.read_json(file) if directory.exists(file) else None
        if not isinstance(saved, dict) or saved.get("version") != _VERSION:
            return None
        return _converter.structure(saved, EvaluationResults)
    except (RowsmithError, cattrs.BaseValidationError, ValueError, TypeError, KeyError):
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, enum.StrEnum):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
