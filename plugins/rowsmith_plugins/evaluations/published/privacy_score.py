"""The data privacy score (DPS) of Safe Synthesizer, as its source computes it for columns that are not free text.

Source: NVIDIA-NeMo/Safe-Synthesizer, ``evaluation/components/membership_inference_protection.py`` and
``attribute_inference_protection.py`` (2026). Three faults of the source are not repeated: parts of 0 or without value
are left out of its mean; the tolerance of a decimal follows its binary digits there, so that none ever matches, and
is 1 % here; and its attribute attack ends when combinations of columns run out, which are used again here. Keys and
free text are left out. The attack distances keep their scale, the largest of all distances, and their rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rowsmith.evaluation import (
    ColumnKind,
    Evaluated,
    EvaluatedColumn,
    EvaluationKind,
    EvaluationTables,
    Part,
    TableEvaluation,
)
from rowsmith_plugins.evaluations.published.score import MOST_ROWS, part, weighted

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["PrivacyScore", "build"]

_RUNS = 10
_MOST_ATTACKED = 250
_THRESHOLDS = (0.4, 0.3, 0.2, 0.1)
_PROPORTIONS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_KNOWN_COLUMNS = 3
_LEAST_TARGETS = 200
_NEIGHBOURS = 5
_TOLERANCE = 0.01
_WORST_ACCURACY = 0.7
_MOST_COMBINATIONS = 500

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class PrivacyScore(TableEvaluation):
    """The mean of protection from membership inference and from attribute inference, 0 to 10."""

    name = "dps"
    kind = EvaluationKind.PRIVACY
    explanation = "The published privacy score of Safe Synthesizer, for comparison with other tools."
    needs_holdout = True

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Attack the synthetic rows."""
        small = tables.sampled(MOST_ROWS, self.name)
        columns = [each for each in small.columns if each.kind not in (ColumnKind.KEY, ColumnKind.TEXT)]
        if len(columns) < 2:
            parts = [part(name, None, reason="it needs two columns that are no keys or texts") for name in _NAMES]
        else:
            points = _Points(columns, small)
            membership = _membership_protection(points, small.generator("dps.membership"))
            attributes = _attribute_protection(columns, points, small.generator("dps.attributes"))
            parts = [part(_NAMES[0], membership), part(_NAMES[1], attributes)]
        sizes = {each.value: size for each, size in small.sizes.items()}
        return Evaluated(measures=(weighted(self.name, parts, (1.0, 1.0), sizes, sampled=small is not tables),))


_NAMES = ("membership-inference-protection", "attribute-inference-protection")


def build(context: BuildContext, options: None) -> PrivacyScore:
    """Build the evaluation."""
    return PrivacyScore()


class _Points:
    """Rows as points: labels as the binary digits of their index, all axes as quantiles of all rows."""

    def __init__(self, columns: Sequence[EvaluatedColumn], tables: EvaluationTables) -> None:
        from sklearn.preprocessing import QuantileTransformer

        axes = [_axes(column, tables) for column in columns]
        self.owners = np.repeat(np.arange(len(columns)), [each[Part.REAL].shape[1] for each in axes])
        stacked = {one: np.concatenate([each[one] for each in axes], axis=1) for one in tables.sizes}
        pooled = np.concatenate(list(stacked.values()))
        scale = QuantileTransformer(n_quantiles=min(1000, len(pooled)), random_state=0).fit(pooled)
        self.values = {one: np.asarray(scale.transform(values)) for one, values in stacked.items()}

    def of(self, rows: Part, columns: Sequence[int]) -> Floats:
        """The points of a part in the space of some columns."""
        return self.values[rows][:, np.isin(self.owners, columns)]


def _axes(column: EvaluatedColumn, tables: EvaluationTables) -> dict[Part, Floats]:
    if column.positions is not None:
        return {one: np.nan_to_num(column.numbers(one), posinf=0.0, neginf=0.0)[:, None] for one in tables.sizes}
    digits = np.arange(max(1, len(column.labels).bit_length()))
    return {one: ((column.codes[one][:, None] + 1) >> digits & 1).astype(np.float64) for one in tables.sizes}


def _membership_protection(points: _Points, generator: np.random.Generator) -> float:
    """Ten times 36 attacks that call a row a training row if it is nearer to a synthetic one than a threshold."""
    from sklearn.metrics import pairwise_distances

    made, held = points.values[Part.SYNTHETIC], points.values[Part.HOLDOUT]
    held = held[generator.permutation(len(held))[:_MOST_ATTACKED]]
    trained = points.values[Part.REAL][generator.permutation(len(points.values[Part.REAL]))]
    grades = list[float]()
    for run in range(_RUNS):
        members = trained.take(np.arange(run * len(held), (run + 1) * len(held)), axis=0, mode="wrap")
        order = generator.permutation(2 * len(held))
        distances = pairwise_distances(np.concatenate([members, held])[order], made)
        nearest = distances.min(axis=1) / (distances.max() or 1.0)
        true = order < len(held)
        for threshold, proportion in itertools.product(_THRESHOLDS, _PROPORTIONS):
            count = int(len(order) * proportion)
            grades.append(_grade(nearest[:count] < threshold, true[:count]))
    return (float(np.mean(grades)) - 1) / 2 * 10


def _grade(called: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> float:
    """From 1, the attack works, to 3, by precision and accuracy, rounded to a tenth as the source does."""
    if not len(called):
        return 3.0
    precision = round(float((called & true).sum() / called.sum()), 1) if called.any() else 0.0
    accuracy = round(float((called == true).mean()), 1)
    low, high = sorted((precision, accuracy))
    if high <= 0.5:
        return 3.0
    if high <= 0.8:
        return 2.5 if low <= 0.5 else 2.0
    return 1.5 if low <= 0.8 else 1.0


def _attribute_protection(columns: Sequence[EvaluatedColumn], points: _Points, generator: np.random.Generator) -> float:
    """How far values of training rows cannot be guessed from three others by the five nearest synthetic rows."""
    known = min(_KNOWN_COLUMNS, len(columns) - 1)
    combinations = _combinations(len(columns), known, generator)
    rows = len(points.values[Part.REAL])
    targets = generator.choice(rows, max(rows // 100, _LEAST_TARGETS), replace=True)
    right, tried = np.zeros(len(columns)), np.zeros(len(columns))
    for index, target in enumerate(targets.tolist()):
        quasi = combinations[index % len(combinations)]
        if any(columns[each].codes[Part.REAL][target] < 0 for each in quasi):
            continue
        usable = np.flatnonzero(np.all([columns[each].codes[Part.SYNTHETIC] >= 0 for each in quasi], axis=0))
        if not len(usable):
            continue
        away = ((points.of(Part.SYNTHETIC, quasi)[usable] - points.of(Part.REAL, quasi)[target]) ** 2).sum(axis=1)
        near = usable[np.argsort(away, kind="stable")[:_NEIGHBOURS]]
        for secret, column in enumerate(columns):
            if secret in quasi or column.codes[Part.REAL][target] < 0:
                continue
            tried[secret] += 1
            right[secret] += _is_guessed(column, target, near)
    accuracy = np.round(right / np.maximum(tried, 1), 2)
    weighted_ = np.minimum(accuracy * _entropy_weights(columns) * len(columns), _WORST_ACCURACY)
    return float(np.mean((_WORST_ACCURACY - weighted_) / _WORST_ACCURACY * 10))


def _combinations(columns: int, known: int, generator: np.random.Generator) -> list[tuple[int, ...]]:
    """Combinations of columns that an attacker knows, in random order."""
    if columns <= 30:
        found = np.array(list(itertools.combinations(range(columns), known)))
        return [tuple(each) for each in generator.permutation(found).tolist()]
    return [tuple(generator.choice(columns, known, replace=False).tolist()) for _ in range(_MOST_COMBINATIONS)]


def _is_guessed(column: EvaluatedColumn, target: int, near: Ints) -> bool:
    if column.positions is not None:
        true, guesses = column.numbers(Part.REAL)[target], column.numbers(Part.SYNTHETIC)[near]
        guesses = guesses[np.isfinite(guesses)]
        return bool(len(guesses)) and abs(float(guesses.mean()) - true) <= _TOLERANCE * abs(true)
    codes = column.codes[Part.SYNTHETIC][near]
    codes = codes[codes >= 0]
    return bool(len(codes)) and int(np.bincount(codes).argmax()) == int(column.codes[Part.REAL][target])


def _entropy_weights(columns: Sequence[EvaluatedColumn]) -> Floats:
    """Weights that add up to 1, by the entropy of the real column above that of the column with the least."""
    entropies = list[float]()
    for column in columns:
        shares = column.counts(Part.REAL)[column.counts(Part.REAL) > 0] / max(1, int(column.counts(Part.REAL).sum()))
        entropies.append(round(float(-(shares * np.log(shares)).sum()), 2))
    above = np.array(entropies) - min(entropies)
    return np.asarray(above / (above.sum() or 1.0))
