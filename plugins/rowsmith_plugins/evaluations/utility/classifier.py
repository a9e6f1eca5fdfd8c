"""The evaluations ``classifier`` and ``relation-classifier``: how well trees separate synthetic rows from real ones.

The classifier two-sample test (Lopez-Paz and Oquab 2017): boosted trees are trained on some of both and asked about the
others; 0.5 means that they cannot separate them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.context import BuildContext
from rowsmith.evaluation import (
    Direction,
    Evaluated,
    EvaluationKind,
    EvaluationTables,
    Finding,
    Measure,
    Part,
    TableEvaluation,
)
from rowsmith_plugins.evaluations.fidelity.clusters import blocks_of
from rowsmith_plugins.evaluations.fidelity.judging import alone, judged
from rowsmith_plugins.evaluations.options import ClassifierOptions
from rowsmith_plugins.evaluations.utility.areas import area, area_error
from rowsmith_plugins.evaluations.utility.features import Feature, column_features, matrix, readable, relation_features

__all__ = ["Classifier", "RelationClassifier", "build", "build_of_relations"]

TOLERANCE = 0.15
"""What the area may be beyond that of real rows and chance."""
FEWEST_ROWS = 60
"""Rows of each part below which trees learn nothing."""

_NORMAL_95 = 1.96
_DEVIATIONS = 4.0
_NAMED = 3
_IMPORTANT = 0.01
_TRIED_ROWS = 1_000

Array = npt.NDArray[np.float64]


@frozen(kw_only=True)
class _Separation:
    """How well two parts are distinguished.

    Attributes:
        area: The area under the curve.
        error: Its standard error.
        by: The columns that it depends on most, the first one most of all.
    """

    area: float
    error: float
    by: tuple[str, ...]


class Classifier(TableEvaluation):
    """The cross-validated area under the curve of boosted trees that see the columns.

    Attributes:
        options: How they learn.
    """

    name = "classifier"
    kind = EvaluationKind.UTILITY
    explanation = "How well a classifier separates synthetic rows from real ones: 0.5 is a coin toss, 1 is always."

    def __init__(self, options: ClassifierOptions) -> None:
        self.options = options

    def features(self, tables: EvaluationTables) -> tuple[list[Feature], bool]:
        """What the trees see, and whether there is more."""
        return _some(column_features(tables), self.options.max_features, tables)

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Separate synthetic rows from real ones, and real held-out rows from real ones as the ceiling."""
        tables = alone(tables)
        rows = min(self.options.max_rows, *(tables.sizes[part] for part in (Part.REAL, Part.SYNTHETIC)))
        sampled = tables.sampled(rows, self.name)
        features, fewer = self.features(sampled)
        if rows < FEWEST_ROWS or not features:
            reason = f"fewer than {FEWEST_ROWS} rows of a part" if features else "there is no column but keys"
            return Evaluated(measures=(Measure(name=self.name, value=None, direction=Direction.LOWER, reason=reason),))
        separation = self._separation(features, Part.SYNTHETIC, sampled)
        has_ceiling = sampled.sizes.get(Part.HOLDOUT, 0) >= FEWEST_ROWS
        held = self._separation(features, Part.HOLDOUT, sampled) if has_ceiling else None
        if separation is None:
            reason = f"a part has fewer than {self.options.folds} groups"
            return Evaluated(measures=(Measure(name=self.name, value=None, direction=Direction.LOWER, reason=reason),))
        measure = Measure(
            name=self.name,
            value=separation.area,
            direction=Direction.LOWER,
            best=0.5,
            interval=(
                max(0.0, separation.area - _NORMAL_95 * separation.error),
                min(1.0, separation.area + _NORMAL_95 * separation.error),
            ),
            ceiling=None if held is None else held.area,
            sizes={part.value: size for part, size in sampled.sizes.items()},
            sampled=fewer or any(sampled.sizes[part] < tables.sizes[part] for part in tables.sizes),
        )
        return Evaluated(measures=(measure,), findings=tuple(self._findings(separation, held, tables)))

    def _separation(self, features: Sequence[Feature], part: Part, tables: EvaluationTables) -> _Separation | None:
        """How well a part is separation from the real rows; None where one has fewer groups than there are folds."""
        generator = tables.generator(f"{self.name}.{part.value}")
        count = min(tables.sizes[Part.REAL], tables.sizes[part])
        rows, groups, seen = [], [], 0
        for each in (Part.REAL, part):
            chosen = np.sort(generator.choice(tables.sizes[each], count, replace=False))
            own = np.unique(blocks_of(tables, each)[chosen], return_inverse=True)[1]
            if int(own.max()) + 1 < self.options.folds:
                return None
            rows.append(matrix(features, each)[chosen])
            groups.append(own + seen)
            seen += int(own.max()) + 1
        return _tell(np.concatenate(rows), np.concatenate(groups), features, self.options.folds, generator)

    def _findings(
        self, separation: _Separation, held: _Separation | None, tables: EvaluationTables
    ) -> Iterator[Finding]:
        usual = 0.0 if held is None else max(0.0, held.area - 0.5)
        beside = "" if held is None else f", real held-out rows with {held.area:.3f}"
        named = f", most of all by {', '.join(map(repr, separation.by))}" if separation.by else ""
        finding = judged(
            tables,
            "distinguishable",
            separation.by,
            "boosted trees separate synthetic rows from real ones with an area under the curve of "
            f"{separation.area:.3f}"
            f"{beside}{named}",
            found=separation.area - 0.5,
            allowed=usual + _DEVIATIONS * separation.error + TOLERANCE,
            share=2 * separation.area - 1,
        )
        if finding is not None:
            yield finding


class RelationClassifier(Classifier):
    """The same of trees that see differences, equalities, ratios and last digits besides."""

    name = "relation-classifier"

    def features(self, tables: EvaluationTables) -> tuple[list[Feature], bool]:
        """Columns, and relations between them as far as there is room."""
        most = self.options.max_features
        columns, fewer = _some(column_features(tables), most // 2, tables)
        relations = relation_features(tables, most - len(columns))
        return [*columns, *relations], fewer or len(relations) > most - len(columns)


def _some(features: list[Feature], most: int, tables: EvaluationTables) -> tuple[list[Feature], bool]:
    if len(features) <= most:
        return features, False
    picked = tables.generator("features").choice(len(features), most, replace=False)
    return [features[index] for index in np.sort(picked)], True


def _tell(
    rows: Array,
    groups: npt.NDArray[np.int64],
    features: Sequence[Feature],
    folds: int,
    generator: np.random.Generator,
) -> _Separation:
    """Rows of one class first, as many of the other after them; no group is in two folds."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    count = len(rows) // 2
    labels = np.repeat([0, 1], count)
    scores = np.zeros(2 * count)
    seed = int(generator.integers(2**31))
    by: tuple[str, ...] = ()
    ungrouped = int(groups.max()) + 1 == len(groups)
    split = (StratifiedKFold if ungrouped else StratifiedGroupKFold)(folds, shuffle=True, random_state=seed)
    for train, test in split.split(rows, labels, None if ungrouped else groups):
        judge = HistGradientBoostingClassifier(random_state=seed).fit(readable(rows[train]), labels[train])
        scores[test] = judge.predict_proba(rows[test])[:, 1]
        if not by:
            by = _depends_on(judge, rows[test], labels[test], features, generator)
    negative, positive = scores[:count], scores[count:]
    error = area_error((negative, positive), (groups[:count], groups[count:]))
    return _Separation(area=area(negative, positive), error=error, by=by)


def _depends_on(
    judge: object,
    rows: Array,
    labels: npt.NDArray[np.int64],
    features: Sequence[Feature],
    generator: np.random.Generator,
) -> tuple[str, ...]:
    """The columns without which the trees separate worst: permutation importance."""
    picked = generator.permutation(len(rows))[:_TRIED_ROWS]
    rows, labels = rows[picked].copy(), labels[picked]

    def separation() -> float:
        scores = judge.predict_proba(rows)[:, 1]  # type: ignore[attr-defined]
        return area(scores[labels == 0], scores[labels == 1])

    usual = separation()
    lost: list[tuple[float, tuple[str, ...]]] = []
    for index, feature in enumerate(features):
        before = rows[:, index].copy()
        rows[:, index] = generator.permutation(before)
        lost.append((usual - separation(), feature.columns))
        rows[:, index] = before
    lost.sort(key=lambda each: -each[0])
    return tuple(dict.fromkeys(name for loss, names in lost if loss > _IMPORTANT for name in names))[:_NAMED]


def build(context: BuildContext, options: ClassifierOptions) -> Classifier:
    """Build ``classifier``."""
    return Classifier(options)


def build_of_relations(context: BuildContext, options: ClassifierOptions) -> RelationClassifier:
    """Build ``relation-classifier``."""
    return RelationClassifier(options)
