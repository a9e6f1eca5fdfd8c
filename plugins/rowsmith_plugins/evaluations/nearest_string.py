"""Nearest-string attack: a record that was trained on has a synthetic record that is spelled like it.

It needs no access to the model, and no model is asked: an attack on the released table alone, LevAtt of "When Tables
Leak" (2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rowsmith.evaluation import ModelScore
from rowsmith_plugins.evaluations.estimates import Floats, separation
from rowsmith_plugins.evaluations.model_options import NearestOptions
from rowsmith_plugins.evaluations.record_evaluation import RecordComponent, RecordEvaluation
from rowsmith_plugins.evaluations.record_lines import RecordLine

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["NearestString", "build", "edit_distances"]

MOST_CHARACTERS = 240
"""Characters of a group that are compared: the time grows with their square."""

_BETWEEN = "\x1f"
# Cells of one block of distances.
_MAX_CELLS = 1 << 22


class NearestString(RecordEvaluation):
    """How well the edit distance to the nearest synthetic record separates training rows from held-out rows.

    The score is the area under the ROC curve: 0.5 is a guess, lower is better. Groups are compared with groups, by the
    first ``MOST_CHARACTERS`` characters of their values.
    """

    kind = "nearest-string"
    parts = ("holdout", "synthetic")

    def measure(self, inference: Any, encoding: Any, **kwargs: Any) -> ModelScore:
        """See the base class."""
        samples = [*self.pairs(inference), self.units("synthetic", inference, self.options.max_synthetic)]
        members, others, synthetic = ([_values(unit, self.grouped) for unit in sample.units] for sample in samples)
        made = sorted(set(synthetic))
        found = separation(-_nearest(members, made), -_nearest(others, made), seed=inference.spec.seed)
        counts = self.counts(train=samples[0], holdout=samples[1], synthetic=samples[2])
        return ModelScore(
            value=found.auc,
            n=min(len(members), len(others)),
            interval=(found.low, found.high),
            baseline=0.5,
            details={
                **found.to_mapping(),
                **counts,
                **({"most_characters": MOST_CHARACTERS} if self.grouped else {}),
            },
        )


def _values(unit: Sequence[RecordLine], grouped: bool) -> str:
    """The values of a record, or of all records of a group, without the names of columns, which all records share."""
    parts = [line.text[start:stop] for line in unit for start, stop in line.spans]
    return _BETWEEN.join(parts)[: MOST_CHARACTERS if grouped else None]


def _nearest(texts: Sequence[str], made: Sequence[str]) -> Floats:
    return np.array([edit_distances(text, made).min() for text in texts], dtype=np.float64)


def edit_distances(text: str, others: Sequence[str]) -> npt.NDArray[np.int64]:
    """Levenshtein distance of a text to others, which are compared all at once.

    The dynamic program of Wagner and Fischer, a row a character of the text: the minimum along a row, which depends on
    the cell before, is a running minimum of cell minus column.

    Args:
        text: The text.
        others: At least one text.
    """
    codes = [np.array([ord(character) for character in each], dtype=np.int32) for each in others]
    found = np.empty(len(others), dtype=np.int64)
    order = np.argsort([len(each) for each in codes], kind="stable")
    block = max(1, _MAX_CELLS // (1 + max(map(len, codes))))
    for start in range(0, len(order), block):
        rows = order[start : start + block]
        width = max(len(codes[row]) for row in rows)
        padded = np.full((len(rows), width), -1, dtype=np.int32)
        for index, row in enumerate(rows):
            padded[index, : len(codes[row])] = codes[row]
        columns = np.arange(width + 1, dtype=np.int32)
        distances = np.tile(columns, (len(rows), 1))
        for count, character in enumerate(text, 1):
            changed = np.minimum(distances[:, :-1] + (padded != ord(character)), distances[:, 1:] + 1)
            step = np.concatenate([np.full((len(rows), 1), count, dtype=np.int32), changed], axis=1)
            distances = np.minimum.accumulate(step - columns, axis=1) + columns
        found[rows] = distances[np.arange(len(rows)), [len(codes[row]) for row in rows]]
    return found


def build(context: BuildContext, options: NearestOptions | None) -> RecordComponent:
    """Build the component."""
    return RecordComponent.of(NearestString, context, options or NearestOptions())
