"""Synthetic rows that are training rows, or nearly (measure ``copies``)."""

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
from rowsmith_plugins.evaluations.privacy.leaks import why_no_holdout
from rowsmith_plugins.evaluations.privacy.near_copies import Flags, near_copies
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

__all__ = ["Copies", "build"]

_MOST_CHANCE = 1e-3
_MOST_COPIES = 0.001
_MOST_NEAR = 0.005
_NEAR_TIMES = 2.0
_LEAST_INFORMATIVE = 0.01
_LEAST_DISTINCT = 10


class Copies(TableEvaluation):
    """The share of synthetic rows that equal a training row and hold enough information to be no chance.

    The control is how often a training row equals another one, and a held-out row a training one: fresh rows of the
    same source do so as often. ``near-copies`` are rows that equal a training row in all columns but one, or in all
    labels and, within 2 %, in all numbers. Both differences are judged by Fisher's exact test.
    """

    name = "copies"
    kind = EvaluationKind.PRIVACY
    explanation = "How many synthetic rows equal a training row, beside how many held-out rows do by chance."

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Look for training rows among the synthetic ones."""
        control = tables.has_holdout and not why_no_holdout(tables)
        hashes = row_hashes(tables, compared_columns(tables))
        if not hashes.columns or float(hashes.informative(Part.REAL).mean()) < _LEAST_INFORMATIVE:
            return _uninformative(tables, hashes)
        exact = _exact(tables, hashes)
        near, sampled = near_copies(tables, hashes)
        measures, findings = list[Measure](), list[Finding]()
        if _all_rows(tables, hashes):
            findings.append(_whole_table())
        for name, events in (("copies", exact), ("near-copies", near)):
            seen, alone = (_rate(events[part]) for part in (Part.SYNTHETIC, Part.REAL))
            held = _rate(events[Part.HOLDOUT]) if control else None
            chance = Rate(alone.hits + held.hits, alone.trials + held.trials) if held else alone
            measures.append(
                Measure(
                    name=name,
                    value=seen.share,
                    direction=Direction.LOWER,
                    interval=seen.interval,
                    ceiling=held.share if held else None,
                    sizes={part.value: len(flags) for part, flags in events.items()},
                    sampled=sampled and name == "near-copies",
                    reason="" if held else "without holdout it is compared with chance alone",
                )
            )
            findings += _finding(name, seen, chance, "of real rows that no model saw" if held else "of training rows")
        return Evaluated(
            measures=tuple(measures),
            findings=tuple(findings),
            details={"bits_needed": hashes.needed, "informative": float(hashes.informative(Part.SYNTHETIC).mean())},
        )


def build(context: BuildContext, options: None) -> Copies:
    """Build the evaluation."""
    return Copies()


def _exact(tables: EvaluationTables, hashes: RowHashes) -> dict[Part, Flags]:
    real = hashes.hashes[Part.REAL]
    units = units_of(tables, Part.REAL)
    return {
        part: (in_other_units(real, units) if part is Part.REAL else np.isin(hashes.hashes[part], real))
        & hashes.informative(part)
        for part in tables.sizes
    }


def _rate(flags: Flags) -> Rate:
    return Rate(int(flags.sum()), len(flags))


def _all_rows(tables: EvaluationTables, hashes: RowHashes) -> bool:
    real, made = (np.sort(hashes.hashes[part]) for part in (Part.REAL, Part.SYNTHETIC))
    return bool(len(real) == len(made) and (real == made).all() and len(np.unique(real)) >= _LEAST_DISTINCT)


def _whole_table() -> Finding:
    return Finding(
        defect="training-table",
        message="The synthetic table is the training table: it has the same rows as often",
        share=1.0,
        excess=1.0 / _MOST_COPIES,
    )


def _uninformative(tables: EvaluationTables, hashes: RowHashes) -> Evaluated:
    reason = (
        f"a copy cannot be distinguished from chance: rows hold hardly any information (fewer than "
        f"{hashes.needed:.0f} bits), so other rows equal them all the time"
    )
    measures = tuple(
        Measure(name=name, value=None, direction=Direction.LOWER, reason=reason) for name in ("copies", "near-copies")
    )
    return Evaluated(measures=measures, findings=(_whole_table(),) if _all_rows(tables, hashes) else ())


def _finding(name: str, seen: Rate, chance: Rate, control: str) -> list[Finding]:
    most = _MOST_COPIES if name == "copies" else _MOST_NEAR
    excess = seen.share - chance.share
    beyond = excess > most and (name == "copies" or seen.share > _NEAR_TIMES * chance.share)
    if not beyond or fisher_greater(seen, chance) >= _MOST_CHANCE:
        return []
    how = "equal a training row" if name == "copies" else "are a training row but for one column or small changes"
    return [
        Finding(
            defect=name,
            message=f"{seen.share:.1%} of the synthetic rows ({seen.hits:,} of {seen.trials:,}) {how}; {control} "
            f"{chance.share:.2%} do",
            share=seen.share,
            excess=excess / most,
        )
    ]
