"""Held-out code length: bits a record and a column, with skill against the marginals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsmith.evaluation import ModelScore
from rowsmith_plugins.evaluations.estimates import bootstrap_mean
from rowsmith_plugins.evaluations.model_options import RecordOptions
from rowsmith_plugins.evaluations.record_evaluation import RecordComponent, RecordEvaluation, named
from rowsmith_plugins.evaluations.record_lines import ScoredRecord, score_lines

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["CodeLength", "build"]


class CodeLength(RecordEvaluation):
    """How many bits the model needs for records it has not seen; the score is 1/perplexity, higher is better.

    Details, all in bits: ``bits_per_record`` with its interval, ``bits_per_column`` and ``structure_bits``, whose sum
    it is; ``bits_per_byte`` of record text; ``skill`` of each column, 1 - model/marginal (1 is perfect, 0 is no better
    than the marginal); ``gap`` of each column, held-out minus training rows, which grows as a model overfits;
    ``legal_bits``, what the grammar of records saves.
    """

    kind = "code-length"
    parts = ("holdout",)

    def measure(self, inference: Any, encoding: Any, **kwargs: Any) -> ModelScore:
        """See the base class."""
        held_lines, lost = self.lines("holdout", inference)
        held = score_lines(inference, encoding, held_lines)
        trained = score_lines(inference, encoding, self.lines("train", inference)[0])
        by_column = np.array([each.column_bits(len(self.columns)) for each in held])
        means, trained_means = by_column.mean(axis=0), _mean_bits(trained, len(self.columns))
        marginals = self.marginals(inference)
        baseline = np.array(
            [np.mean([code.bits(line.value(index)) for line in held_lines]) for index, code in enumerate(marginals)]
        )
        bits = by_column.sum(axis=1)
        tokens = sum(each.scored.count for each in held)
        skill = [1 - own / known if known > 0 else None for own, known in zip(means[1:], baseline, strict=True)]
        return ModelScore(
            value=_inverse_perplexity(float(bits.sum()), tokens),
            n=len(held),
            baseline=_inverse_perplexity(float(baseline.sum()) * len(held), tokens),
            details={
                "bits_per_record": float(bits.mean()),
                "bits_per_record_interval": bootstrap_mean(bits, inference.spec.seed),
                "marginal_bits_per_record": float(baseline.sum()),
                "bits_per_byte": float(bits.sum() / sum(len(line.text.encode()) for line in held_lines)),
                "structure_bits": float(means[0]),
                "bits_per_column": named(self.columns, means[1:]),
                "marginal_bits_per_column": named(self.columns, baseline),
                "skill": named(self.columns, skill),
                "gap": named(self.columns, means[1:] - trained_means[1:]),
                "legal_bits": float(np.mean([-each.scored.legal.sum() / math.log(2) for each in held])),
                "n_unrepresentable": lost,
            },
        )


def _mean_bits(records: list[ScoredRecord], columns: int) -> Any:
    return np.array([each.column_bits(columns) for each in records]).mean(axis=0)


def _inverse_perplexity(bits: float, tokens: int) -> float:
    return math.exp(-bits * math.log(2) / tokens)


def build(context: BuildContext, options: RecordOptions | None) -> RecordComponent:
    """Build the component."""
    return RecordComponent.of(CodeLength, context, options or RecordOptions())
