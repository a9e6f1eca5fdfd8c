"""Selecting the true value of a column among candidates, given the columns before it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from rowsmith.errors import EvaluationError
from rowsmith.evaluation import ModelScore
from rowsmith_plugins.evaluations.estimates import Floats, bootstrap_mean
from rowsmith_plugins.evaluations.marginal_code import MarginalCode
from rowsmith_plugins.evaluations.model_options import ChoiceOptions
from rowsmith_plugins.evaluations.record_evaluation import RecordComponent, RecordEvaluation, named
from rowsmith_plugins.evaluations.record_lines import RecordLine
from rowsmith_plugins.evaluations.scored_records import score_lines

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["CandidateChoice", "build"]

# Candidates whose bits differ by less are tied.
_TIE = 1e-5


@frozen
class Case:
    """One value to be chosen.

    Attributes:
        column: Its column.
        lines: The record with each candidate.
        correct: Index of the true one.
        marginal: Probability of each candidate by the marginal, among these candidates.
    """

    column: int
    lines: tuple[RecordLine, ...]
    correct: int
    marginal: Floats


class CandidateChoice(RecordEvaluation):
    """Accuracy of selecting the true value among candidates by their probability; a tie counts as its share.

    The candidates of a column are the true value, the most frequent values of the training rows, and random ones; of a
    group's first record those of first records, and of the others those of others. A
    value is scored with what ends it, so none begins with another, and sums need no normalisation by length. The
    baseline chooses the most frequent candidate. Details: accuracy and log loss of each column, Brier score, expected
    calibration error, mean reciprocal rank, share of ties.
    """

    kind = "choice"
    parts = ("holdout",)

    def measure(self, inference: Any, encoding: Any, **kwargs: Any) -> ModelScore:
        """See the base class."""
        sample = self.records("holdout", inference)
        chance = np.random.default_rng(inference.spec.seed)
        marginals = self.marginals(inference)
        cases = [
            self._case(line, index, marginals.at(line)[index], chance)
            for index in range(len(self.columns))
            for line in sample.lines
            if len(marginals.at(line)[index].counts) > 1
        ]
        if not cases:
            raise EvaluationError("no column of the training rows has more than one value to choose among")
        scored = iter(score_lines(inference, encoding, [line for case in cases for line in case.lines]))
        found = [
            _judged(np.array([next(scored).column_bits(len(self.columns))[case.column + 1] for _ in case.lines]), case)
            for case in cases
        ]
        credit = np.array([each["credit"] for each in found])
        confidence = np.array([each["confidence"] for each in found])
        owners = np.array([case.column for case in cases])
        columns = [self.columns[index] for index in np.unique(owners)]

        def by_column(name: str) -> dict[str, Any]:
            values = np.array([each[name] for each in found])
            return named(columns, [values[owners == index].mean() for index in np.unique(owners)])

        return ModelScore(
            value=float(credit.mean()),
            n=len(cases),
            interval=bootstrap_mean(credit, inference.spec.seed),
            baseline=float(np.mean([_credit(-case.marginal, case.correct, 0.0) for case in cases])),
            details={
                "column_accuracy": by_column("credit"),
                "column_log_loss_bits": by_column("log_loss"),
                "log_loss_bits": float(np.mean([each["log_loss"] for each in found])),
                "marginal_log_loss_bits": float(np.mean([-math.log2(c.marginal[c.correct]) for c in cases])),
                "brier": float(np.mean([each["brier"] for each in found])),
                "calibration_error": _calibration_error(confidence, credit),
                "mean_reciprocal_rank": float(np.mean([each["reciprocal_rank"] for each in found])),
                "tie_rate": float(np.mean([each["tied"] for each in found])),
                **self.counts(holdout=sample),
            },
        )

    def _case(self, line: RecordLine, index: int, code: MarginalCode, chance: np.random.Generator) -> Case:
        true = line.value(index)
        ranked = [value for value, _ in code.counts.most_common() if value != true]
        frequent = ranked[: self.options.max_candidates // 2]
        rest = ranked[len(frequent) :]
        room = min(len(rest), self.options.max_candidates - 1 - len(frequent))
        drawn = [rest[each] for each in chance.choice(len(rest), room, replace=False)] if room else []
        values = [true, *frequent, *drawn]
        order = chance.permutation(len(values)).tolist()
        weights = np.array([code.counts[values[each]] + 0.5 for each in order])
        return Case(
            column=index,
            lines=tuple(line.replaced(index, values[each], self.bundle.model_schema) for each in order),
            correct=order.index(0),
            marginal=weights / weights.sum(),
        )


def _judged(bits: Floats, case: Case) -> dict[str, float]:
    weights = np.exp2(-(bits - bits.min()))
    shares = weights / weights.sum()
    truth = np.zeros(len(bits))
    truth[case.correct] = 1
    tied = (np.abs(bits - bits.min()) <= _TIE).sum()
    return {
        "credit": _credit(bits, case.correct, _TIE),
        "log_loss": float((bits[case.correct] - bits.min()) + math.log2(weights.sum())),
        "brier": float(((shares - truth) ** 2).sum()),
        "confidence": float(shares.max()),
        "reciprocal_rank": float(1 / (1 + (bits < bits[case.correct] - _TIE).sum())),
        "tied": float(tied > 1),
    }


def _credit(costs: Floats, correct: int, tie: float) -> float:
    lowest = costs <= costs.min() + tie
    return float(lowest[correct] / lowest.sum())


def _calibration_error(confidence: Floats, credit: Floats, bins: int = 15) -> float:
    """Mean distance of confidence and accuracy, in bins of equal mass."""
    parts = np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(confidence)))
    return float(sum(abs(confidence[part].mean() - credit[part].mean()) * len(part) for part in parts) / len(credit))


def build(context: BuildContext, options: ChoiceOptions | None) -> RecordComponent:
    """Build the component."""
    return RecordComponent.of(CandidateChoice, context, options or ChoiceOptions())
