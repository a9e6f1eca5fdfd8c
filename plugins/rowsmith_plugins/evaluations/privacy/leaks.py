"""Whether rows or groups that should be held out were trained on (measure ``leaks``)."""

from __future__ import annotations

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
from rowsmith_plugins.evaluations.privacy.row_hashes import (
    RowHashes,
    compared_columns,
    in_other_units,
    row_hashes,
    units_of,
)
from rowsmith_plugins.evaluations.rates import Rate, fisher_greater

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["Leaks", "build", "refused", "why_no_holdout"]

LEAST_ROWS = 10
"""Attacks on fewer training or held-out rows say nothing."""
_MOST_CHANCE = 1e-3
_MOST_EXCESS = 0.005
_LEAST_DISTINCT = 10


class Leaks(TableEvaluation):
    """The share of held-out rows that equal a training row, beyond those that do so by chance.

    Chance is how often a training row equals another one. Every other privacy measure compares training rows with
    held-out ones, so it means nothing where these are the same.
    """

    name = "leaks"
    kind = EvaluationKind.PRIVACY
    explanation = "Whether training and held-out rows share more rows than chance: then privacy cannot be measured."
    needs_holdout = True

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Compare held-out rows with training rows."""
        columns = compared_columns(tables)
        hashes = row_hashes(tables, columns)
        seen, chance = _shared(tables, hashes)
        measures, findings = [_measure("leaks", seen, tables)], list[Finding]()
        excess = seen.share - chance.share
        if _same_rows(hashes, tables):
            findings.append(_finding("The holdout is the training table: all of its rows are training rows", 1.0))
        elif excess > _MOST_EXCESS and fisher_greater(seen, chance) < _MOST_CHANCE:
            findings.append(
                _finding(
                    f"{seen.hits:,} of {seen.trials:,} held-out rows ({seen.share:.1%}) equal a training row, where "
                    f"{chance.share:.1%} would by chance, so the holdout is no holdout",
                    excess,
                )
            )
        groups = _groups_on_both_sides(tables)
        if groups is not None:
            measures.append(_measure("leaked-groups", groups, tables))
            if groups.hits and tables.time_column is None:
                findings.append(
                    _finding(
                        f"{groups.hits:,} of {groups.trials:,} held-out groups have training rows, too, so a model "
                        f"may know them; split the table by {' and '.join(tables.group_by)}",
                        groups.share,
                        tables.group_by,
                    )
                )
        return Evaluated(
            measures=tuple(measures),
            findings=tuple(findings),
            details={"chance": chance.share, "bits_needed": hashes.needed},
        )


def build(context: BuildContext, options: None) -> Leaks:
    """Build the evaluation."""
    return Leaks()


def why_no_holdout(tables: EvaluationTables) -> str:
    """Why the holdout does not serve as control for attacks on training rows; empty where it does.

    Where it shares rows or groups with the training table, or either has fewer than 10 rows.
    """
    if not tables.has_holdout:
        return "it needs real rows that the model never saw: a holdout"
    for part, rows in ((Part.REAL, "training rows"), (Part.HOLDOUT, "held-out rows")):
        if tables.sizes[part] < LEAST_ROWS:
            return f"it needs at least {LEAST_ROWS} {rows}, and there are {tables.sizes[part]}"
    found = Leaks().evaluate(tables).findings
    return f"the holdout cannot serve as control: {found[0].message}" if found else ""


def refused(name: str, reason: str) -> Evaluated:
    """A measure that has no value."""
    return Evaluated(measures=(Measure(name=name, value=None, direction=Direction.LOWER, reason=reason),))


def _shared(tables: EvaluationTables, hashes: RowHashes) -> tuple[Rate, Rate]:
    informative = hashes.informative(Part.HOLDOUT)
    held = np.isin(hashes.hashes[Part.HOLDOUT], hashes.hashes[Part.REAL]) & informative
    real = in_other_units(hashes.hashes[Part.REAL], units_of(tables, Part.REAL)) & hashes.informative(Part.REAL)
    return Rate(int(held.sum()), len(held)), Rate(int(real.sum()), len(real))


def _same_rows(hashes: RowHashes, tables: EvaluationTables) -> bool:
    real, held = (np.sort(hashes.hashes[part]) for part in (Part.REAL, Part.HOLDOUT))
    return bool(len(real) == len(held) and (real == held).all() and len(np.unique(real)) >= _LEAST_DISTINCT)


def _groups_on_both_sides(tables: EvaluationTables) -> Rate | None:
    if not tables.groups:
        return None
    hashes = row_hashes(tables, [tables.column(name) for name in tables.group_by]).hashes
    held = np.unique(hashes[Part.HOLDOUT])
    return Rate(int(np.isin(held, hashes[Part.REAL]).sum()), len(held))


def _measure(name: str, rate: Rate, tables: EvaluationTables) -> Measure:
    return Measure(
        name=name,
        value=rate.share,
        direction=Direction.LOWER,
        interval=rate.interval,
        sizes={part.value: tables.sizes[part] for part in (Part.REAL, Part.HOLDOUT)},
    )


def _finding(message: str, share: float, columns: tuple[str, ...] = ()) -> Finding:
    return Finding(
        defect="holdout-leaks", message=message, share=share, columns=columns, excess=max(share / _MOST_EXCESS, 1.0)
    )
