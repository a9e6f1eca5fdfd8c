"""Gaps from row to row in the order column, and durations (measure ``sequence-steps``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rowsmith.evaluation import Evaluated, EvaluationKind, EvaluationTables, Finding, Measure, Part, TableEvaluation
from rowsmith_plugins.evaluations.sequences.distances import compared, cuts_of
from rowsmith_plugins.evaluations.sequences.jackknife import block_counts, blocks_of
from rowsmith_plugins.evaluations.sequences.ordered_rows import MOST_ROWS, order_column, ordered_rows

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["SequenceSteps", "build"]

_LEAST_DISTANCE = 0.1
_QUANTILES = (0.1, 0.5, 0.9)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class SequenceSteps(TableEvaluation):
    """1 less the Kolmogorov-Smirnov distance of the steps of the order column, once rows are in order.

    ``sequence-durations`` is the same of the time from the first to the last row of a group.
    """

    name = "sequence-steps"
    kind = EvaluationKind.SEQUENCES
    explanation = "Whether the gaps between rows of a group, and their durations, are alike."
    needs_groups = True

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare steps and durations."""
        column = order_column(tables)
        if column is None:
            reason = "no column of numbers or times orders the rows of a group"
            return Evaluated(measures=(Measure(name=self.name, value=None, reason=reason),))
        sampled = tables.sampled(MOST_ROWS)
        steps = dict[Part, tuple[Floats, Ints]]()
        durations = dict[Part, tuple[Floats, Ints]]()
        for part in sampled.sizes:
            order, times = ordered_rows(sampled, part), sampled.column(column.name).numbers(part)
            gaps = times[order.following] - times[order.first]
            known = np.isfinite(gaps)
            steps[part] = gaps[known], order.step_groups[known]
            groups, inverse = np.unique(order.step_groups[known], return_inverse=True)
            durations[part] = np.bincount(inverse, gaps[known], len(groups)).astype(np.float64), groups
        measures, findings, details = list[Measure](), list[Finding](), dict[str, object]()
        for name, defect, what, values in (
            ("sequence-steps", "steps-differ", "Steps from row to row", steps),
            ("sequence-durations", "durations-differ", "Times from the first to the last row of a group", durations),
        ):
            cuts = cuts_of(values[Part.REAL][0])
            counts = {
                part: block_counts(blocks_of(groups), np.searchsorted(cuts, each), len(cuts) + 1)
                for part, (each, groups) in values.items()
            }
            sizes = {part.value: len(each) for part, (each, _) in values.items()}
            measure, beyond = compared(
                name, counts, sizes, ordered=True, least=_LEAST_DISTANCE, sampled=sampled is not tables,
                columns=(column.name,),
            )  # fmt: skip
            measures.append(measure)
            details[name] = {part.value: _quantiles(each) for part, (each, _) in values.items()}
            if beyond > 1:
                findings.append(
                    Finding(
                        defect=defect,
                        message=f"{what} in {column.name!r} differ from the real ones (distance "
                        f"{1 - (measure.value or 0.0):.2f}, median {_median(values[Part.SYNTHETIC][0])} where the real "
                        f"one is {_median(values[Part.REAL][0])}{' seconds' if column.kind == 'moment' else ''})",
                        columns=(column.name,),
                        excess=beyond,
                    )
                )
        return Evaluated(measures=tuple(measures), findings=tuple(findings), details=details)


def build(context: BuildContext, options: None) -> SequenceSteps:
    """Build the evaluation."""
    return SequenceSteps()


def _quantiles(values: Floats) -> list[float]:
    return [float(each) for each in np.quantile(values, _QUANTILES)] if len(values) else []


def _median(values: Floats) -> str:
    return f"{float(np.median(values)):,.4g}"
