"""The synthetic quality score (SQS) of Safe Synthesizer, as its source computes it for columns that are not free text.

Source: NVIDIA-NeMo/Safe-Synthesizer, ``evaluation/statistics/stats.py`` and ``evaluation/components`` (2026). Free text
is compared there by a language model that is downloaded; here it is left out, as are keys. A missing part leaves no
score, where the source takes the mean of the others.
"""

from __future__ import annotations

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

__all__ = ["QualityScore", "build"]

_WEIGHTS = (0.86, 1.0, 0.84)
_MOST_BINS = 500
_MOST_COLUMNS = 250
_FEW_NUMBERS = 10
_UNKNOWN_DISTANCE = 0.5887
"""The distance of a column without values, by the source."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class QualityScore(TableEvaluation):
    """The weighted mean of column distribution (0.86), column correlation (1.0) and deep structure (0.84), 0 to 10."""

    name = "sqs"
    kind = EvaluationKind.FIDELITY
    explanation = "The published quality score of Safe Synthesizer, for comparison with other tools."

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compute the score, and that of the held-out rows."""
        small = tables.sampled(MOST_ROWS, self.name)
        columns = [each for each in small.columns if each.kind not in (ColumnKind.KEY, ColumnKind.TEXT)][:_MOST_COLUMNS]
        scores = {each: _scores(columns, each) for each in small.sizes if each is not Part.REAL}
        ceilings = scores.get(Part.HOLDOUT, (None, None, None))
        names = ("column-distribution", "column-correlation", "deep-structure")
        reasons = ("there is no column but keys and texts", *["it needs two columns"] * 2)
        given = zip(names, scores[Part.SYNTHETIC], ceilings, reasons, strict=True)
        parts = [part(name, value, ceiling, "" if value is not None else why) for name, value, ceiling, why in given]
        sizes = {each.value: size for each, size in small.sizes.items()}
        sampled = small is not tables or len(columns) < len(tables.columns)
        return Evaluated(measures=(weighted(self.name, parts, _WEIGHTS, sizes, sampled=sampled),))


def build(context: BuildContext, options: None) -> QualityScore:
    """Build the evaluation."""
    return QualityScore()


def _scores(columns: Sequence[EvaluatedColumn], other: Part) -> tuple[float | None, float | None, float | None]:
    if not columns:
        return None, None, None
    distance = float(np.mean([_distance(column, other) for column in columns]))
    distribution = 0.0 if distance > 0.99 else 10.0 if distance < 0.02 else _square(distance, 7.44, -16.646, 10.305)
    if len(columns) < 2:
        return distribution, None, None
    error = float(np.abs(_correlations(columns, Part.REAL) - _correlations(columns, other)).mean())
    correlation = 0.0 if error > 0.46 else 10.0 if error < 0.01 else _square(error, 37.562, -35.643, 10.056)
    structure = 10 * float(np.exp(-1.6 * _structure_distance(columns, other)))
    return distribution, correlation, structure


def _square(x: float, a: float, b: float, c: float) -> float:
    return a * x**2 + b * x + c


def _is_label(column: EvaluatedColumn) -> bool:
    """Labels, and numbers of at most ten values, whole and not below 0, are categories."""
    if column.positions is None:
        return True
    counts = column.counts(Part.REAL)
    low = column.positions[counts > 0].min(initial=np.inf)
    return column.whole and int((counts > 0).sum()) <= _FEW_NUMBERS and bool(low >= 0)


def _distance(column: EvaluatedColumn, other: Part) -> float:
    if _is_label(column):
        return _jensen_shannon(
            *(np.append(column.counts(each), column.nulls(each).sum()) for each in (Part.REAL, other))
        )
    return _binned_distance(column.numbers(Part.REAL), column.numbers(other))


def _binned_distance(real: Floats, other: Floats) -> float:
    real, other = real[np.isfinite(real)], other[np.isfinite(other)]
    pooled = np.concatenate([real, other])
    if not len(pooled):
        return 0.0
    edges = np.histogram_bin_edges(pooled, bins="doane")
    if len(edges) > _MOST_BINS:
        edges = np.histogram_bin_edges(pooled, bins=_MOST_BINS)
    return _jensen_shannon(np.histogram(real, edges)[0], np.histogram(other, edges)[0])


def _jensen_shannon(real: npt.ArrayLike, other: npt.ArrayLike) -> float:
    one, two = np.asarray(real, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if not one.sum() or not two.sum():
        return 0.0 if one.sum() == two.sum() else _UNKNOWN_DISTANCE
    one, two = one / one.sum(), two / two.sum()
    divergence = _entropy_of((one + two) / 2) - (_entropy_of(one) + _entropy_of(two)) / 2
    return float(np.sqrt(max(0.0, divergence / np.log(2))))


def _correlations(columns: Sequence[EvaluatedColumn], rows: Part) -> Floats:
    """Pearson's r of numbers, Theil's U of labels, the correlation ratio of a label and a number; ``[columns]²``."""
    matrix = np.eye(len(columns))
    for one, first in enumerate(columns):
        for two, second in enumerate(columns):
            if one != two:
                matrix[one, two] = _correlation(first, second, rows)
    return matrix


def _correlation(first: EvaluatedColumn, second: EvaluatedColumn, rows: Part) -> float:
    labels = _is_label(first), _is_label(second)
    if all(labels):
        return _theils_u(_codes(first, rows), _codes(second, rows))
    if any(labels):
        label, number = (first, second) if labels[0] else (second, first)
        return _correlation_ratio(_codes(label, rows), number.numbers(rows))
    return _pearson(first.numbers(rows), second.numbers(rows))


def _codes(column: EvaluatedColumn, rows: Part) -> Ints:
    return np.asarray(np.unique(column.codes[rows], return_inverse=True)[1], dtype=np.int64)


def _pearson(first: Floats, second: Floats) -> float:
    known = np.isfinite(first) & np.isfinite(second)
    first, second = first[known], second[known]
    if len(first) < 2 or not first.std() or not second.std():
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _correlation_ratio(labels: Ints, numbers: Floats) -> float:
    known = np.isfinite(numbers)
    labels, numbers = labels[known], numbers[known]
    if len(numbers) < 2:
        return 0.0
    counts = np.bincount(labels)
    means = np.bincount(labels, numbers) / np.maximum(counts, 1)
    total = float(((numbers - numbers.mean()) ** 2).sum())
    between = float((counts * (means - numbers.mean()) ** 2).sum())
    return float(np.sqrt(min(1.0, between / total))) if total else 0.0


def _theils_u(first: Ints, second: Ints) -> float:
    """How much of the entropy of the first labels the second ones explain: U(first | second)."""
    width = int(second.max(initial=0)) + 1
    joint, one, two = (_entropy(codes) for codes in (first * width + second, first, second))
    return 1.0 if one == 0 else max(0.0, (one - (joint - two)) / one)


def _entropy(codes: Ints) -> float:
    return _entropy_of(np.unique(codes, return_counts=True)[1] / len(codes))


def _entropy_of(shares: Floats) -> float:
    """In nats."""
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _structure_distance(columns: Sequence[EvaluatedColumn], other: Part) -> float:
    """The mean distance of the first two principal components of the real rows, with the others projected on them."""
    real, made = (np.column_stack([_axis(column, each) for column in columns]) for each in (Part.REAL, other))
    mean, spread = real.mean(axis=0), real.std(axis=0)
    spread[spread == 0] = 1.0
    scaled, projected = (real - mean) / spread, (made - mean) / spread
    axes = np.linalg.svd(scaled, full_matrices=False)[2][:2]
    return float(np.mean([_binned_distance(scaled @ axis, projected @ axis) for axis in axes]))


def _axis(column: EvaluatedColumn, rows: Part) -> Floats:
    """Numbers with their median in place of nulls; labels, null among them, by how many real rows have them."""
    if _is_label(column):
        counts = np.append(column.counts(Part.REAL), column.nulls(Part.REAL).sum())
        return counts[column.codes[rows]].astype(np.float64)
    numbers = column.numbers(rows)
    known = numbers[np.isfinite(numbers)]
    return np.where(np.isfinite(numbers), numbers, np.median(known) if len(known) else 0.0)
