"""What follows what: labels from row to row, and changes of numbers (measure ``transitions``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

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
from rowsmith_plugins.evaluations.sequences.distances import compared, cuts_of, mean_measure
from rowsmith_plugins.evaluations.sequences.jackknife import block_counts, blocks_of
from rowsmith_plugins.evaluations.sequences.ordered_rows import MOST_ROWS, OrderedRows, compared_columns, ordered_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowsmith.context import BuildContext

__all__ = ["Transitions", "build", "common_codes"]

_MOST_LABELS = 10
_LEAST_PAIR = 0.05
_LEAST_CHANGE = 0.1

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Transitions(TableEvaluation):
    """1 less the distance of what follows what, a mean over columns.

    Of labels it is the total variation of the pairs of labels of a row and the next, the ten commonest and the rest
    distinguished; of numbers the Kolmogorov-Smirnov distance of changes from row to row. Texts and identifiers are left
    out.
    """

    name = "transitions"
    kind = EvaluationKind.SEQUENCES
    explanation = "Whether labels follow each other, and numbers change, from row to row as in the real groups."
    needs_groups = True

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare the pairs of each column."""
        sampled = tables.sampled(MOST_ROWS)
        orders = {part: ordered_rows(sampled, part) for part in sampled.sizes}
        sizes = {part.value: len(order.first) for part, order in orders.items()}
        parts, findings = list[Measure](), list[Finding]()
        for column in compared_columns(sampled):
            if column.kind in (ColumnKind.KEY, ColumnKind.TEXT):
                continue
            numeric = column.positions is not None
            measure, beyond = compared(
                f"{self.name}-{len(parts) + 1}", _changes(column, orders) if numeric else _pairs(column, orders), sizes,
                ordered=numeric, least=_LEAST_CHANGE if numeric else _LEAST_PAIR, sampled=sampled is not tables,
                columns=(column.name,),
            )  # fmt: skip
            parts.append(measure)
            if beyond > 1 and measure.value is not None:
                what = "changes from row to row" if numeric else "which label follows which"
                ceiling = "" if measure.ceiling is None else f", of held-out groups {1 - measure.ceiling:.2f}"
                findings.append(
                    Finding(
                        defect="changes-differ" if numeric else "transitions-differ",
                        message=f"Column {column.name!r}: {what} differs from the real table (distance "
                        f"{1 - measure.value:.2f}{ceiling})",
                        columns=(column.name,),
                        excess=beyond,
                    )
                )
        measure = mean_measure(self.name, parts, "no column of labels or numbers besides those that group the rows")
        return Evaluated(measures=(measure,), findings=tuple(findings))


def build(context: BuildContext, options: None) -> Transitions:
    """Build the evaluation."""
    return Transitions()


def common_codes(column: EvaluatedColumn, part: Part, most: int = _MOST_LABELS) -> tuple[Ints, int]:
    """Codes of the commonest real labels, one for all others and one for null; and how many there are."""
    common = np.argsort(-column.counts(Part.REAL), kind="stable")[:most]
    codes = np.full(len(column.labels) + 1, len(common), dtype=np.int64)
    codes[common] = np.arange(len(common))
    codes[-1] = len(common) + 1
    return codes[column.codes[part]], len(common) + 2


def _pairs(column: EvaluatedColumn, orders: Mapping[Part, OrderedRows]) -> dict[Part, Floats]:
    counts = dict[Part, Floats]()
    for part, order in orders.items():
        codes, count = common_codes(column, part)
        pairs = codes[order.first] * count + codes[order.following]
        counts[part] = block_counts(blocks_of(order.step_groups), pairs, count * count)
    return counts


def _changes(column: EvaluatedColumn, orders: Mapping[Part, OrderedRows]) -> dict[Part, Floats]:
    changes = dict[Part, tuple[Floats, Ints]]()
    for part, order in orders.items():
        values = column.numbers(part)
        steps = values[order.following] - values[order.first]
        known = np.isfinite(steps)
        changes[part] = steps[known], blocks_of(order.step_groups[known])
    cuts = cuts_of(changes[Part.REAL][0])
    return {
        part: block_counts(blocks, np.searchsorted(cuts, steps), len(cuts) + 1)
        for part, (steps, blocks) in changes.items()
    }
