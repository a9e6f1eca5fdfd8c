"""The evaluation ``downstream``: models trained on synthetic rows against models trained on real ones (TSTR, TRTR).

Both are tested on real held-out rows, which neither has seen, and learn from as many rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.context import BuildContext
from rowsmith.errors import ParameterError
from rowsmith.evaluation import (
    ColumnKind,
    Evaluated,
    EvaluatedColumn,
    EvaluationKind,
    EvaluationTables,
    Finding,
    Measure,
    Part,
    TableEvaluation,
)
from rowsmith_plugins.evaluations.fidelity.judging import alone, judged
from rowsmith_plugins.evaluations.options import DownstreamOptions
from rowsmith_plugins.evaluations.utility.areas import area
from rowsmith_plugins.evaluations.utility.features import column_features, matrix, readable

__all__ = ["Downstream", "build"]

TOLERANCE = 0.1
"""What a skill may lose beyond chance: of an area under the curve it is half of that."""
FEWEST_ROWS = 60
MOST_CLASSES = 10
FEWEST_NUMBERS = 20
FEWEST_OF_CLASS = 10
LEAST_SKILL = 0.05
"""A target that real rows do not predict either proves nothing."""

_RESAMPLES = 50
_TREES = 200
_FEWEST_ROUNDS = 20
_DEVIATIONS = 4.0

Array = npt.NDArray[np.float64]
Skill = Callable[[npt.NDArray[np.int64]], float]
"""The skill of a model on some of the held-out rows."""


@frozen(eq=False, kw_only=True)
class _Trained:
    """Skills of both models on the held-out rows.

    Attributes:
        target: The column that they predict.
        scale: What a skill of one is.
        synthetic: Of the model that learned from synthetic rows: on all of them, then on resamples.
        real: The same of the model that learned from real rows.
    """

    target: str
    scale: str
    synthetic: Array
    real: Array


class Downstream(TableEvaluation):
    """The mean skill of models trained on synthetic rows; its ceiling is that of models trained on real ones.

    The skill is 2 AUC - 1 for labels, the mean over classes where there are more than two, and R squared for numbers.

    Attributes:
        options: What they predict.
    """

    name = "downstream"
    kind = EvaluationKind.UTILITY
    explanation = "How well a model trained on synthetic rows predicts real ones, beside one trained on real rows."
    needs_holdout = True

    def __init__(self, options: DownstreamOptions) -> None:
        self.options = options

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Train both models for each target and test them on the held-out rows."""
        tables = alone(tables)
        rows = min(self.options.max_rows, tables.sizes[Part.REAL], tables.sizes[Part.SYNTHETIC])
        sampled = tables.sampled(rows, self.name)
        targets = self._targets(sampled)
        if min(rows, sampled.sizes[Part.HOLDOUT]) < FEWEST_ROWS or not targets:
            reason = "no column is a target: few labels with ten rows each, or numbers"
            if targets:
                reason = f"a part has fewer than {FEWEST_ROWS} rows"
            return Evaluated(measures=(Measure(name=self.name, value=None, range=(-1.0, 1.0), reason=reason),))
        trained = [self._train(sampled, column) for column in targets]
        fewer = any(sampled.sizes[part] < tables.sizes[part] for part in tables.sizes)
        parts = tuple(self._measure(f"predict-{i + 1}", [each], sampled, fewer) for i, each in enumerate(trained))
        whole = self._measure(self.name, trained, sampled, fewer, parts)
        return Evaluated(measures=(whole,), findings=tuple(f for each in trained for f in _findings(each, tables)))

    def _targets(self, tables: EvaluationTables) -> list[EvaluatedColumn]:
        if self.options.targets:
            try:
                return [tables.column(name) for name in self.options.targets]
            except KeyError as missing:
                names = ", ".join(column.name for column in tables.columns)
                raise ParameterError(
                    f"evaluation downstream, option targets: no column {missing}; the table has {names}"
                ) from None
        found = []
        for usable in (_is_class, _is_quantity):
            found += [column for column in tables.columns if usable(column)][-1:]
        return sorted(found, key=lambda column: -tables.columns.index(column))

    def _train(self, tables: EvaluationTables, target: EvaluatedColumn) -> _Trained:
        features = column_features(tables, (target.name,))
        if len(features) > self.options.max_features:
            picked = tables.generator(self.name).choice(len(features), self.options.max_features, replace=False)
            features = [features[index] for index in np.sort(picked)]
        rows = {part: matrix(features, part) for part in tables.sizes}
        generator = tables.generator(f"{self.name}.{target.name}")
        resamples = [generator.integers(0, len(rows[Part.HOLDOUT]), len(rows[Part.HOLDOUT])) for _ in range(_RESAMPLES)]
        chosen = [np.arange(len(rows[Part.HOLDOUT])), *resamples]
        train = _class_skill if target.positions is None else _number_skill
        skills = {}
        for part in (Part.SYNTHETIC, Part.REAL):
            skill = train(rows, target, part, tables.seed % 2**31)
            skills[part] = np.array([max(-1.0, skill(each)) for each in chosen])
        scale = "R squared" if target.positions is not None else "2 AUC - 1"
        return _Trained(target=target.name, scale=scale, synthetic=skills[Part.SYNTHETIC], real=skills[Part.REAL])

    def _measure(
        self,
        name: str,
        trained: Sequence[_Trained],
        tables: EvaluationTables,
        sampled: bool,
        parts: tuple[Measure, ...] = (),
    ) -> Measure:
        synthetic = np.mean([each.synthetic for each in trained], axis=0)
        low, high = np.quantile(synthetic[1:], [0.025, 0.975])
        value = float(synthetic[0])
        return Measure(
            name=name,
            value=value,
            range=(-1.0, 1.0),
            interval=(min(value, float(low)), max(value, float(high))),
            ceiling=float(np.mean([each.real[0] for each in trained])),
            sizes={part.value: size for part, size in tables.sizes.items()},
            sampled=sampled,
            columns=tuple(each.target for each in trained),
            parts=parts,
        )


def _is_class(column: EvaluatedColumn) -> bool:
    """Whether a column has few labels, two of them frequent enough to learn."""
    if column.kind is not ColumnKind.LABEL:
        return False
    real = column.counts(Part.REAL)
    classes, frequent = int(np.count_nonzero(real)), int(np.count_nonzero(real >= FEWEST_OF_CLASS))
    return 2 <= classes <= MOST_CLASSES and frequent >= 2


def _is_quantity(column: EvaluatedColumn) -> bool:
    return column.kind is ColumnKind.NUMBER and int(np.count_nonzero(column.counts(Part.REAL))) >= FEWEST_NUMBERS


def _class_skill(rows: dict[Part, Array], target: EvaluatedColumn, part: Part, seed: int) -> Skill:
    from sklearn.ensemble import HistGradientBoostingClassifier

    codes, held = target.codes[part], target.codes[Part.HOLDOUT]
    known = np.flatnonzero(codes >= 0)
    scores = np.zeros((len(held), len(target.labels)))
    if len(np.unique(codes[known])) > 1:
        # Boosting grows a tree for each class in each round.
        rounds = max(_FEWEST_ROUNDS, _TREES // max(2, len(np.unique(codes[known]))))
        model = HistGradientBoostingClassifier(max_iter=rounds, random_state=seed)
        model.fit(readable(rows[part][known]), codes[known])
        scores[:, model.classes_] = model.predict_proba(readable(rows[Part.HOLDOUT]))
    real = np.flatnonzero(target.counts(Part.REAL) >= FEWEST_OF_CLASS)

    def skill(chosen: npt.NDArray[np.int64]) -> float:
        truth, said = held[chosen], scores[chosen]
        areas = []
        for code in real:
            of_class = truth == code
            if of_class.any() and not of_class.all():
                areas.append(area(said[~of_class, code], said[of_class, code]))
        return 2 * float(np.mean(areas)) - 1 if areas else 0.0

    return skill


def _number_skill(rows: dict[Part, Array], target: EvaluatedColumn, part: Part, seed: int) -> Skill:
    from sklearn.ensemble import HistGradientBoostingRegressor

    numbers, truth, real = (target.numbers(each) for each in (part, Part.HOLDOUT, Part.REAL))
    # Squares of numbers near the ends of what a float holds are beyond it.
    largest = float(np.abs(real[np.isfinite(real)]).max(initial=0.0)) or 1.0
    with np.errstate(over="ignore"):
        numbers, truth = numbers / largest, truth / largest
    known, asked = np.isfinite(numbers), np.isfinite(truth)
    said = np.full(len(truth), np.nan)
    if known.sum() > 1:
        model = HistGradientBoostingRegressor(random_state=seed).fit(readable(rows[part][known]), numbers[known])
        said = model.predict(readable(rows[Part.HOLDOUT]))

    def skill(chosen: npt.NDArray[np.int64]) -> float:
        chosen = chosen[asked[chosen] & np.isfinite(said[chosen])]
        spread = float(((truth[chosen] - truth[chosen].mean()) ** 2).sum()) if len(chosen) else 0.0
        return 1 - float(((truth[chosen] - said[chosen]) ** 2).sum()) / spread if spread > 0 else 0.0

    return skill


def _findings(trained: _Trained, tables: EvaluationTables) -> Iterator[Finding]:
    lost = trained.real - trained.synthetic
    if trained.real[0] < LEAST_SKILL:
        return
    finding = judged(
        tables,
        "utility-lost",
        (trained.target,),
        f"a model of {trained.target!r} trained on synthetic rows has a skill of {trained.synthetic[0]:.3f} on real "
        f"held-out rows ({trained.scale}), one trained on as many real rows {trained.real[0]:.3f}",
        found=float(lost[0]),
        allowed=TOLERANCE + _DEVIATIONS * float(lost[1:].std()),
        share=float(lost[0]),
    )
    if finding is not None:
        yield finding


def build(context: BuildContext, options: DownstreamOptions) -> Downstream:
    """Build the evaluation."""
    return Downstream(options)
