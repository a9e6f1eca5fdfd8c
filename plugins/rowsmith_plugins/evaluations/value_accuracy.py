"""Teacher-forced accuracy: whether the likeliest tokens are those of the record, given all before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rowsmith.evaluation import ModelScore
from rowsmith_plugins.evaluations.estimates import bootstrap_by_group
from rowsmith_plugins.evaluations.model_options import RecordOptions
from rowsmith_plugins.evaluations.record_evaluation import RecordComponent, RecordEvaluation, named
from rowsmith_plugins.evaluations.scored_records import ScoredRecord, score_lines

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["ValueAccuracy", "build"]


class ValueAccuracy(RecordEvaluation):
    """The share of values of held-out rows whose tokens are all predicted; ids are compared, not text.

    The baseline always says the most frequent value of the training rows. Records of groups are predicted after those
    before them. Details: accuracy of tokens, of each column
    and of whole records, and that of records of training rows, which is higher once the model memorises.
    """

    kind = "value-accuracy"
    parts = ("holdout",)

    def measure(self, inference: Any, encoding: Any, **kwargs: Any) -> ModelScore:
        """See the base class."""
        sample = self.records("holdout", inference)
        held = score_lines(inference, encoding, sample.lines, predictions=True)
        trained = score_lines(inference, encoding, self.records("train", inference).lines, predictions=True)
        right, marginals = _values_right(held, len(self.columns)), self.marginals(inference)
        modal = np.array(
            [[line.value(index) == code.mode for index, code in enumerate(marginals.at(line))] for line in sample.lines]
        )
        return ModelScore(
            value=float(right.mean()),
            n=len(held),
            interval=bootstrap_by_group(right.mean(axis=1), sample.sizes, inference.spec.seed),
            baseline=float(modal.mean()),
            details={
                "token_accuracy": float(np.concatenate([_right(each) for each in held]).mean()),
                "column_accuracy": named(self.columns, right.mean(axis=0)),
                "modal_accuracy": named(self.columns, modal.mean(axis=0)),
                "record_accuracy": float(right.all(axis=1).mean()),
                "training_record_accuracy": float(_values_right(trained, len(self.columns)).all(axis=1).mean()),
                **self.counts(holdout=sample),
            },
        )


def _right(record: ScoredRecord) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = record.scored.predicted == record.scored.ids
    return found


def _values_right(records: list[ScoredRecord], columns: int) -> npt.NDArray[np.bool_]:
    """Whether all tokens of a value are right: bool ``[records, columns]``."""
    return np.array([[_right(each)[each.owners == column].all() for column in range(columns)] for each in records])


def build(context: BuildContext, options: RecordOptions | None) -> RecordComponent:
    """Build the component."""
    return RecordComponent.of(ValueAccuracy, context, options or RecordOptions())
