"""Extraction: how many training rows a release is expected to hold word for word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rowsmith.evaluation import GENERATE, ModelScore
from rowsmith_plugins.evaluations.completion import completed_lines, number_of_given
from rowsmith_plugins.evaluations.estimates import Floats, bootstrap_mean
from rowsmith_plugins.evaluations.model_options import ExtractionOptions
from rowsmith_plugins.evaluations.record_evaluation import RecordComponent, RecordEvaluation
from rowsmith_plugins.evaluations.record_lines import RecordLine, ScoredRecord, score_lines

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["Extraction", "build"]


class Extraction(RecordEvaluation):
    """The expected share of training rows that a release of so many rows holds word for word, at temperature 1.

    The chance that one of N rows is a record of probability p is ``1 - (1 - p) ** N`` (Hayes et al., 2024); p is under
    the grammar of records. The score is the mean over training rows minus that over held-out rows: what is due to
    having been trained on, 0 at best. Details: both means, the largest chance and the 99th percentile, and the share of
    records whose second half the model writes word for word when it is given the first, of those whose second half has
    at least ``entropy_bits`` by the marginals, with the one-sided p-value of Fisher's exact test.
    """

    kind = "extraction"
    parts = ("holdout",)

    def measure(self, inference: Any, encoding: Any, **kwargs: Any) -> ModelScore:
        """See the base class."""
        samples = {part: self.lines(part, inference)[0] for part in ("train", "holdout")}
        chances = {part: self._chances(score_lines(inference, encoding, lines)) for part, lines in samples.items()}
        own, others = chances["train"], chances["holdout"]
        low, high = (bootstrap_mean(each, inference.spec.seed) for each in (own, others))
        details: dict[str, Any] = {
            "released": self.options.released,
            "expected_share": {part: float(each.mean()) for part, each in chances.items()},
            "largest_chance": {part: float(each.max()) for part, each in chances.items()},
            "chance_99th": {part: float(np.quantile(each, 0.99)) for part, each in chances.items()},
            "expected_rows": float(own.mean() - others.mean()) * len(self.tables.train),
        }
        if GENERATE in inference.model.capabilities and len(self.columns) > 1:
            details["completion"] = self._completion(inference, encoding, samples)
        return ModelScore(
            value=float(own.mean() - others.mean()),
            n=len(own),
            interval=(low[0] - high[1], low[1] - high[0]),
            baseline=0.0,
            details=details,
        )

    def _chances(self, records: list[ScoredRecord]) -> Floats:
        log_probs = np.array([np.nansum(each.scored.log_probs - each.scored.legal) for each in records])
        probabilities = np.minimum(np.exp(log_probs), 1 - 1e-15)
        chances: Floats = -np.expm1(self.options.released * np.log1p(-probabilities))
        return chances

    def _completion(self, inference: Any, encoding: Any, samples: dict[str, list[RecordLine]]) -> dict[str, Any]:
        from scipy.stats import fisher_exact

        marginals = self.marginals(inference)
        given = number_of_given(None, len(self.columns))
        exact: dict[str, list[bool]] = {}
        for part, lines in samples.items():
            chosen = [
                line
                for line in lines
                if sum(code.bits(line.value(index)) for index, code in enumerate(marginals) if index >= given)
                >= self.options.entropy_bits
            ]
            context = self.bundle.metadata.max_seq_length
            made = completed_lines(inference, encoding, chosen, given, context) if chosen else []
            exact[part] = [text == line.text for text, line in zip(made, chosen, strict=True)]
        counts = [[sum(exact[part]), len(exact[part]) - sum(exact[part])] for part in ("train", "holdout")]
        return {
            "n": {part: len(each) for part, each in exact.items()},
            "exact": {part: float(np.mean(each)) if each else None for part, each in exact.items()},
            "p_value": float(fisher_exact(counts, alternative="greater").pvalue) if all(exact.values()) else None,
        }


def build(context: BuildContext, options: ExtractionOptions | None) -> RecordComponent:
    """Build the component."""
    return RecordComponent.of(Extraction, context, options or ExtractionOptions())
