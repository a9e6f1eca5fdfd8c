"""The evaluation ``coverage``: whether synthetic rows are typical real ones, and whether all real ones are met.

Alpha-precision, beta-recall and authenticity of Alaa et al. 2022 (How Faithful is your Synthetic Data?), on scaled
columns in place of an embedding. Authenticity compares the distance of a synthetic row from its nearest real row with
that real row's own distance from the next real one, as the paper has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.context import BuildContext
from rowsmith.evaluation import Evaluated, EvaluationKind, EvaluationTables, Finding, Measure, Part, TableEvaluation
from rowsmith_plugins.evaluations.fidelity.chance import wilson
from rowsmith_plugins.evaluations.fidelity.judging import alone, compared_parts, judged
from rowsmith_plugins.evaluations.fidelity.points import points_of
from rowsmith_plugins.evaluations.options import CoverageOptions

__all__ = ["Coverage", "build"]

TOLERANCE = 0.1
"""What alpha-precision and beta-recall may be below those of real rows beyond chance."""
FEWEST_ROWS = 30
_LEVELS = np.linspace(1 / 30, 1, 30)
_RESAMPLES = 100

Floats = npt.NDArray[np.float64]
Points = npt.NDArray[np.float32]


@frozen(eq=False, kw_only=True)
class _Compared:
    """Distances of as many real as other rows.

    Attributes:
        inside: For each other row, the share of real rows nearer to the real centre.
        met: For each real row, the rank from 0 to 1, from the others' centre outwards, of its nearest other row, where
            that is as near as its nearest real row; 2 where it is not.
        authentic: For each other row, whether it is farther from its nearest real row than another real one is.
    """

    inside: Floats
    met: Floats
    authentic: npt.NDArray[np.bool_]


class Coverage(TableEvaluation):
    """Alpha-precision, beta-recall and authenticity.

    Attributes:
        options: How many rows are compared.
    """

    name = "coverage"
    kind = EvaluationKind.FIDELITY
    explanation = "Whether synthetic rows lie where real rows lie, and whether all real regions are reached."

    def __init__(self, options: CoverageOptions) -> None:
        self.options = options

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare as many rows of each part."""
        tables = alone(tables)
        rows = min(self.options.max_rows, *tables.sizes.values())
        sampled = tables.sampled(rows, self.name)
        points = points_of(sampled)
        if rows < FEWEST_ROWS or not points[Part.REAL].shape[1]:
            reason = f"fewer than {FEWEST_ROWS} rows" if rows < FEWEST_ROWS else "no column has numbers or labels"
            names = ("alpha-precision", "beta-recall", "authenticity")
            return Evaluated(measures=tuple(Measure(name=name, value=None, reason=reason) for name in names))
        compared = {part: _compare(points[Part.REAL], points[part]) for part in compared_parts(tables)}
        sizes = {part.value: len(points[part]) for part in points}
        fewer = any(sampled.sizes[part] < tables.sizes[part] for part in tables.sizes)
        generator = tables.generator(self.name)
        precision = _measure("alpha-precision", compared, lambda each: each.inside, generator, sizes, fewer)
        recall = _measure("beta-recall", compared, lambda each: each.met, generator, sizes, fewer)
        share = {part: float(each.authentic.mean()) for part, each in compared.items()}
        authentic = Measure(
            name="authenticity",
            value=share[Part.SYNTHETIC],
            interval=wilson(share[Part.SYNTHETIC], len(compared[Part.SYNTHETIC].authentic)),
            ceiling=share.get(Part.HOLDOUT),
            sizes=sizes,
            sampled=fewer,
        )
        return Evaluated(measures=(precision, recall, authentic), findings=tuple(_findings(tables, precision, recall)))


def _compare(real: Points, other: Points) -> _Compared:
    from sklearn.neighbors import NearestNeighbors

    neighbours = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(real)
    own = neighbours.kneighbors(real)[0][:, 1]
    to_real, nearest_real = (each[:, 0] for each in neighbours.kneighbors(other, n_neighbors=1))
    to_other, nearest_other = (
        each[:, 0] for each in NearestNeighbors(n_neighbors=1, algorithm="brute").fit(other).kneighbors(real)
    )
    radii = np.sort(np.linalg.norm(real - real.mean(axis=0), axis=1))
    inside = np.searchsorted(radii, np.linalg.norm(other - real.mean(axis=0), axis=1)) / len(radii)
    reached = np.linalg.norm(other - other.mean(axis=0), axis=1)[nearest_other]
    ranks = np.searchsorted(np.sort(reached), reached) / len(reached)
    return _Compared(
        inside=inside,
        met=np.where(to_other <= own, ranks, 2.0),
        authentic=to_real > own[nearest_real],
    )


def _integrated(inside: Floats) -> float:
    """One minus the area between the curve of shares within a level and the levels, over that of the levels."""
    curve = np.searchsorted(np.sort(inside), _LEVELS, side="right") / len(inside)
    return float(1 - np.abs(_LEVELS - curve).sum() / _LEVELS.sum())


def _measure(
    name: str,
    compared: dict[Part, _Compared],
    of: Callable[[_Compared], Floats],
    generator: np.random.Generator,
    sizes: dict[str, int],
    sampled: bool,
) -> Measure:
    values = of(compared[Part.SYNTHETIC])
    draws = [_integrated(generator.choice(values, len(values))) for _ in range(_RESAMPLES)]
    value = _integrated(values)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Measure(
        name=name,
        value=value,
        interval=(min(float(low), value), max(float(high), value)),
        ceiling=_integrated(of(compared[Part.HOLDOUT])) if Part.HOLDOUT in compared else None,
        sizes=sizes,
        sampled=sampled,
    )


def _findings(tables: EvaluationTables, precision: Measure, recall: Measure) -> Iterator[Finding]:
    """Both beside real held-out rows; without them nothing is known to judge by."""
    words = (
        (precision, "rows-untypical", "the synthetic rows lie elsewhere than the real ones: alpha-precision"),
        (recall, "rows-missing", "parts of the real rows have no like among the synthetic ones: beta-recall"),
    )
    for measure, defect, text in words:
        if measure.value is None or measure.ceiling is None or measure.interval is None:
            continue
        chance = 2 * (measure.interval[1] - measure.interval[0])
        finding = judged(
            tables,
            defect,
            (),
            f"{text} {measure.value:.3f}, of real held-out rows {measure.ceiling:.3f}",
            found=measure.ceiling - measure.value,
            allowed=chance + TOLERANCE,
            share=measure.ceiling - measure.value,
        )
        if finding is not None:
            yield finding


def build(context: BuildContext, options: CoverageOptions) -> Coverage:
    """Build the evaluation."""
    return Coverage(options)
