"""The evaluation ``pair-trends``: what ties two columns."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.context import BuildContext
from rowsmith.evaluation import (
    ColumnKind,
    Evaluated,
    EvaluationKind,
    EvaluationTables,
    Finding,
    Measure,
    Part,
    TableEvaluation,
)
from rowsmith_plugins.evaluations.fidelity.bins import Binned, bin_columns, joint_counts
from rowsmith_plugins.evaluations.fidelity.chance import variation_band
from rowsmith_plugins.evaluations.fidelity.clusters import Clusters, clusters_of
from rowsmith_plugins.evaluations.fidelity.distances import shares, variation_apart
from rowsmith_plugins.evaluations.fidelity.judging import alone, compared_parts, judged, mean_of
from rowsmith_plugins.evaluations.options import PairsOptions

__all__ = ["PairTrends", "build"]

BINS = 10
TOLERANCE = 0.04
"""What a pair may be farther apart than its columns, beyond chance."""
LOST_TOLERANCE = 0.01
"""The same of a relation that is lost, which may be a weak one."""
LOST = 0.5
"""A relation of less than this part of its strength is lost."""
MOST_OF_COLUMN = 0.75
"""A column that lost so large a part of its relations, and some at least, is named by itself."""
FEWEST_OF_COLUMN = 2
MOST_FINDINGS = 10

_NORMAL_95 = 1.96
_MOST_CELLS = 200_000
_TINY = 1e-300

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@frozen(kw_only=True)
class _Pair:
    """What was found of two columns.

    Attributes:
        names: The columns.
        distances: Total variation from the real rows of the pair beyond that of its columns, by part.
        band: What it may be by chance.
        strength: Total variation of the pair from that of unrelated columns, by part.
        measure: The pair's similarity.
    """

    names: tuple[str, str]
    distances: dict[Part, float]
    band: float
    strength: dict[Part, float]
    measure: Measure

    @property
    def allowed(self) -> float:
        return self.band + (LOST_TOLERANCE if self.lost else TOLERANCE)

    @property
    def related(self) -> bool:
        return self.strength[Part.REAL] > self.band

    @property
    def lost(self) -> bool:
        return self.related and self.strength[Part.SYNTHETIC] < LOST * self.strength[Part.REAL]

    @property
    def broken(self) -> bool:
        return self.distances[Part.SYNTHETIC] > self.allowed


class PairTrends(TableEvaluation):
    """Similarity of pairs: correlations of numbers, and contingency tables of bins that all parts share.

    Attributes:
        options: How much is compared.
    """

    name = "pair-trends"
    kind = EvaluationKind.FIDELITY
    explanation = "How alike the relations of two columns are. It says nothing of relations of three and more."

    def __init__(self, options: PairsOptions) -> None:
        self.options = options

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare pairs of columns; some of them where there are too many."""
        tables = alone(tables)
        whole, tables = tables, tables.sampled(self.options.max_rows, self.name)
        binned = bin_columns(tables, BINS)
        chosen = list(itertools.combinations(range(len(binned)), 2))
        sampled = tables is not whole or len(chosen) > self.options.max_pairs
        if len(chosen) > self.options.max_pairs:
            picked = tables.generator(self.name).choice(len(chosen), self.options.max_pairs, replace=False)
            chosen = [chosen[index] for index in np.sort(picked)]
        numbers = {
            column.name: {part: column.numbers(part) for part in tables.sizes}
            for column in tables.of_kind(ColumnKind.NUMBER, ColumnKind.MOMENT)
        }
        single = {column.name: {part: column.counts(part) for part in tables.sizes} for column in binned}
        clusters = clusters_of(tables)
        pairs = [_pair(tables, (binned[one], binned[two]), single, numbers, clusters) for one, two in chosen]
        measures = [pair.measure for pair in pairs]
        return Evaluated(
            measures=(mean_of(self.name, measures, tables, sampled=sampled, reason=_no_pairs(len(binned))),),
            findings=tuple(_findings(tables, pairs)),
            details={"pairs": len(pairs), "columns": [each.name for each in binned]},
        )


def _no_pairs(columns: int) -> str:
    """Why there are no pairs; empty where there are some."""
    return "" if columns > 1 else f"no pairs: {('no column', 'one column')[columns]} with values to compare"


def _pair(
    tables: EvaluationTables,
    columns: tuple[Binned, Binned],
    single: Mapping[str, Mapping[Part, Counts]],
    numbers: Mapping[str, Mapping[Part, Floats]],
    clusters: Clusters,
) -> _Pair:
    names = (columns[0].name, columns[1].name)
    joint = {part: joint_counts(columns, part) for part in tables.sizes}
    real = shares(joint[Part.REAL])
    apart = {part: float(variation_apart(real, shares(joint[part]))) for part in compared_parts(tables)}
    beyond = {part: distance - max(_apart(single[name], part) for name in names) for part, distance in apart.items()}
    if all(name in numbers for name in names):
        value, interval, ceiling = _correlation(tables, [numbers[name] for name in names])
    else:
        # Labels are compared as they are, as SDMetrics does; a finding needs few bins, or chance hides it.
        whole = _labels_apart(tables, names) if not any(name in numbers for name in names) else apart
        value, ceiling = 1 - whole[Part.SYNTHETIC], 1 - whole[Part.HOLDOUT] if tables.has_holdout else None
        half = _NORMAL_95 / 2 * math.sqrt(sum(1 / tables.sizes[part] for part in (Part.REAL, Part.SYNTHETIC)))
        interval = (max(0.0, value - half), min(1.0, value + half))
    return _Pair(
        names=names,
        distances=beyond,
        band=variation_band(joint[Part.REAL], joint[Part.SYNTHETIC]) * clusters.widening(*names),
        strength={
            part: _strength(joint[part], [single[name][part] for name in names]) for part in (Part.REAL, Part.SYNTHETIC)
        },
        measure=Measure(
            name="pair-trend",
            value=value,
            interval=interval,
            ceiling=ceiling,
            columns=names,
            reason="" if value is not None else "a column has one number alone, so that nothing correlates with it",
        ),
    )


def _labels_apart(tables: EvaluationTables, names: tuple[str, str]) -> dict[Part, float]:
    """Total variation of two columns of labels, of all their labels."""
    one, two = (tables.column(name) for name in names)
    width = len(two.labels) + 1
    pairs = {part: (one.codes[part] + 1).astype(np.int64) * width + two.codes[part] + 1 for part in tables.sizes}
    size = (len(one.labels) + 1) * width
    if size > _MOST_CELLS:
        cells, codes = np.unique(np.concatenate(list(pairs.values())), return_inverse=True)
        size, edges = len(cells), np.cumsum([len(each) for each in pairs.values()])[:-1]
        pairs = dict(zip(pairs, np.split(codes, edges), strict=True))
    real = shares(np.bincount(pairs[Part.REAL], minlength=size))
    return {
        part: float(variation_apart(real, shares(np.bincount(pairs[part], minlength=size))))
        for part in compared_parts(tables)
    }


def _strength(joint: Counts, columns: Sequence[Counts]) -> float:
    unrelated = np.outer(*map(shares, columns)).ravel()
    return float(variation_apart(shares(joint), unrelated))


def _apart(counts: Mapping[Part, Counts], part: Part) -> float:
    return float(variation_apart(shares(counts[Part.REAL]), shares(counts[part])))


def _correlation(
    tables: EvaluationTables, numbers: Sequence[Mapping[Part, Floats]]
) -> tuple[float | None, tuple[float, float] | None, float | None]:
    """One minus half the difference of Pearson's correlations, its interval by Fisher's z, and the ceiling."""
    found = {part: _pearson(numbers[0][part], numbers[1][part]) for part in tables.sizes}
    (real, rows), (synthetic, others) = found[Part.REAL], found[Part.SYNTHETIC]
    if real is None or synthetic is None:
        return None, None, None
    value = 1 - abs(real - synthetic) / 2
    error = math.hypot(
        *((1 - each**2) / math.sqrt(max(1, size - 3)) for each, size in ((real, rows), (synthetic, others)))
    )
    held = found[Part.HOLDOUT][0] if tables.has_holdout else None
    half = _NORMAL_95 * error / 2
    return (
        value,
        (max(0.0, value - half), min(1.0, value + half)),
        None if held is None else 1 - abs(real - held) / 2,
    )


def _pearson(first: Floats, second: Floats) -> tuple[float | None, int]:
    both = np.isfinite(first) & np.isfinite(second)
    one, two = first[both], second[both]
    if len(one) < 3:
        return None, len(one)
    # Squares of numbers near the ends of what a float holds are beyond it.
    one, two = (each / max(float(np.abs(each).max()), _TINY) for each in (one, two))
    one, two = one - one.mean(), two - two.mean()
    spread = math.sqrt(float(one @ one)) * math.sqrt(float(two @ two))
    return (float(one @ two) / spread if spread > 0 else None), len(one)


def _findings(tables: EvaluationTables, pairs: Sequence[_Pair]) -> Iterator[Finding]:
    broken = sorted(
        (pair for pair in pairs if pair.broken), key=lambda pair: -pair.distances[Part.SYNTHETIC] / pair.allowed
    )
    related = Counter(name for pair in pairs if pair.related for name in pair.names)
    lost = Counter(name for pair in pairs if pair.lost for name in pair.names)
    for name, count in lost.most_common():
        worst = next((pair for pair in broken if name in pair.names), None)
        if worst is None or count < max(FEWEST_OF_COLUMN, MOST_OF_COLUMN * related[name]):
            continue
        other = worst.names[worst.names[0] == name]
        text = (
            f"{name!r} has lost its relation to {count} of the {related[name]} columns that it depends on, most of all "
            f"to {other!r}: {_figures(worst)}"
        )
        yield from _judge(tables, "column-unrelated", (name,), text, worst)
        broken = [pair for pair in broken if name not in pair.names]
    for pair in broken[:MOST_FINDINGS]:
        text = f"{pair.names[0]!r} and {pair.names[1]!r} are related in another way: {_figures(pair)}"
        yield from _judge(tables, "relation-changed", pair.names, text, pair)


def _judge(tables: EvaluationTables, defect: str, names: tuple[str, ...], text: str, pair: _Pair) -> Iterator[Finding]:
    found = pair.distances[Part.SYNTHETIC]
    finding = judged(tables, defect, names, text, found=found, allowed=pair.allowed, share=found - pair.band)
    if finding is not None:
        yield finding


def _figures(pair: _Pair) -> str:
    usual = f", of real held-out rows {pair.distances[Part.HOLDOUT]:.3f}" if Part.HOLDOUT in pair.distances else ""
    return (
        f"their joint shares differ by {pair.distances[Part.SYNTHETIC]:.3f} beyond those of each{usual}, by chance "
        f"below {pair.band:.3f}"
    )


def build(context: BuildContext, options: PairsOptions) -> PairTrends:
    """Build the evaluation."""
    return PairTrends(options)
