"""How far a row follows from the one before, and values that belong to a group (measure ``next-row``)."""

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
from rowsmith_plugins.evaluations.sequences.distances import cuts_of, difference, mean_measure
from rowsmith_plugins.evaluations.sequences.jackknife import (
    Estimate,
    block_counts,
    block_sums,
    blocks_of,
    excess,
    jackknife,
)
from rowsmith_plugins.evaluations.sequences.ordered_rows import MOST_ROWS, OrderedRows, compared_columns, ordered_rows
from rowsmith_plugins.evaluations.sequences.transitions import common_codes

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["NextRow", "build"]

_LEAST_DIFFERENCE = 0.15
_CONSTANT = 0.995
_LEAST_BROKEN = 0.01

Floats = npt.NDArray[np.float64]


class NextRow(TableEvaluation):
    """The mean difference, over columns, of how far the value of a row follows from the one before in its group.

    Of numbers that is the correlation of their quantiles in both rows, of labels their mutual information by the
    entropy of the label. Columns that are constant in real groups are not compared this way: ``group-values`` is the
    mean share of groups in which they are constant.
    """

    name = "next-row"
    kind = EvaluationKind.SEQUENCES
    needs_groups = True

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare each column."""
        sampled = tables.sampled(MOST_ROWS)
        orders = {part: ordered_rows(sampled, part) for part in sampled.sizes}
        sizes = {part.value: len(order.first) for part, order in orders.items()}
        parts, constants, findings = list[Measure](), list[Measure](), list[Finding]()
        for column in compared_columns(sampled):
            constant = {part: _constant(column, part, order) for part, order in orders.items()}
            if constant[Part.REAL].number >= _CONSTANT:
                constants.append(_group_value(f"group-values-{len(constants) + 1}", column, constant, sizes))
                findings += _changing(column, constant)
            elif column.kind not in (ColumnKind.KEY, ColumnKind.TEXT):
                follow = _correlation if column.positions is not None else _information
                estimates = {part: follow(column, part, order) for part, order in orders.items()}
                name = f"{self.name}-{len(parts) + 1}"
                parts.append(
                    difference(name, estimates, sizes, sampled=sampled is not tables, columns=(column.name,), most=2.0)
                )
                findings += _incoherent(column, estimates)
        measures = [mean_measure(self.name, parts, "no column of labels or numbers changes within groups of two rows")]
        if constants:
            measures.append(mean_measure("group-values", constants, "no synthetic group has two rows"))
        return Evaluated(measures=tuple(measures), findings=tuple(findings))


def build(context: BuildContext, options: None) -> NextRow:
    """Build the evaluation."""
    return NextRow()


def _ratio(sums: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums[..., :1] / sums[..., 1:2], dtype=np.float64)


def _constant(column: EvaluatedColumn, part: Part, order: OrderedRows) -> Estimate:
    """The share of groups of two rows or more in which a column is constant."""
    codes = column.codes[part]
    changes = np.bincount(order.step_groups, codes[order.first] != codes[order.following], minlength=1)
    groups = np.unique(order.step_groups)
    steady = (changes[groups] == 0).astype(np.float64)
    return jackknife(block_sums(blocks_of(groups), steady, np.ones(len(groups))), _ratio)


def _correlation(column: EvaluatedColumn, part: Part, order: OrderedRows) -> Estimate:
    real = column.numbers(Part.REAL)
    cuts, values = cuts_of(real), column.numbers(part)
    first, second = values[order.first], values[order.following]
    known = np.isfinite(first) & np.isfinite(second)
    u, v = (np.searchsorted(cuts, each[known]).astype(np.float64) for each in (first, second))
    sums = block_sums(blocks_of(order.step_groups[known]), np.ones(len(u)), u, v, u * u, v * v, u * v)
    return jackknife(sums, _pearson)


def _pearson(sums: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        n, u, v, uu, vv, uv = (sums[..., index] / sums[..., 0] for index in range(6))
        spread = np.sqrt(np.maximum(uu - u * u, 0) * np.maximum(vv - v * v, 0))
        return np.asarray(np.where(spread > 1e-12, (uv - u * v) / spread, np.nan * n), dtype=np.float64)[..., None]


def _information(column: EvaluatedColumn, part: Part, order: OrderedRows) -> Estimate:
    codes, count = common_codes(column, part)
    pairs = codes[order.first] * count + codes[order.following]
    counts = block_counts(blocks_of(order.step_groups), pairs, count * count)

    def normalised(sums: Floats) -> Floats:
        shares = sums.reshape(*sums.shape[:-1], count, count)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = shares / shares.sum(axis=(-2, -1), keepdims=True)
            first, second = shares.sum(axis=-1), shares.sum(axis=-2)
            separate, joint = _entropy(first) + _entropy(second), _entropy(shares.reshape(*sums.shape))
            return np.asarray((separate - joint) / _entropy(second), dtype=np.float64)[..., None]

    return jackknife(counts, normalised, unbiased=True)


def _entropy(shares: Floats) -> Floats:
    return np.asarray(-np.sum(np.where(shares > 0, shares * np.log(np.maximum(shares, 1e-300)), 0.0), axis=-1))


def _group_value(name: str, column: EvaluatedColumn, constant: dict[Part, Estimate], sizes: dict[str, int]) -> Measure:
    made, held = constant[Part.SYNTHETIC], constant.get(Part.HOLDOUT)
    interval = made.interval
    return Measure(
        name=name,
        value=made.number if np.isfinite(made.number) else None,
        interval=None if interval is None else (max(interval[0], 0.0), min(interval[1], 1.0)),
        ceiling=held.number if held is not None and np.isfinite(held.number) else None,
        sizes=sizes,
        columns=(column.name,),
        reason="" if np.isfinite(made.number) else "no group has two rows",
    )


def _changing(column: EvaluatedColumn, constant: dict[Part, Estimate]) -> list[Finding]:
    made, real = constant[Part.SYNTHETIC], constant[Part.REAL]
    beyond, _ = excess(made, real, _LEAST_BROKEN)
    if beyond <= 1 or made.number >= real.number:
        return []
    return [
        Finding(
            defect="group-values-change",
            message=f"Column {column.name!r} changes within {1 - made.number:.1%} of the groups, where in the real "
            f"table it is the same in all rows of {real.number:.1%} of them",
            columns=(column.name,),
            share=1 - made.number,
            excess=beyond,
        )
    ]


def _incoherent(column: EvaluatedColumn, estimates: dict[Part, Estimate]) -> list[Finding]:
    made, real = estimates[Part.SYNTHETIC], estimates[Part.REAL]
    beyond, _ = excess(made, real, _LEAST_DIFFERENCE)
    if beyond <= 1:
        return []
    what = "correlation with" if column.positions is not None else "information about"
    return [
        Finding(
            defect="rows-incoherent",
            message=f"Column {column.name!r}: the {what} the next row of its group is {made.number:.2f}, in the real "
            f"table {real.number:.2f}",
            columns=(column.name,),
            excess=beyond,
        )
    ]
