"""Ends training when sampled rows stop getting better, or when training rows are memorised."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import asdict, evolve, frozen

from rowsmith.components import JUDGES_MODEL, Kind
from rowsmith.config.defaults import QUALITY_MEASURES
from rowsmith.errors import ConfigError, PluginContractError
from rowsmith.evaluation import (
    Direction,
    EvaluationReport,
    EvaluationResult,
    EvaluationTables,
    Measure,
    TableEvaluation,
    TrainingStopping,
    TrainingTrial,
    TrialDecision,
    run_evaluations,
)
from rowsmith.evaluation.composite import combined
from rowsmith_plugins.stopping.options import QualityOptions

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["QualityStopping", "Trials", "Verdict", "build"]

_SEQUENCE_MEASURES = ("sequence-lengths", "transitions")
_MEMORISATION = ("copies", "distance")
_COPIES = ("copies", "near-copies", "training-table")
"""Findings that are beyond chance by themselves."""
_EVEN = 0.5
_MEASURES_PATH = "training.stopping.options.measures"


@frozen(kw_only=True)
class Verdict:
    """What a trial showed.

    Attributes:
        step: Steps done.
        score: Quality from 0 to 1; None if it could not be computed.
        nearer: Whether more rows lie nearer to a training row than to a held-out one than by chance.
        copied: What was found of copies; empty if there are no more than by chance.
    """

    step: int
    score: float | None
    nearer: bool = False
    copied: str = ""


@frozen(kw_only=True)
class Trials:
    """The trials so far, as far as further decisions depend on them.

    Attributes:
        patience: Trials without gain that end training.
        min_gain: What a score must gain to count.
        best_step: The step of the best weights; None before any were judged.
        best_score: Their score; None while none of them had one.
        reference: The score of the last gain.
        without_gain: Trials since the last gain.
        nearer: Whether the last trial had more rows nearer to training rows than by chance.
    """

    patience: int
    min_gain: float
    best_step: int | None = None
    best_score: float | None = None
    reference: float | None = None
    without_gain: int = 0
    nearer: bool = False

    def after(self, verdict: Verdict) -> tuple[Trials, bool, str | None]:
        """The trials with one more, whether its weights are the best, and why training ends, if it does.

        Weights that are suspected of memorisation are never the best if others were judged before.
        """
        suspected = verdict.nearer or bool(verdict.copied)
        better = verdict.score is not None and (self.best_score is None or verdict.score > self.best_score)
        best = self.best_step is None or (better and not suspected)
        gained = (
            verdict.score is not None
            and not suspected
            and (self.reference is None or verdict.score > self.reference + self.min_gain)
        )
        judged = verdict.score is not None or suspected
        trials = evolve(
            self,
            best_step=verdict.step if best else self.best_step,
            # The first weights are only better than none: those of the next trial replace them if they were suspected.
            best_score=verdict.score if best and not suspected else self.best_score,
            reference=verdict.score if gained else self.reference,
            without_gain=0 if gained else self.without_gain + judged,
            nearer=verdict.nearer,
        )
        return trials, best, trials._reason(verdict, twice=self.nearer and verdict.nearer)

    def _reason(self, verdict: Verdict, *, twice: bool) -> str | None:
        saved = f"the weights of step {self.best_step:,} are saved" if self.best_step is not None else ""
        if verdict.copied:
            return f"training rows are memorised by step {verdict.step:,}: {verdict.copied.rstrip('.')}; {saved}"
        if twice:
            return (
                f"training rows are memorised by step {verdict.step:,}: in two trials in a row, more of the sampled "
                f"rows lay nearer to a training row than to a held-out one than by chance; {saved}"
            )
        if self.without_gain < self.patience:
            return None
        score = "" if self.best_score is None else f" of {self.best_score:.3f}"
        return (
            f"the quality of sampled rows stopped rising: {self.without_gain} trials without gain by step "
            f"{verdict.step:,}; {saved}, with a quality{score}"
        )


class QualityStopping(TrainingStopping):
    """Compares sampled rows with held-out rows, and looks for memorised training rows.

    The score is the geometric mean of table evaluations in which the held-out rows replace the real table.
    Memorisation is more copies of training rows than by chance (``copies``), or, in two trials in a row, a share of
    rows nearer to a training row than to a held-out one whose 95 % interval lies above one half (``distance``).

    Args:
        options: Patience and effort.
        measures: The evaluations that make the score.
        memorisation: The evaluations that look for memorised rows.
    """

    def __init__(
        self,
        options: QualityOptions,
        measures: Sequence[TableEvaluation],
        memorisation: Sequence[TableEvaluation],
    ) -> None:
        self.rows, self.trials, self.most_time = options.rows, options.trials, options.most_time
        self._measures, self._memorisation = tuple(measures), tuple(memorisation)
        self._seen = Trials(patience=options.patience, min_gain=options.min_gain)

    def decide(self, trial: TrainingTrial) -> TrialDecision:
        """Judge sampled rows."""
        quality = self._quality(trial.against_held_out)
        found = run_evaluations(self._memorisation, trial.tables)
        share = found.measures.get("dcr-share")
        verdict = Verdict(
            step=trial.step,
            score=quality.value,
            nearer=share is not None and share.interval is not None and share.interval[0] > _EVEN,
            copied=next((finding.message for finding in found.warnings if finding.defect in _COPIES), ""),
        )
        self._seen, best, stop = self._seen.after(verdict)
        return TrialDecision(best=best, stop=stop, figures=_figures(quality, found, self._seen))

    def state(self) -> dict[str, Any]:
        """See the base class."""
        return asdict(self._seen)

    def restore(self, state: Mapping[str, Any]) -> None:
        """See the base class."""
        self._seen = Trials(**state)

    def _quality(self, tables: EvaluationTables) -> Measure:
        report = run_evaluations(self._measures, tables)
        return combined("quality", [_part(result) for result in report.results])


def _part(result: EvaluationResult) -> Measure:
    """The main measure of an evaluation on a scale from 0 to 1, of which higher values are better."""
    if result.evaluated is None:
        return Measure(name=result.name, value=None, reason=f"{result.status.value}: {result.message}")
    measure, (low, high) = result.evaluated.measures[0], result.evaluated.measures[0].range
    if measure.value is None:
        return measure
    if measure.direction is Direction.NEITHER or measure.best is not None or not math.isfinite(high - low):
        reason = "its values have no worst and best end, so that they are no part of a quality"
        return Measure(name=measure.name, value=None, reason=reason)
    scaled = (measure.value - low) / (high - low)
    return Measure(name=measure.name, value=scaled if measure.direction is Direction.HIGHER else 1.0 - scaled)


def _figures(quality: Measure, found: EvaluationReport, seen: Trials) -> dict[str, Any]:
    """What a decision was made by, as JSON values."""
    figures: dict[str, Any] = {"quality": quality.value, **{part.name: part.value for part in quality.parts}}
    reasons = {result.name: result.message for result in found.failed}
    if quality.reason:
        reasons["quality"] = quality.reason
    for name in ("copies", "near-copies", "dcr-share"):
        measure = found.measures.get(name)
        figures[name] = None if measure is None else measure.value
        if measure is not None and measure.value is None:
            reasons[name] = measure.reason
        if name == "dcr-share" and measure is not None and measure.interval is not None:
            figures["dcr-interval"] = list(measure.interval)
    return {**figures, "without_gain": seen.without_gain, **({"reasons": reasons} if reasons else {})}


def build(context: BuildContext, options: QualityOptions | None) -> QualityStopping:
    """Build the policy.

    Args:
        context: Finds the evaluations.
        options: Patience and effort.
    """
    options = options or QualityOptions()
    names = options.measures or (*QUALITY_MEASURES, *(_SEQUENCE_MEASURES if context.config.grouped else ()))
    return QualityStopping(options, _built(names, context), _built(_MEMORISATION, context))


def _built(names: Iterable[str], context: BuildContext) -> list[TableEvaluation]:
    built = list[TableEvaluation]()
    for name in names:
        if JUDGES_MODEL in context.registry.resolve(Kind.EVALUATION, name).component.capabilities:
            raise ConfigError(
                [f"evaluation {name!r} asks a trained model and does not compare tables @ {_MEASURES_PATH}"]
            )
        evaluation = context.resolve(Kind.EVALUATION, name)
        if not isinstance(evaluation, TableEvaluation):
            raise PluginContractError(
                f"evaluation {name!r} gave a {type(evaluation).__name__}; a training is judged by evaluations of tables"
            )
        built.append(evaluation)
    return built
