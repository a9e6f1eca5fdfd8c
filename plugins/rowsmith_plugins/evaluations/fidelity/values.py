"""The evaluation ``values``: values that a column cannot hold, values that are lost, and keys."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rowsmith.context import BuildContext
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
from rowsmith_plugins.evaluations.fidelity.chance import mean_band, share_band, unseen_share, wilson
from rowsmith_plugins.evaluations.fidelity.clusters import Clusters, clusters_of
from rowsmith_plugins.evaluations.fidelity.judging import alone, compared_parts, judged, mean_of
from rowsmith_plugins.evaluations.fidelity.tails import ends_of
from rowsmith_plugins.evaluations.fidelity.text_values import text_findings

__all__ = ["Values", "build"]

TOLERANCE = 0.0005
"""What the share of rows with a value of another kind may come to beyond chance."""
FAR_TOLERANCE = 0.0001
"""The same of numbers far beyond the real ones."""
NEW_TOLERANCE = 0.01
"""The same of new labels: columns of many labels may be learned as text, which spells a few that are not there."""
LOST_RATIO = 0.5
"""A frequent value may lose or gain so large a part of its rows, as far as chance allows, and not count as lost."""
LOST_TOLERANCE = 0.005
GONE_TOLERANCE = 0.002
"""The share of rows of a value, or of all but one, that may be lost altogether beyond chance and protection."""
FREQUENT = 0.01
"""A number of so many rows is a value by itself, such as zero."""

Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Values(TableEvaluation):
    """Share of cells that the column can hold, and values that are lost, constant, new or repeated."""

    name = "values"
    kind = EvaluationKind.FIDELITY

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Look at the values of every column."""
        tables = alone(tables)
        parts = [_measure(column, tables) for column in tables.columns]
        clusters = clusters_of(tables)
        findings = [finding for column in tables.columns for finding in _findings(column, tables, clusters)]
        return Evaluated(measures=(mean_of(self.name, parts, tables),), findings=tuple(findings))


def _measure(column: EvaluatedColumn, tables: EvaluationTables) -> Measure:
    """The share of cells with a value that the real column could hold; of keys, of new and distinct ones."""
    good = _possible(column, tables)
    found = {part: _share_good(column, part, good) for part in compared_parts(tables)}
    rows = tables.sizes[Part.SYNTHETIC]
    return Measure(
        name="values-possible",
        value=found[Part.SYNTHETIC],
        interval=wilson(found[Part.SYNTHETIC], rows),
        ceiling=found.get(Part.HOLDOUT),
        sizes={part.value: tables.sizes[part] for part in (Part.REAL, *found)},
        columns=(column.name,),
    )


def _share_good(column: EvaluatedColumn, part: Part, good: Mask) -> float:
    counts = column.counts(part)
    if column.kind is ColumnKind.KEY:
        counts = np.minimum(counts, 1)
    total = len(column.codes[part])
    return float((counts[good].sum() + column.nulls(part).sum()) / total)


def _possible(column: EvaluatedColumn, tables: EvaluationTables) -> Mask:
    """Which labels the real column could hold: of its kind, in its range, or known."""
    known = column.counts(Part.REAL) > 0
    if column.kind is ColumnKind.TEXT:
        return np.ones(len(known), dtype=np.bool_)
    if column.kind is ColumnKind.KEY:
        return np.asarray(~known)
    if column.positions is None:
        return np.asarray(known | (column.name in tables.new_labels))
    real = column.positions[known & np.isfinite(column.positions)]
    if not len(real):
        return np.asarray(known)
    inside = (column.positions >= real.min()) & (column.positions <= real.max())
    return np.asarray(known | (inside & ~_not_whole(column)))


def _not_whole(column: EvaluatedColumn) -> Mask:
    assert column.positions is not None
    numbers = np.nan_to_num(column.positions)
    return np.asarray(column.whole & np.isfinite(column.positions) & (numbers != np.round(numbers)))


def _findings(column: EvaluatedColumn, tables: EvaluationTables, clusters: Clusters) -> Iterator[Finding]:
    if column.kind is ColumnKind.KEY:
        yield from _keys(column, tables)
        return
    constant = list(_constant(column, tables, clusters))
    if constant:
        yield from constant
        return
    if column.kind is not ColumnKind.TEXT:
        yield from _lost(column, tables, clusters)
    if column.kind is ColumnKind.LABEL:
        yield from _new(column, tables, clusters)
    if column.kind is ColumnKind.TEXT:
        yield from text_findings(column, tables, clusters)
    if column.positions is not None:
        yield from _other_kind(column, tables, clusters)
        yield from _other_unit(column, tables, clusters)


def _keys(column: EvaluatedColumn, tables: EvaluationTables) -> Iterator[Finding]:
    counts = {part: column.counts(part) for part in (Part.REAL, Part.SYNTHETIC)}
    real, synthetic = counts[Part.REAL], counts[Part.SYNTHETIC]
    rows = max(1, int(synthetic.sum()))
    repeated = float(np.maximum(synthetic - 1, 0).sum() / rows)
    known = float(synthetic[real > 0].sum() / rows)
    if real.max(initial=0) <= 1 and not tables.groups:
        text = f"{repeated:.2%} of the synthetic rows have the key {column.name!r} of an earlier row"
        yield from _some(
            judged(tables, "keys-repeated", (column.name,), text, found=repeated, allowed=0, share=repeated)
        )
    text = f"{known:.2%} of the synthetic rows have a key {column.name!r} of a real row"
    yield from _some(judged(tables, "keys-known", (column.name,), text, found=known, allowed=0, share=known))


def _constant(column: EvaluatedColumn, tables: EvaluationTables, clusters: Clusters) -> Iterator[Finding]:
    real, synthetic = column.counts(Part.REAL), column.counts(Part.SYNTHETIC)
    if np.count_nonzero(real) < 2 or np.count_nonzero(synthetic) > 1:
        return
    rows = max(1, int(synthetic.sum()))
    lost = 1 - float((real * (synthetic > 0)).sum() / real.sum())
    if column.kind is not ColumnKind.TEXT or lost > 0:
        text = f"{column.name!r} is constant: {np.count_nonzero(real):,} values became {np.count_nonzero(synthetic)}"
        allowed = (
            unseen_share(clusters.rows(rows, column.name)) + 2 * tables.k / tables.sizes[Part.REAL] + GONE_TOLERANCE
        )
        yield from _some(judged(tables, "constant", (column.name,), text, found=lost, allowed=allowed, share=lost))


def _lost(column: EvaluatedColumn, tables: EvaluationTables, clusters: Clusters) -> Iterator[Finding]:
    """Labels and frequent numbers with far fewer or far more rows than the real ones."""
    real, synthetic = column.counts(Part.REAL), column.counts(Part.SYNTHETIC)
    sizes = (tables.sizes[Part.REAL], tables.sizes[Part.SYNTHETIC])
    independent = (clusters.rows(sizes[0], column.name), clusters.rows(sizes[1], column.name))
    least = 0.0 if column.kind is ColumnKind.LABEL else FREQUENT
    worst: Finding | None = None
    for index in np.flatnonzero((real / sizes[0] > least) & (_holders(column, tables) >= tables.k)):
        share, found = float(real[index] / sizes[0]), float(synthetic[index] / sizes[1])
        # Lost altogether is worse than rare, and a rare label may be lost by chance and by protection.
        tolerance = 2 * tables.k / sizes[0] + (LOST_RATIO * share + LOST_TOLERANCE if found else GONE_TOLERANCE)
        allowed = tolerance + (unseen_share(independent[1]) if not found else share_band(share, *independent))
        words = "is lost" if not found else f"has {found:.2%} of the synthetic ones"
        text = f"{column.labels[index]!r}, {share:.2%} of the real rows in {column.name!r}, {words}"
        finding = judged(
            tables, "value-lost", (column.name,), text, found=share - found, allowed=allowed, share=share - found
        )
        if finding is not None and (worst is None or finding.excess > worst.excess):
            worst = finding
    yield from _some(worst)


def _holders(column: EvaluatedColumn, tables: EvaluationTables) -> Counts:
    """The real rows that have each label; of grouped tables the groups, since one may have it in many rows."""
    if Part.REAL not in tables.groups:
        return column.counts(Part.REAL)
    known = column.codes[Part.REAL] >= 0
    width = len(column.labels)
    cells = np.unique(tables.groups[Part.REAL][known] * width + column.codes[Part.REAL][known])
    return np.bincount(cells % max(1, width), minlength=width)


def _new(column: EvaluatedColumn, tables: EvaluationTables, clusters: Clusters) -> Iterator[Finding]:
    """Labels that no real row has; as many rows as have a label alone have one that was not seen yet (Good-Turing)."""
    real, synthetic = column.counts(Part.REAL), column.counts(Part.SYNTHETIC)
    if column.name in tables.new_labels:
        return
    rows, others = max(1, int(real.sum())), tables.sizes[Part.SYNTHETIC]
    once, twice = (float(np.count_nonzero(real == times)) for times in (1, 2))
    unseen = once / rows
    band = mean_band((once + 2 * twice) / rows**2 + unseen * (1 - unseen) / others) * clusters.widening(column.name)
    found = float(synthetic[real == 0].sum() / others)
    text = f"{found:.2%} of the synthetic rows have a label in {column.name!r} that no real row has"
    allowed = unseen + max(band, unseen_share(clusters.rows(min(rows, others), column.name))) + NEW_TOLERANCE
    yield from _some(judged(tables, "labels-new", (column.name,), text, found=found, allowed=allowed, share=found))


def _other_kind(column: EvaluatedColumn, tables: EvaluationTables, clusters: Clusters) -> Iterator[Finding]:
    assert column.positions is not None
    real, synthetic = column.counts(Part.REAL), column.counts(Part.SYNTHETIC)
    rows = tables.sizes[Part.SYNTHETIC]
    independent = [clusters.rows(tables.sizes[part], column.name) for part in (Part.REAL, Part.SYNTHETIC)]
    allowed = unseen_share(independent[0]) + share_band(0, *independent) + TOLERANCE
    strange = ~np.isfinite(column.positions) & (real == 0)
    if column.name in tables.new_labels:
        strange &= False
    found = float(synthetic[strange].sum() / rows)
    text = f"{found:.2%} of the synthetic rows have a value in {column.name!r} that is no {column.kind.value}"
    yield from _some(judged(tables, "other-kind", (column.name,), text, found=found, allowed=allowed, share=found))
    found = float(synthetic[_not_whole(column)].sum() / rows)
    text = f"{found:.2%} of the synthetic rows have a fraction in {column.name!r}, which holds whole numbers"
    yield from _some(judged(tables, "not-whole", (column.name,), text, found=found, allowed=allowed, share=found))


def _other_unit(column: EvaluatedColumn, tables: EvaluationTables, clusters: Clusters) -> Iterator[Finding]:
    """Numbers farther beyond an end than the real ones reach: as if of another unit."""
    for ends in ends_of(column, tables, clusters):
        found = ends.beyond(Part.SYNTHETIC, ends.far())
        usual = unseen_share(ends.independent[Part.REAL])
        allowed = usual + mean_band(usual / ends.independent[Part.SYNTHETIC]) + FAR_TOLERANCE
        text = (
            f"{found:.2%} of the synthetic rows lie far beyond the {ends.end} end of the real ones in {column.name!r}, "
            "as numbers of another unit would"
        )
        yield from _some(
            judged(tables, "far-outliers", (column.name,), text, found=found, allowed=allowed, share=found)
        )


def _some(finding: Finding | None) -> Iterator[Finding]:
    if finding is not None:
        yield finding


def build(context: BuildContext, options: None) -> Values:
    """Build the evaluation."""
    return Values()
