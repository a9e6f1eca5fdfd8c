"""Extraction: how many training rows a release is expected to hold word for word."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsmith.evaluation import GENERATE, ModelScore
from rowsmith_plugins.evaluations.completed_records import completed_groups, completed_lines, number_of_given
from rowsmith_plugins.evaluations.estimates import Floats, bootstrap_mean
from rowsmith_plugins.evaluations.marginals import Marginals
from rowsmith_plugins.evaluations.model_options import ExtractionOptions
from rowsmith_plugins.evaluations.record_evaluation import RecordComponent, RecordEvaluation
from rowsmith_plugins.evaluations.record_lines import RecordLine
from rowsmith_plugins.evaluations.record_samples import Sample
from rowsmith_plugins.evaluations.scored_records import score_lines

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

    Of groups, what is released and copied is a whole group, its records and its end; the second half is that of its
    records. Names of groups are generated, and do not count.
    """

    kind = "extraction"
    parts = ("holdout",)

    def measure(self, inference: Any, encoding: Any, **kwargs: Any) -> ModelScore:
        """See the base class."""
        samples = {part: self.units(part, inference) for part in ("train", "holdout")}
        chances = {part: self._chances(inference, encoding, sample) for part, sample in samples.items()}
        own, others = chances["train"], chances["holdout"]
        low, high = (bootstrap_mean(each, inference.spec.seed) for each in (own, others))
        details: dict[str, Any] = {
            "released": self.options.released,
            "expected_share": {part: float(each.mean()) for part, each in chances.items()},
            "largest_chance": {part: float(each.max()) for part, each in chances.items()},
            "chance_99th": {part: float(np.quantile(each, 0.99)) for part, each in chances.items()},
            "expected_rows": float(own.mean() - others.mean()) * self.source("train").count,
        }
        if GENERATE in inference.model.capabilities and (self.grouped or len(self.columns) > 1):
            details["completion"] = self._completion(inference, encoding, samples)
        return ModelScore(
            value=float(own.mean() - others.mean()),
            n=len(own),
            interval=(low[0] - high[1], low[1] - high[0]),
            baseline=0.0,
            details={**details, **self.counts(**samples)},
        )

    def _chances(self, inference: Any, encoding: Any, sample: Sample) -> Floats:
        """The chance of each row or group to be in the release."""
        records = score_lines(inference, encoding, sample.lines)
        each = [np.nansum(record.scored.log_probs - record.scored.legal) for record in records]
        log_probs = np.add.reduceat(each, np.cumsum([0, *sample.sizes[:-1]]))
        probabilities = np.minimum(np.exp(log_probs), 1 - 1e-15)
        chances: Floats = -np.expm1(self.options.released * np.log1p(-probabilities))
        return chances

    def _completion(self, inference: Any, encoding: Any, samples: dict[str, Sample]) -> dict[str, Any]:
        from scipy.stats import fisher_exact

        marginals, too_long = self.marginals(inference), 0
        exact: dict[str, list[bool]] = {}
        for part, sample in samples.items():
            if self.grouped:
                units = [unit for unit in sample.units if len(unit) > 1 and self._is_rich(unit, marginals)]
                made = completed_groups(inference, encoding, units)
                exact[part] = [each.exact for each in made if each.fits]
                too_long += sum(not each.fits for each in made)
            else:
                exact[part] = self._completed_rows(inference, encoding, sample.lines, marginals)
        counts = [[sum(exact[part]), len(exact[part]) - sum(exact[part])] for part in ("train", "holdout")]
        return {
            "n": {part: len(each) for part, each in exact.items()},
            "n_too_long": too_long,
            "exact": {part: float(np.mean(each)) if each else None for part, each in exact.items()},
            "p_value": float(fisher_exact(counts, alternative="greater").pvalue) if all(exact.values()) else None,
        }

    def _is_rich(self, unit: Sequence[RecordLine], marginals: Marginals) -> bool:
        """Whether the second half of a group has the bits to be more than chance."""
        rest = unit[math.ceil(len(unit) / 2) :]
        return bool(sum(marginals.bits(line) for line in rest) >= self.options.entropy_bits)

    def _completed_rows(
        self, inference: Any, encoding: Any, lines: Sequence[RecordLine], marginals: Marginals
    ) -> list[bool]:
        """Whether each record whose second half has the bits is completed word for word."""
        given = number_of_given(None, len(self.columns))
        chosen = [line for line in lines if marginals.bits(line, given) >= self.options.entropy_bits]
        longest = self.bundle.metadata.max_seq_length
        made = completed_lines(inference, encoding, chosen, given, longest) if chosen else []
        return [text == line.text for text, line in zip(made, chosen, strict=True)]


def build(context: BuildContext, options: ExtractionOptions | None) -> RecordComponent:
    """Build the component."""
    return RecordComponent.of(Extraction, context, options or ExtractionOptions())
