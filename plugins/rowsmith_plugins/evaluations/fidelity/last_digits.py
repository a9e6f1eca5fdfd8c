"""Last digits of numbers: people write 40 hours and prices that end in 99."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rowsmith.evaluation import ColumnKind, EvaluatedColumn, EvaluationTables, Finding, Part
from rowsmith_plugins.evaluations.fidelity.chance import variation_band
from rowsmith_plugins.evaluations.fidelity.clusters import Clusters
from rowsmith_plugins.evaluations.fidelity.column_shapes import shape_of
from rowsmith_plugins.evaluations.fidelity.distances import shares, variation_apart
from rowsmith_plugins.evaluations.fidelity.judging import judged
from rowsmith_plugins.evaluations.fidelity.rule_kinds import decimals_of

__all__ = ["last_digit_findings"]

TOLERANCE = 0.1
"""What the shares of last digits may be farther apart than the whole distributions, beyond chance."""
FEWEST_VALUES = 30
_MOST_DIGITS = 4


def last_digit_findings(tables: EvaluationTables, clusters: Clusters) -> list[Finding]:
    """Columns of numbers whose last digits are others than those of the real rows.

    Args:
        tables: The tables.
        clusters: Design effects of their groups.
    """
    found = [_finding(column, tables, clusters) for column in tables.of_kind(ColumnKind.NUMBER)]
    return [finding for finding in found if finding is not None]


def _finding(column: EvaluatedColumn, tables: EvaluationTables, clusters: Clusters) -> Finding | None:
    shape = shape_of(column, tables)
    if shape is None or np.count_nonzero(column.counts(Part.REAL)) < FEWEST_VALUES:
        return None
    digits = decimals_of(column.numbers(Part.REAL))
    if digits > _MOST_DIGITS:
        return None
    assert column.positions is not None
    last = _last(column.positions, digits)
    real, synthetic = (_counts(last, column, part) for part in (Part.REAL, Part.SYNTHETIC))
    if not real.sum() or not synthetic.sum():
        return None
    distance = float(variation_apart(shares(real), shares(synthetic)))
    band = variation_band(real, synthetic) * clusters.widening(column.name)
    return judged(
        tables,
        "last-digits",
        (column.name,),
        f"the last digits in {column.name!r} are others: total variation {distance:.3f}, by chance below {band:.3f}",
        found=distance - shape.distance(Part.SYNTHETIC),
        allowed=band + TOLERANCE,
        share=distance,
    )


def _last(positions: npt.NDArray[np.float64], digits: int) -> npt.NDArray[np.int64]:
    """The last digit of each number, 10 where it is zero or none, and 11 where there are more digits."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.abs(positions) * 10.0**digits
        whole = np.round(scaled)
        last = np.where(np.abs(whole - scaled) <= 1e-6 + 1e-9 * scaled, whole % 10, 11.0)
    last[~np.isfinite(positions) | (positions == 0)] = 10
    return np.nan_to_num(last, nan=11.0).astype(np.int64)


def _counts(last: npt.NDArray[np.int64], column: EvaluatedColumn, part: Part) -> npt.NDArray[np.int64]:
    counts = np.bincount(last, weights=column.counts(part), minlength=12).astype(np.int64)
    counts[10] = 0
    return counts
