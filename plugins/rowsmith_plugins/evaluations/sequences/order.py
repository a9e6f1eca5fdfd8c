"""Steps that go back in the order column (measure ``sequence-order``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

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
from rowsmith_plugins.evaluations.rates import Rate
from rowsmith_plugins.evaluations.sequences.jackknife import Estimate, block_sums, blocks_of, excess, jackknife
from rowsmith_plugins.evaluations.sequences.ordered_rows import MOST_ROWS, order_column, ordered_rows

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["SequenceOrder", "build"]

_LEAST_SHARE = 0.005
_LEAST_STEPS = 20


class SequenceOrder(TableEvaluation):
    """The share of steps from row to row of a group, as written, that go back in the order column.

    Best is the share of the real table, which is 0 where rows are in order.
    """

    name = "sequence-order"
    kind = EvaluationKind.SEQUENCES
    explanation = "Whether rows follow each other in the order column as in the real groups."
    needs_groups = True

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Count steps that go back."""
        column = order_column(tables)
        if column is None:
            reason = "no column of numbers or times orders the rows of a group"
            return Evaluated(measures=(Measure(name=self.name, value=None, direction=Direction.LOWER, reason=reason),))
        sampled = tables.sampled(MOST_ROWS)
        found = {part: _back(sampled, column.name, part) for part in sampled.sizes}
        shares = {part: share for part, (share, _) in found.items()}
        made, real, held = shares[Part.SYNTHETIC], shares[Part.REAL], shares.get(Part.HOLDOUT)
        beyond = _beyond(shares, {part: rate for part, (_, rate) in found.items()})
        findings = []
        if beyond > 1:
            findings.append(
                Finding(
                    defect="order-broken",
                    message=f"{made.number:.1%} of the steps within groups go back in {column.name!r}, in the real "
                    f"table {real.number:.1%}",
                    columns=(column.name,),
                    share=made.number,
                    excess=beyond,
                )
            )
        return Evaluated(
            measures=(
                Measure(
                    name=self.name,
                    value=made.number if np.isfinite(made.number) else None,
                    direction=Direction.LOWER,
                    interval=_within(made.interval),
                    ceiling=held.number if held is not None and np.isfinite(held.number) else None,
                    sizes={part.value: size for part, size in sampled.sizes.items()},
                    sampled=sampled is not tables,
                    columns=(column.name,),
                    reason="" if np.isfinite(made.number) else "no group has two rows",
                ),
            ),
            findings=tuple(findings),
            details={"real": real.number if np.isfinite(real.number) else None},
        )


def build(context: BuildContext, options: None) -> SequenceOrder:
    """Build the evaluation."""
    return SequenceOrder()


def _back(tables: EvaluationTables, name: str, part: Part) -> tuple[Estimate, Rate]:
    """The share of steps that go back, and their number."""
    order, times = ordered_rows(tables, part, as_written=True), tables.column(name).numbers(part)
    steps = times[order.following] - times[order.first]
    known = np.isfinite(steps)
    back = (steps[known] < 0).astype(np.float64)
    sums = block_sums(blocks_of(order.step_groups[known]), back, np.ones(len(back)))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = jackknife(sums, lambda each: each[..., :1] / each[..., 1:])
    return share, Rate(int(back.sum()), len(back))


def _beyond(shares: Mapping[Part, Estimate], rates: Mapping[Part, Rate]) -> float:
    """How many times the share is beyond that of the real table.

    Where that is in order throughout, order is a rule, and steps that go back break it.
    """
    made, real = rates[Part.SYNTHETIC], rates[Part.REAL]
    if real.hits:
        return excess(shares[Part.SYNTHETIC], shares[Part.REAL], _LEAST_SHARE)[0] * (made.share > real.share)
    return made.share / _LEAST_SHARE if real.trials >= _LEAST_STEPS and made.hits > 1 else 0.0


def _within(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if interval is None else (max(interval[0], 0.0), min(interval[1], 1.0))
