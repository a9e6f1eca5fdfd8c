"""Membership inference by loss: was the model trained on a given record?"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsmith.evaluation import LOG_PROBS, MOMENTS, ModelScore, ScoredTokens
from rowsmith_plugins.evaluations.estimates import Floats, separation
from rowsmith_plugins.evaluations.marginals import Marginals
from rowsmith_plugins.evaluations.model_options import RecordOptions
from rowsmith_plugins.evaluations.record_evaluation import RecordComponent, RecordEvaluation
from rowsmith_plugins.evaluations.record_samples import Sample
from rowsmith_plugins.evaluations.scored_records import score_lines

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["Membership", "build", "normalized"]

_LOWEST = 0.2
# Below this standard deviation, in nats, one token has all the probability.
_CERTAIN = 1e-4


class Membership(RecordEvaluation):
    """How well an attacker with the model's probabilities separates training rows from held-out rows; lower is better.

    Attacks, each higher for records that seem to have been trained on: ``loss``, minus the code length; ``reference``,
    by how many bits the model beats a reference, which is its base model without the adapter, or else the marginals of
    the other training rows; ``zlib``, minus the code length by the size of the compressed text (Carlini et al., 2021);
    ``min-k``, the mean of the 20 % least likely tokens (Shi et al., 2024); ``min-k++``, the same of log-probabilities
    beside what the model expects of them (Zhang et al., 2024). The score is the area under the ROC curve of the
    strongest, 0.5 is a guess; its interval is widened for the number of attacks (Bonferroni). Each attack also has the
    share of members that it finds at 1 % false alarms, with an interval.

    Of groups, a member is a whole group, as its records were learned together.
    """

    kind = "membership"
    parts = ("holdout",)

    def measure(self, inference: Any, encoding: Any, **kwargs: Any) -> ModelScore:
        """See the base class."""
        samples = self.pairs(inference)
        marginals = self.marginals(inference)
        scores = [self._scores(inference, encoding, sample, marginals, own=sample is samples[0]) for sample in samples]
        level = 1 - 0.05 / len(scores[0])
        attacks = {
            name: separation(scores[0][name], scores[1][name], seed=inference.spec.seed, level=level)
            for name in scores[0]
        }
        name, strongest = max(attacks.items(), key=lambda pair: pair[1].auc)
        return ModelScore(
            value=strongest.auc,
            n=min(len(sample.units) for sample in samples),
            interval=(strongest.low, strongest.high),
            baseline=0.5,
            details={
                "strongest": name,
                "attacks": {each: found.to_mapping() for each, found in attacks.items()},
                "left_out": self._left_out(inference),
                "reference": "marginals" if inference.model.reference() is None else "base model",
                **self.counts(train=samples[0], holdout=samples[1]),
            },
        )

    def _left_out(self, inference: Any) -> dict[str, str]:
        """The attacks that the model cannot be asked for, each with the reason."""
        if MOMENTS in inference.model.capabilities:
            return {}
        return {"min-k++": f"{type(inference.model).__name__} does not declare {MOMENTS!r}"}

    def _scores(
        self, inference: Any, encoding: Any, sample: Sample, marginals: Marginals, *, own: bool
    ) -> dict[str, Floats]:
        """The score of each unit by each attack."""
        records = score_lines(inference, encoding, sample.lines)
        starts = np.cumsum([0, *sample.sizes[:-1]])
        bits = np.add.reduceat([each.bits for each in records], starts)
        base = inference.model.reference()
        if base is not None and LOG_PROBS in base.capabilities:
            known = [each.bits for each in score_lines(inference, encoding, sample.lines, model=base)]
        else:
            known = [marginals.bits(line, own=own) for line in sample.lines]
        reference = np.add.reduceat(known, starts)
        texts = ["".join(line.text for line in unit) for unit in sample.units]
        packed = np.array([len(zlib.compress(text.encode())) for text in texts])
        units = [
            [each.scored for each in records[start : start + size]]
            for start, size in zip(starts.tolist(), sample.sizes, strict=True)
        ]
        scores = {
            "loss": -bits,
            "reference": np.nan_to_num(reference - bits, nan=0.0),
            "zlib": -bits / packed,
            "min-k": np.array([_lowest(np.concatenate([each.log_probs for each in unit])) for unit in units]),
        }
        if MOMENTS in inference.model.capabilities:
            scores["min-k++"] = np.array(
                [_lowest(np.concatenate([normalized(each) for each in unit])) for unit in units]
            )
        return scores


def normalized(scored: ScoredTokens) -> Floats:
    """Log-probabilities beside what the model expects of them: ``(log p - mean) / deviation`` of each position.

    Mean and standard deviation are those of the log-probability of a token that is drawn from the model itself (Zhang
    et al., 2024, "Min-K%++", eq. 3), among the tokens that the grammar of records allows. A position where one token is
    certain says nothing and is nan.

    Args:
        scored: Scores with moments.

    Returns:
        float64 ``[n]``.
    """
    under_grammar = scored.log_probs - scored.legal
    uncertain = scored.deviations > _CERTAIN
    found = np.full(len(under_grammar), np.nan)
    np.divide(under_grammar - scored.means, scored.deviations, out=found, where=uncertain)
    return found


def _lowest(values: Floats) -> float:
    """The mean of the 20 % lowest values; 0 where none is known."""
    ordered = np.sort(values[~np.isnan(values)])
    return float(ordered[: math.ceil(_LOWEST * len(ordered))].mean()) if len(ordered) else 0.0


def build(context: BuildContext, options: RecordOptions | None) -> RecordComponent:
    """Build the component."""
    return RecordComponent.of(Membership, context, options or RecordOptions())
