"""Rows of a group (measure ``sequence-lengths``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rowsmith.evaluation import Evaluated, EvaluationKind, EvaluationTables, Finding, Part, TableEvaluation
from rowsmith_plugins.evaluations.sequences.distances import compared, cuts_of
from rowsmith_plugins.evaluations.sequences.jackknife import block_counts, block_sums, blocks_of, excess, jackknife

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["SequenceLengths", "build"]

_LEAST_DISTANCE = 0.1
_LEAST_CHANGE = 0.1

Ints = npt.NDArray[np.int64]


class SequenceLengths(TableEvaluation):
    """1 less the Kolmogorov-Smirnov distance of the rows of a group."""

    name = "sequence-lengths"
    kind = EvaluationKind.SEQUENCES
    explanation = "Whether groups have as many rows."
    needs_groups = True

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare the numbers of rows of groups."""
        lengths = {part: np.bincount(groups).astype(np.float64) for part, groups in tables.groups.items()}
        blocks = {part: blocks_of(np.arange(len(each))) for part, each in lengths.items()}
        cuts = cuts_of(lengths[Part.REAL])
        counts = {
            part: block_counts(blocks[part], np.searchsorted(cuts, each), len(cuts) + 1)
            for part, each in lengths.items()
        }
        sizes = {part.value: len(each) for part, each in lengths.items()}
        measure, beyond = compared(
            self.name, counts, sizes, ordered=True, least=_LEAST_DISTANCE, sampled=False, columns=tables.group_by
        )
        made, real = (
            jackknife(
                block_sums(blocks[part], lengths[part], np.ones(len(lengths[part]))),
                lambda sums: sums[..., :1] / sums[..., 1:],
            )
            for part in (Part.SYNTHETIC, Part.REAL)
        )
        changed, _ = excess(made, real, _LEAST_CHANGE * real.number)
        findings = []
        if max(beyond, changed) > 1:
            shorter = made.number < real.number
            defect = ("groups-shorter" if shorter else "groups-longer") if changed > 1 else "group-lengths"
            findings.append(
                Finding(
                    defect=defect,
                    message=f"Groups have {made.number:.1f} rows on average, in the real table {real.number:.1f} "
                    f"(distance of the lengths {1 - (measure.value or 0.0):.2f})",
                    columns=tables.group_by,
                    excess=max(beyond, changed),
                )
            )
        return Evaluated(
            measures=(measure,),
            findings=tuple(findings),
            details={"mean_rows": {Part.SYNTHETIC.value: made.number, Part.REAL.value: real.number}},
        )


def build(context: BuildContext, options: None) -> SequenceLengths:
    """Build the evaluation."""
    return SequenceLengths()
