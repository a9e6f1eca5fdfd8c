"""Membership inference by loss: was the model trained on a given record?"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsmith.evaluation import LOG_PROBS, ModelScore
from rowsmith_plugins.evaluations.estimates import Floats, separation
from rowsmith_plugins.evaluations.marginal_code import MarginalCode
from rowsmith_plugins.evaluations.model_options import RecordOptions
from rowsmith_plugins.evaluations.record_evaluation import RecordComponent, RecordEvaluation
from rowsmith_plugins.evaluations.record_lines import RecordLine, ScoredRecord, score_lines

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["Membership", "build"]

_LOWEST = 0.2


class Membership(RecordEvaluation):
    """How well an attacker with the model's probabilities separates training rows from held-out rows; lower is better.

    Attacks, each higher for records that seem to have been trained on: ``loss``, minus the code length; ``reference``,
    by how many bits the model beats a reference, which is its base model without the adapter, or else the marginals;
    ``zlib``, minus the code length by the size of the compressed text (Carlini et al., 2021); ``min-k``, the mean of
    the 20 % least likely tokens (Shi et al., 2024). The score is the area under the ROC curve of the strongest, 0.5 is
    a guess; its interval is widened for the number of attacks (Bonferroni).
    """

    kind = "membership"
    parts = ("holdout",)

    def measure(self, inference: Any, encoding: Any, **kwargs: Any) -> ModelScore:
        """See the base class."""
        size = min(len(self.tables.train), len(self.tables.required("holdout", self.kind)), self.options.max_rows)
        samples = [self.lines(part, inference, most=size)[0] for part in ("train", "holdout")]
        marginals = self.marginals(inference)
        scores = [self._scores(inference, encoding, lines, marginals) for lines in samples]
        level = 1 - 0.05 / len(scores[0])
        attacks = {
            name: separation(scores[0][name], scores[1][name], seed=inference.spec.seed, level=level)
            for name in scores[0]
        }
        name, strongest = max(attacks.items(), key=lambda pair: pair[1].auc)
        return ModelScore(
            value=strongest.auc,
            n=min(map(len, samples)),
            interval=(strongest.low, strongest.high),
            baseline=0.5,
            details={
                "strongest": name,
                "attacks": {each: found.to_mapping() for each, found in attacks.items()},
                "reference": "marginals" if inference.model.reference() is None else "base model",
                "n_train": len(samples[0]),
                "n_holdout": len(samples[1]),
            },
        )

    def _scores(
        self, inference: Any, encoding: Any, lines: list[RecordLine], marginals: list[MarginalCode]
    ) -> dict[str, Floats]:
        records = score_lines(inference, encoding, lines)
        bits = np.array([each.bits for each in records])
        base = inference.model.reference()
        if base is not None and LOG_PROBS in base.capabilities:
            reference = np.array([each.bits for each in score_lines(inference, encoding, lines, model=base)])
        else:
            reference = np.array([sum(c.bits(line.value(i)) for i, c in enumerate(marginals)) for line in lines])
        packed = np.array([len(zlib.compress(line.text.encode())) for line in lines])
        return {
            "loss": -bits,
            "reference": np.nan_to_num(reference - bits, nan=0.0),
            "zlib": -bits / packed,
            "min-k": np.array([_least_likely(each) for each in records]),
        }


def _least_likely(record: ScoredRecord) -> float:
    log_probs = np.sort(record.scored.log_probs[~np.isnan(record.scored.log_probs)])
    return float(log_probs[: math.ceil(_LOWEST * len(log_probs))].mean())


def build(context: BuildContext, options: RecordOptions | None) -> RecordComponent:
    """Build the component."""
    return RecordComponent.of(Membership, context, options or RecordOptions())
