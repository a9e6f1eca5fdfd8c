"""Whether synthetic rows bring together two halves of a training row (measure ``linkability``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rowsmith.evaluation import Evaluated, EvaluationKind, EvaluationTables, Part, TableEvaluation
from rowsmith_plugins.evaluations.privacy.attacks import Attack
from rowsmith_plugins.evaluations.privacy.leaks import LEAST_ROWS, refused, why_no_holdout
from rowsmith_plugins.evaluations.privacy.points import Points, drawn_rows, nearest, point_columns, points
from rowsmith_plugins.evaluations.rates import Rate

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["Linkability", "build"]

MOST_TARGETS = 500
MOST_CANDIDATES = 10_000
_SPLITS = 4
_ALIKE = 1e-6

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class Linkability(TableEvaluation):
    """The risk that two tables with different columns of the same people are joined by means of the synthetic one.

    The attacker knows one half of the columns from one source and the other half from another, and links them where
    the synthetic row that is nearest in one half is nearest, or as near as that, in the other half, too (Giomi et al.
    2022, section 4.2, with one neighbour). Columns are split at random four times; each time other rows are attacked.
    """

    name = "linkability"
    kind = EvaluationKind.PRIVACY
    explanation = "Whether an attacker can link two parts of a person's record through the synthetic rows."
    needs_holdout = True

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Attack training and held-out rows."""
        reason, columns = why_no_holdout(tables), point_columns(tables)
        if reason or len(columns) < 2:
            return refused(self.name, reason or "it needs at least 2 columns that are no identifiers or texts")
        generator = tables.generator(self.name)
        linked: dict[Part, list[Flags]] = {Part.REAL: [], Part.HOLDOUT: []}
        candidates = 0
        for _ in range(_SPLITS):
            rows = {part: drawn_rows(tables, part, MOST_TARGETS, generator) for part in linked}
            if min(map(len, rows.values())) < LEAST_ROWS:
                return refused(self.name, f"it needs at least {LEAST_ROWS} training and held-out groups")
            rows[Part.SYNTHETIC] = np.sort(generator.permutation(tables.sizes[Part.SYNTHETIC])[:MOST_CANDIDATES])
            candidates = len(rows[Part.SYNTHETIC])
            made, halves = points(columns, rows), np.array_split(generator.permutation(len(columns)), 2)
            for part, found in linked.items():
                found.append(_linked(made, part, halves))
        rates = {part: Rate(int(np.concatenate(found).sum()), sum(map(len, found))) for part, found in linked.items()}
        attack = Attack(
            training=rates[Part.REAL],
            control=rates[Part.HOLDOUT],
            baseline=Rate(round(rates[Part.REAL].trials / candidates), rates[Part.REAL].trials),
        )
        sizes = {part.value: rate.trials for part, rate in rates.items()} | {Part.SYNTHETIC.value: candidates}
        sampled = candidates < tables.sizes[Part.SYNTHETIC] or tables.sizes[Part.REAL] > MOST_TARGETS * _SPLITS
        findings = (attack.finding("linkability", "Linking the halves of a row"),) if attack.is_defect else ()
        return Evaluated(
            measures=(attack.measure(self.name, sizes, sampled=sampled),), findings=findings, details=attack.rates
        )


def build(context: BuildContext, options: None) -> Linkability:
    """Build the evaluation."""
    return Linkability()


def _linked(made: Points, part: Part, halves: list[Ints]) -> Flags:
    """Whether the nearest row in one half is nearest in the other, too."""
    own = [made.of(part, half.tolist()) for half in halves]
    others = [made.of(Part.SYNTHETIC, half.tolist()) for half in halves]
    chosen = [nearest(others[side], own[side])[1][:, 0] for side in (0, 1)]
    linked = np.zeros(len(own[0]), dtype=np.bool_)
    for side in (0, 1):
        best, offered = (
            np.linalg.norm((others[side][rows] - own[side]).astype(np.float64), axis=1)
            for rows in (chosen[side], chosen[1 - side])
        )
        linked |= offered <= best + _ALIKE
    return linked
