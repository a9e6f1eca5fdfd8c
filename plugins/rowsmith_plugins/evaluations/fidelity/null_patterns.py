"""The evaluation ``null-patterns``: how often each column is null, and which columns are null together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

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
from rowsmith_plugins.evaluations.fidelity.chance import share_band, unseen_share, variation_band, wilson
from rowsmith_plugins.evaluations.fidelity.clusters import Clusters, clusters_of
from rowsmith_plugins.evaluations.fidelity.distances import complement_interval, shares, variation_apart
from rowsmith_plugins.evaluations.fidelity.judging import alone, compared_parts, judged, mean_of, sizes_of

__all__ = ["NullPatterns", "build"]

TOLERANCE = 0.02
"""What the share of nulls in a column or a pair may be off beyond chance."""
PATTERN_TOLERANCE = 0.04
"""The same of the distance of the patterns of whole rows."""
INVENTED = 0.002
"""The share of nulls in a column that had none."""
MOST_FINDINGS = 10
_MOST_ROWS = 200_000

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@frozen(eq=False, kw_only=True)
class _Together:
    """Nulls of the columns that have some.

    Attributes:
        names: The columns.
        rows: How many rows were looked at, by part.
        patterns: Rows of each pattern of nulls, by part.
        pairs: The share of rows in which both columns are null, ``[column, column]``, by part.
    """

    names: tuple[str, ...]
    rows: dict[Part, int]
    patterns: dict[Part, Counts]
    pairs: dict[Part, Floats]


class NullPatterns(TableEvaluation):
    """One minus the distance of the patterns of nulls in whole rows, and the shares of nulls of each column."""

    name = "null-patterns"
    kind = EvaluationKind.FIDELITY

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare nulls of columns, pairs and whole rows."""
        tables = alone(tables)
        tables = evolve(tables, columns=tuple(column for column in tables.columns if column.kind is not ColumnKind.KEY))
        parts = [_measure(column, tables) for column in tables.columns]
        clusters = clusters_of(tables)
        findings = [finding for column in tables.columns for finding in _share_findings(column, tables, clusters)]
        together = _together(tables)
        if together is None:
            measures: tuple[Measure, ...] = (mean_of(self.name, parts, tables),)
        else:
            measures = (self._whole(together, tables, tuple(parts)),)
            findings += _pattern_findings(together, tables, clusters)
        return Evaluated(measures=measures, findings=tuple(findings))

    def _whole(self, together: _Together, tables: EvaluationTables, parts: tuple[Measure, ...]) -> Measure:
        real = together.patterns[Part.REAL]
        found = {part: _apart(together, part) for part in compared_parts(tables)}
        generator = tables.generator(self.name)
        value = 1 - found[Part.SYNTHETIC]
        low, high = complement_interval(real, together.patterns[Part.SYNTHETIC], variation_apart, generator)
        return Measure(
            name=self.name,
            value=value,
            interval=(min(low, value), max(high, value)),
            ceiling=1 - found[Part.HOLDOUT] if tables.has_holdout else None,
            sizes={part.value: rows for part, rows in together.rows.items()},
            sampled=any(together.rows[part] < tables.sizes[part] for part in together.rows),
            parts=tuple(sorted(parts, key=lambda part: part.value or 0.0)),
        )


def _measure(column: EvaluatedColumn, tables: EvaluationTables) -> Measure:
    """One minus the difference of the shares of nulls: SDMetrics' MissingValueSimilarity."""
    share = {part: float(column.nulls(part).mean()) for part in tables.sizes}
    real, synthetic = share[Part.REAL], share[Part.SYNTHETIC]
    ends = [1 - abs(real - each) for each in wilson(synthetic, tables.sizes[Part.SYNTHETIC])]
    value = 1 - abs(real - synthetic)
    low, high = wilson(synthetic, tables.sizes[Part.SYNTHETIC])
    return Measure(
        name="null-share",
        value=value,
        interval=(min(ends), 1.0 if low <= real <= high else max(*ends, value)),
        ceiling=1 - abs(real - share[Part.HOLDOUT]) if tables.has_holdout else None,
        sizes=sizes_of(tables),
        columns=(column.name,),
    )


def _share_findings(column: EvaluatedColumn, tables: EvaluationTables, clusters: Clusters) -> Iterator[Finding]:
    real, synthetic = (float(column.nulls(part).mean()) for part in (Part.REAL, Part.SYNTHETIC))
    rows, others = (clusters.rows(tables.sizes[part], column.name) for part in (Part.REAL, Part.SYNTHETIC))
    if not real:
        allowed = unseen_share(rows) + share_band(0, rows, others) + INVENTED
    else:
        allowed = share_band(real, rows, others) + TOLERANCE
    finding = judged(
        tables,
        "nulls-changed",
        (column.name,),
        f"{synthetic:.2%} of the synthetic rows are null in {column.name!r}, {real:.2%} of the real ones are",
        found=abs(real - synthetic),
        allowed=allowed,
        share=abs(real - synthetic),
    )
    if finding is not None:
        yield finding


def _together(tables: EvaluationTables) -> _Together | None:
    tables = tables.sampled(_MOST_ROWS, "null-patterns")
    parts = (Part.REAL, *compared_parts(tables))
    columns = [column for column in tables.columns if column.nulls(Part.REAL).any()]
    if len(columns) < 2:
        return None
    nulls = {part: np.column_stack([column.nulls(part) for column in columns]) for part in parts}
    packed = {part: np.packbits(each, axis=1) for part, each in nulls.items()}
    stacked = np.ascontiguousarray(np.concatenate(list(packed.values())))
    rows = stacked.view([("pattern", np.void, stacked.shape[1])]).ravel()
    _, codes = np.unique(rows, return_inverse=True)
    edges = np.cumsum([len(each) for each in packed.values()])[:-1]
    size = int(codes.max()) + 1
    split = zip(parts, np.split(codes, edges), strict=True)
    return _Together(
        names=tuple(column.name for column in columns),
        rows={part: len(each) for part, each in nulls.items()},
        patterns={part: np.bincount(each, minlength=size) for part, each in split},
        pairs={part: _both(each) for part, each in nulls.items()},
    )


def _both(nulls: npt.NDArray[np.bool_]) -> Floats:
    numbers = nulls.astype(np.float32)
    return np.asarray((numbers.T @ numbers) / len(numbers), dtype=np.float64)


def _apart(together: _Together, part: Part) -> float:
    return float(variation_apart(shares(together.patterns[Part.REAL]), shares(together.patterns[part])))


def _pattern_findings(together: _Together, tables: EvaluationTables, clusters: Clusters) -> list[Finding]:
    """Pairs that are null together more or less often than each alone explains, and patterns where no pair does."""
    pairs = {part: each - np.outer(np.diag(each), np.diag(each)) for part, each in together.pairs.items()}
    apart = np.triu(np.abs(pairs[Part.REAL] - pairs[Part.SYNTHETIC]), 1)
    rows, others = (clusters.rows(together.rows[part], *together.names) for part in (Part.REAL, Part.SYNTHETIC))
    found = []
    for index in np.argsort(-apart, axis=None)[:MOST_FINDINGS]:
        one, two = divmod(int(index), len(together.names))
        both = [float(together.pairs[part][one, two]) for part in (Part.REAL, Part.SYNTHETIC)]
        names = (together.names[one], together.names[two])
        text = (
            f"{names[0]!r} and {names[1]!r} are null together in {both[1]:.2%} of the synthetic rows, in {both[0]:.2%} "
            "of the real ones"
        )
        allowed = share_band(max(both), rows, others) + TOLERANCE
        found.append(
            judged(
                tables,
                "nulls-apart",
                names,
                text,
                found=float(apart[one, two]),
                allowed=allowed,
                share=abs(both[0] - both[1]),
            )
        )
    findings = [finding for finding in found if finding is not None]
    distance = _apart(together, Part.SYNTHETIC)
    single = max(abs(float(each)) for each in np.diag(together.pairs[Part.REAL] - together.pairs[Part.SYNTHETIC]))
    band = variation_band(together.patterns[Part.REAL], together.patterns[Part.SYNTHETIC])
    band *= clusters.widening(*together.names)
    if not findings:
        text = (
            f"which columns are null together differs by {distance:.3f} of the rows, by chance below {band:.3f}, "
            f"among {', '.join(map(repr, together.names[:5]))}"
        )
        beyond = distance - single
        pattern = judged(
            tables, "nulls-apart", together.names, text, found=beyond, allowed=band + PATTERN_TOLERANCE, share=beyond
        )
        findings += [pattern] if pattern is not None else []
    return findings


def build(context: BuildContext, options: None) -> NullPatterns:
    """Build the evaluation."""
    return NullPatterns()
