"""The evaluation ``tails``: the ends of columns of numbers and times.

Distances of whole distributions do not see them: the highest hundredth cut off moves Kolmogorov-Smirnov by 0.01.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from attrs import frozen

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

__all__ = ["Ends", "Tails", "build", "ends_of"]

TOLERANCE = 0.002
"""What the share of rows at, beyond or cut off at an end may be off beyond chance."""
RATIO = 0.5
"""A tail of so much more or fewer rows is another one."""
PILE_RATIO = 0.25
"""Where many rows lie at an end, their share may be off by this part of it besides."""

_TAILS = (0.01, 0.001)
_QUANTILES = (0.01, 0.99, 0.999)

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@frozen(eq=False, kw_only=True)
class Ends:
    """The numbers of a column with their counts, one end of them at the high side.

    Attributes:
        values: Distinct numbers, ascending; times -1 for the low end.
        counts: Rows of each, by part.
        end: ``low`` or ``high``.
        independent: For each part, the number of independent rows that inform as much.
    """

    values: Floats
    counts: dict[Part, Counts]
    end: str
    independent: dict[Part, int]

    def rows(self, part: Part) -> int:
        """Rows that have a number."""
        return int(self.counts[part].sum())

    def top(self, part: Part) -> float:
        """The farthest number."""
        return float(self.values[np.flatnonzero(self.counts[part])[-1]])

    def at(self, part: Part, value: float) -> float:
        """The share of rows that have a number."""
        return float(self.counts[part][self.values == value].sum() / self.rows(part))

    def beyond(self, part: Part, value: float) -> float:
        """The share of rows beyond a number."""
        return float(self.counts[part][self.values > value].sum() / self.rows(part))

    def quantile(self, part: Part, level: float) -> float:
        """The least number that no more than the rest of the rows lie beyond."""
        reached = np.cumsum(self.counts[part]) >= level * self.rows(part)
        return float(self.values[np.argmax(reached)])

    @property
    def reach(self) -> float:
        """The real numbers' range."""
        occurring = self.values[self.counts[Part.REAL] > 0]
        return float(occurring[-1] - occurring[0])

    def far(self) -> float:
        """From where on a number is not of the real ones' size: a whole range beyond their end."""
        return self.top(Part.REAL) + self.reach


def ends_of(column: EvaluatedColumn, tables: EvaluationTables, clusters: Clusters) -> tuple[Ends, ...]:
    """Both ends of a column; none where a part has no number, or the real rows one alone.

    Args:
        column: The column.
        tables: Its tables.
        clusters: Design effects of their groups.
    """
    if column.positions is None:
        return ()
    parts = (Part.REAL, *compared_parts(tables))
    order = np.argsort(column.positions)
    order = order[np.isfinite(column.positions[order])]
    counts = {part: column.counts(part)[order] for part in parts}
    if any(not each.sum() for each in counts.values()) or np.count_nonzero(counts[Part.REAL]) < 2:
        return ()
    low = {part: each[::-1] for part, each in counts.items()}
    independent = {part: clusters.rows(int(each.sum()), column.name) for part, each in counts.items()}
    return (
        Ends(values=-column.positions[order][::-1], counts=low, end="low", independent=independent),
        Ends(values=column.positions[order], counts=counts, end="high", independent=independent),
    )


class Tails(TableEvaluation):
    """Shares of rows beyond real quantiles, beyond the real ends, and piled up at an end."""

    name = "tails"
    kind = EvaluationKind.FIDELITY
    explanation = "Whether the rare low and high values are there, and how many rows lie at either end."

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare both ends of every column of numbers or times."""
        tables = alone(tables)
        columns = tables.of_kind(ColumnKind.NUMBER, ColumnKind.MOMENT)
        clusters = clusters_of(tables)
        found = [(column, ends_of(column, tables, clusters)) for column in columns]
        parts = [_measure(column, each) for column, ends in found for each in ends]
        findings = [finding for column, ends in found for each in ends for finding in _findings(column, each, tables)]
        details = {
            "quantiles": {
                column.name: {part.value: _quantiles(ends[1], part, tables.k) for part in ends[1].counts}
                for column, ends in found
                # Neighbouring rows may be those of one group, whose value their mean would be.
                if ends and not tables.groups
            }
        }
        return Evaluated(
            measures=(mean_of(self.name, (part for part in parts if part is not None), tables),),
            findings=tuple(findings),
            details=details,
        )


def _threshold(ends: Ends, tail: float) -> float:
    """Where a tail begins; the end of the middle where the real rows pile up beyond it."""
    value = ends.quantile(Part.REAL, 1 - tail)
    if ends.beyond(Part.REAL, value) > 0:
        return value
    below = ends.values[(ends.values < value) & (ends.counts[Part.REAL] > 0)]
    return float(below[-1]) if len(below) else value


def _measure(column: EvaluatedColumn, ends: Ends) -> Measure | None:
    """How alike the shares of rows in a tail are: the smaller one over the larger one."""
    value = _threshold(ends, _TAILS[0])
    real, synthetic = (ends.beyond(part, value) for part in (Part.REAL, Part.SYNTHETIC))
    low, high = wilson(synthetic, ends.rows(Part.SYNTHETIC))
    inside = [_alike(real, each) for each in (low, synthetic, high)]
    best = 1.0 if low <= real <= high else max(inside)
    return Measure(
        name=f"tail-{ends.end}",
        value=inside[1],
        interval=(min(inside), best),
        ceiling=_alike(real, ends.beyond(Part.HOLDOUT, value)) if Part.HOLDOUT in ends.counts else None,
        sizes={part.value: ends.rows(part) for part in ends.counts},
        columns=(column.name,),
    )


def _alike(first: float, second: float) -> float:
    return min(first, second) / max(first, second) if max(first, second) > 0 else 1.0


def _findings(column: EvaluatedColumn, ends: Ends, tables: EvaluationTables) -> Iterator[Finding]:
    checked = (_cut(column, ends, tables), _piled(column, ends, tables), _beyond(column, ends, tables))
    yield from (finding for finding in checked if finding is not None)
    if checked[0] is None:
        for tail in _TAILS:
            finding = _other_mass(column, ends, tables, tail)
            if finding is not None:
                yield finding
                return


def _protected(ends: Ends, tables: EvaluationTables) -> float:
    """The share of rows that the rule of protection moves at an end: those beyond the k-th."""
    return 2 * tables.k / ends.rows(Part.REAL)


def _cut(column: EvaluatedColumn, ends: Ends, tables: EvaluationTables) -> Finding | None:
    cut = ends.beyond(Part.REAL, ends.top(Part.SYNTHETIC))
    return judged(
        tables,
        "tails-cut",
        (column.name,),
        f"the {ends.end} tail of {column.name!r} is cut off: {cut:.2%} of the real rows lie beyond every synthetic one",
        found=cut,
        allowed=_protected(ends, tables) + unseen_share(ends.independent[Part.SYNTHETIC]) + TOLERANCE,
        share=cut,
    )


def _piled(column: EvaluatedColumn, ends: Ends, tables: EvaluationTables) -> Finding | None:
    top = ends.top(Part.SYNTHETIC)
    there, found = ends.at(Part.REAL, top), ends.at(Part.SYNTHETIC, top)
    if found == 1:
        return None  # A constant column is for ``values``.
    band = share_band(there, ends.independent[Part.REAL], ends.independent[Part.SYNTHETIC])
    room = band + _protected(ends, tables) + TOLERANCE + PILE_RATIO * there
    return judged(
        tables,
        "pile-up",
        (column.name,),
        f"{found:.2%} of the synthetic rows pile up at the {ends.end} end of {column.name!r}, {there:.2%} of the real "
        "ones are there",
        found=found - there,
        allowed=room,
        share=found - there,
    )


def _beyond(column: EvaluatedColumn, ends: Ends, tables: EvaluationTables) -> Finding | None:
    edge, far = ends.top(Part.REAL), ends.far()
    found = ends.beyond(Part.SYNTHETIC, edge) - ends.beyond(Part.SYNTHETIC, far)
    usual = unseen_share(ends.independent[Part.REAL])
    allowed = usual + share_band(usual, ends.independent[Part.REAL], ends.independent[Part.SYNTHETIC]) + TOLERANCE
    return judged(
        tables,
        "values-beyond",
        (column.name,),
        f"{found:.2%} of the synthetic rows lie beyond the {ends.end} end of the real ones in {column.name!r}",
        found=found,
        allowed=allowed,
        share=found,
    )


def _other_mass(column: EvaluatedColumn, ends: Ends, tables: EvaluationTables, tail: float) -> Finding | None:
    value = _threshold(ends, tail)
    real = ends.beyond(Part.REAL, value)
    found = ends.beyond(Part.SYNTHETIC, value) - ends.beyond(Part.SYNTHETIC, ends.top(Part.REAL))
    thin = found < real
    less, more = (found, real) if thin else (real, found)
    rows = [ends.independent[part] for part in ((Part.SYNTHETIC, Part.REAL) if thin else (Part.REAL, Part.SYNTHETIC))]
    # The error of the lesser share beside the part of the greater one that it may have.
    band = mean_band(max(less, 0.5 / rows[0]) / rows[0] + (1 - RATIO) ** 2 * more / rows[1])
    return judged(
        tables,
        "tails-thin" if thin else "tails-heavy",
        (column.name,),
        f"{found:.2%} of the synthetic rows lie in the {ends.end} tail of {column.name!r}, which holds {real:.2%} of "
        "the real ones",
        found=more - less,
        allowed=band + RATIO * more + _protected(ends, tables),
        share=abs(found - real),
    )


def _quantiles(ends: Ends, part: Part, k: int) -> dict[str, float]:
    """Quantiles, each the mean of the k rows on either side of it, so that none is the value of one row."""
    reached = np.cumsum(ends.counts[part])
    found = {}
    for level in _QUANTILES:
        middle = min(max(level * reached[-1], k), reached[-1] - k)
        rows = np.clip(np.arange(middle - k, middle + k), 0, reached[-1] - 1)
        found[str(level)] = float((ends.values[np.searchsorted(reached, rows, side="right")] / len(rows)).sum())
    return found


def build(context: BuildContext, options: None) -> Tails:
    """Build the evaluation."""
    return Tails()
