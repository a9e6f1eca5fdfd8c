"""The evaluation ``three-way``: what ties three columns and no two of them show."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from attrs import frozen

from rowsmith.context import BuildContext
from rowsmith.evaluation import Evaluated, EvaluationKind, EvaluationTables, Finding, Measure, Part, TableEvaluation
from rowsmith_plugins.evaluations.fidelity.bins import Binned, bin_columns, joint_counts
from rowsmith_plugins.evaluations.fidelity.chance import variation_band
from rowsmith_plugins.evaluations.fidelity.clusters import Clusters, clusters_of
from rowsmith_plugins.evaluations.fidelity.distances import shares, variation_apart
from rowsmith_plugins.evaluations.fidelity.judging import alone, compared_parts, judged, mean_of
from rowsmith_plugins.evaluations.options import TriplesOptions

__all__ = ["ThreeWay", "build"]

BINS = 6
TOLERANCE = 0.05
"""What a triple may be farther apart than its pairs, beyond chance."""
MOST_FINDINGS = 5

_NORMAL_95 = 1.96


@frozen(kw_only=True)
class _Triple:
    names: tuple[str, ...]
    measure: Measure
    beyond: float
    band: float


class ThreeWay(TableEvaluation):
    """One minus the total variation of three columns in bins that all parts share, as mostlyai-qa's accuracy.

    Attributes:
        options: How much is compared.
    """

    name = "three-way"
    kind = EvaluationKind.FIDELITY

    def __init__(self, options: TriplesOptions) -> None:
        self.options = options

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare triples of columns; some of them where there are too many."""
        tables = alone(tables)
        whole, tables = tables, tables.sampled(self.options.max_rows, self.name)
        binned = bin_columns(tables, BINS)
        count = math.comb(len(binned), 3)
        chosen = _chosen(len(binned), self.options.max_triples, tables.generator(self.name))
        clusters = clusters_of(tables)
        triples = [_triple(tables, [binned[index] for index in each], clusters) for each in chosen]
        sampled = tables is not whole or count > len(chosen)
        return Evaluated(
            measures=(
                mean_of(
                    self.name,
                    [triple.measure for triple in triples],
                    tables,
                    sampled=sampled,
                    reason="fewer than three columns can be counted",
                ),
            ),
            findings=tuple(_findings(tables, triples)),
            details={"triples": len(triples)},
        )


def _chosen(columns: int, most: int, generator: np.random.Generator) -> list[tuple[int, ...]]:
    if math.comb(columns, 3) <= most:
        return list(itertools.combinations(range(columns), 3))
    found: set[tuple[int, ...]] = set()
    while len(found) < most:
        drawn = generator.choice(columns, 3, replace=False)
        found.add(tuple(sorted(int(index) for index in drawn)))
    return sorted(found)


def _triple(tables: EvaluationTables, columns: Sequence[Binned], clusters: Clusters) -> _Triple:
    names = tuple(column.name for column in columns)
    joint = {part: joint_counts(columns, part) for part in tables.sizes}
    cube = [column.size for column in columns]
    apart = {}
    for part in compared_parts(tables):
        apart[part] = float(variation_apart(shares(joint[Part.REAL]), shares(joint[part])))
    difference = (shares(joint[Part.REAL]) - shares(joint[Part.SYNTHETIC])).reshape(cube)
    pairs = max(float(np.abs(difference.sum(axis=axis)).sum() / 2) for axis in range(3))
    half = _NORMAL_95 / 2 * math.sqrt(sum(1 / tables.sizes[part] for part in (Part.REAL, Part.SYNTHETIC)))
    value = 1 - apart[Part.SYNTHETIC]
    return _Triple(
        names=names,
        measure=Measure(
            name="triple",
            value=value,
            interval=(max(0.0, value - half), min(1.0, value + half)),
            ceiling=1 - apart[Part.HOLDOUT] if tables.has_holdout else None,
            columns=names,
        ),
        beyond=apart[Part.SYNTHETIC] - pairs,
        band=variation_band(joint[Part.REAL], joint[Part.SYNTHETIC]) * clusters.widening(*names),
    )


def _findings(tables: EvaluationTables, triples: Sequence[_Triple]) -> Iterator[Finding]:
    worst = sorted(triples, key=lambda triple: triple.band - triple.beyond)
    for triple in worst[:MOST_FINDINGS]:
        names = " and ".join(map(repr, triple.names))
        finding = judged(
            tables,
            "relation-of-three-changed",
            triple.names,
            f"{names} are related in another way: their joint shares differ by {triple.beyond:.3f} beyond those of "
            f"their pairs, by chance below {triple.band:.3f}",
            found=triple.beyond,
            allowed=triple.band + TOLERANCE,
            share=triple.beyond - triple.band,
        )
        if finding is not None:
            yield finding


def build(context: BuildContext, options: TriplesOptions) -> ThreeWay:
    """Build the evaluation."""
    return ThreeWay(options)
