"""Values that stay the same from row to row (measure ``sequence-repeats``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rowsmith.evaluation import (
    Evaluated,
    EvaluatedColumn,
    EvaluationKind,
    EvaluationTables,
    Finding,
    Measure,
    Part,
    TableEvaluation,
)
from rowsmith_plugins.evaluations.sequences.distances import difference, mean_measure
from rowsmith_plugins.evaluations.sequences.jackknife import Estimate, block_sums, blocks_of, excess, jackknife
from rowsmith_plugins.evaluations.sequences.ordered_rows import MOST_ROWS, OrderedRows, compared_columns, ordered_rows

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["SequenceRepeats", "build"]

_LEAST_DIFFERENCE = 0.1


class SequenceRepeats(TableEvaluation):
    """The mean difference, over columns, of the share of rows whose value is that of the row before."""

    name = "sequence-repeats"
    kind = EvaluationKind.SEQUENCES
    explanation = "Whether values repeat from row to row as often."
    needs_groups = True

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare the shares of each column."""
        sampled = tables.sampled(MOST_ROWS)
        orders = {part: ordered_rows(sampled, part) for part in sampled.sizes}
        sizes = {part.value: len(order.first) for part, order in orders.items()}
        parts, findings = list[Measure](), list[Finding]()
        for index, column in enumerate(compared_columns(sampled)):
            shares = {part: _share(column, part, order) for part, order in orders.items()}
            made, real = shares[Part.SYNTHETIC], shares[Part.REAL]
            name = f"{self.name}-{index + 1}"
            parts.append(difference(name, shares, sizes, sampled=sampled is not tables, columns=(column.name,)))
            beyond, _ = excess(made, real, _LEAST_DIFFERENCE)
            if beyond > 1:
                findings.append(
                    Finding(
                        defect="repeats-differ",
                        message=f"Column {column.name!r}: {made.number:.0%} of the rows repeat the value of the row "
                        f"before, in the real table {real.number:.0%}",
                        columns=(column.name,),
                        share=abs(made.number - real.number),
                        excess=beyond,
                    )
                )
        measure = mean_measure(self.name, parts, "no column besides those that group and order the rows, or no step")
        return Evaluated(measures=(measure,), findings=tuple(findings))


def build(context: BuildContext, options: None) -> SequenceRepeats:
    """Build the evaluation."""
    return SequenceRepeats()


def _share(column: EvaluatedColumn, part: Part, order: OrderedRows) -> Estimate:
    codes = column.codes[part]
    same = (codes[order.first] == codes[order.following]).astype(np.float64)
    sums = block_sums(blocks_of(order.step_groups), same, np.ones(len(same)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return jackknife(sums, lambda each: each[..., :1] / each[..., 1:])
