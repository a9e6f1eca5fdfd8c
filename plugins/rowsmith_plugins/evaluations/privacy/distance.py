"""Whether synthetic rows lie nearer to training rows than to held-out ones (measures ``dcr-share``, ``nndr``)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

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
from rowsmith_plugins.evaluations.privacy.leaks import refused, why_no_holdout
from rowsmith_plugins.evaluations.privacy.points import drawn_rows, nearest, point_columns, points
from rowsmith_plugins.evaluations.rates import Rate, fisher_greater

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["Distance", "build"]

MOST_ROWS = 4_000
_Z = 1.959964
_Z_DEFECT = 3.3
_MOST_SHARE = 0.53
_QUANTILE = 0.05
_MOST_EXCESS = 0.05
_MOST_CHANCE = 1e-3
_TINY = 1e-8

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Distance(TableEvaluation):
    """Distances to the closest record.

    ``dcr-share`` is the share of synthetic rows that lie nearer to one of m training rows than to any of m held-out
    ones, ties counting half (Platzer & Reutterer 2021, "Holdout-based empirical assessment of mixed-type synthetic
    data"). Where the model learned nothing of single rows, training and held-out rows could be exchanged, so the
    share is 1/2, with the variance ``(Σ w² - 1/2m) / 4`` where ``w`` is the share of rows that each real row is
    nearest to.

    ``nndr`` is the 5 % quantile of the distance to the nearest training row by that to the second nearest one; its
    ceiling is that of held-out rows. A small ratio is a row near to one training row alone.

    Both are smoke tests: a model that reveals rows may pass them.
    """

    name = "distance"
    kind = EvaluationKind.PRIVACY
    explanation = "How many synthetic rows are nearer to a training row than to a held-out row; one half is best."
    needs_holdout = True

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare distances."""
        reason, columns = why_no_holdout(tables), point_columns(tables)
        if reason or not columns:
            return refused("dcr-share", reason or "no column has values whose distance means something")
        generator = tables.generator("distance")
        rows = {part: drawn_rows(tables, part, MOST_ROWS, generator) for part in Part}
        count = min(len(rows[Part.REAL]), len(rows[Part.HOLDOUT]))
        if count < 2:
            return refused("dcr-share", "it needs at least 2 training and held-out groups")
        for part in (Part.REAL, Part.HOLDOUT):
            rows[part] = np.sort(generator.permutation(rows[part])[:count])
        made = points(columns, rows).values
        near, near_index = nearest(made[Part.REAL], made[Part.SYNTHETIC], 2)
        far, far_index = nearest(made[Part.HOLDOUT], made[Part.SYNTHETIC])
        held, _ = nearest(made[Part.REAL], made[Part.HOLDOUT], 2)
        share, error = _share(near[:, 0], near_index[:, 0], far[:, 0], far_index[:, 0], count)
        measures = (
            Measure(
                name="dcr-share",
                value=share,
                direction=Direction.LOWER,
                best=0.5,
                interval=(max(share - _Z * error, 0.0), min(share + _Z * error, 1.0)),
                ceiling=0.5,
                sizes={part.value: len(each) for part, each in rows.items()},
                sampled=any(len(rows[part]) < size for part, size in tables.sizes.items()),
            ),
            _ratios(near, held),
        )
        return Evaluated(
            measures=measures,
            findings=(*_nearer(share, error), *_alone(near, held)),
            details={"null_band": [0.5 - _Z * error, 0.5 + _Z * error]},
        )


def build(context: BuildContext, options: None) -> Distance:
    """Build the evaluation."""
    return Distance()


def _share(near: Floats, near_index: Ints, far: Floats, far_index: Ints, count: int) -> tuple[float, float]:
    """The share of rows nearer to training rows, and its standard error where the parts could be exchanged."""
    tied = np.isclose(near, far, rtol=1e-4, atol=1e-4)
    nearer = np.where(tied, 0.5, near < far)
    weights = np.concatenate(
        [
            np.bincount(near_index, nearer, minlength=count),
            np.bincount(far_index, 1.0 - nearer, minlength=count),
        ]
    ) / len(near)
    return float(nearer.mean()), math.sqrt(max(float(np.sum(weights**2)) - 0.5 / count, 0.0)) / 2


def _ratio(distances: Floats) -> Floats:
    return np.asarray((distances[:, 0] + _TINY) / (distances[:, 1] + _TINY), dtype=np.float64)


def _ratios(near: Floats, held: Floats) -> Measure:
    mine = np.sort(_ratio(near))
    spread = _Z * math.sqrt(len(mine) * _QUANTILE * (1 - _QUANTILE))
    low, high = (
        float(mine[int(np.clip(round(len(mine) * _QUANTILE + step), 0, len(mine) - 1))]) for step in (-spread, spread)
    )
    return Measure(
        name="nndr",
        value=float(np.quantile(mine, _QUANTILE)),
        direction=Direction.HIGHER,
        interval=(low, high),
        ceiling=float(np.quantile(_ratio(held), _QUANTILE)),
        sizes={Part.REAL.value: len(held), Part.SYNTHETIC.value: len(near), Part.HOLDOUT.value: len(held)},
        sampled=True,
    )


def _nearer(share: float, error: float) -> tuple[Finding, ...]:
    if share <= max(_MOST_SHARE, 0.5 + _Z_DEFECT * error):
        return ()
    return (
        Finding(
            defect="nearer-to-training",
            message=f"{share:.1%} of the synthetic rows lie nearer to a training row than to a held-out one, where it "
            f"should be 50 % (up to {0.5 + _Z * error:.1%} by chance)",
            share=share - 0.5,
            excess=(share - 0.5) / (_MOST_SHARE - 0.5),
        ),
    )


def _alone(near: Floats, held: Floats) -> tuple[Finding, ...]:
    mine, theirs = _ratio(near), _ratio(held)
    limit = float(np.quantile(theirs, _QUANTILE))
    seen, expected = (Rate(int((each <= limit).sum()), len(each)) for each in (mine, theirs))
    excess = seen.share - expected.share
    if excess <= _MOST_EXCESS or fisher_greater(seen, expected) >= _MOST_CHANCE:
        return ()
    return (
        Finding(
            defect="nearest-to-one-row",
            message=f"{seen.share:.1%} of the synthetic rows lie much nearer to one training row than to any other; "
            f"of held-out rows {expected.share:.1%} do",
            share=seen.share,
            excess=excess / _MOST_EXCESS,
        ),
    )
