"""Whether one value of a training row follows from its others (measure ``attribute-inference``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rowsmith.evaluation import (
    Evaluated,
    EvaluatedColumn,
    EvaluationKind,
    EvaluationTables,
    Finding,
    Part,
    TableEvaluation,
)
from rowsmith_plugins.evaluations.privacy.attacks import Attack
from rowsmith_plugins.evaluations.privacy.leaks import LEAST_ROWS, refused, why_no_holdout
from rowsmith_plugins.evaluations.privacy.points import drawn_rows, nearest, point_columns, points
from rowsmith_plugins.evaluations.rates import Rate

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["AttributeInference", "build"]

MOST_TARGETS = 1_000
MOST_CANDIDATES = 8_000
_MOST_SECRETS = 30
_FEWEST_SECRETS = 5
_MOST_WORK = 6e10
"""Multiplications; some seconds."""
_TOLERANCE = 0.05

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class AttributeInference(TableEvaluation):
    """The risk that someone who knows a row but for one value learns that value from the synthetic table.

    The guess is the value of the synthetic row that is nearest in all other columns; it is right where a label is
    equal or a number within 5 % of the true one (Giomi et al. 2022, section 4.3). The measure is the mean over
    columns, each of which is a part. The baseline guesses the value of any synthetic row. What follows from the rules
    of the population succeeds for held-out rows as well and is no risk.
    """

    name = "attribute-inference"
    kind = EvaluationKind.PRIVACY
    needs_holdout = True

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Attack training and held-out rows, a column at a time."""
        reason, columns = why_no_holdout(tables), point_columns(tables)
        if reason or len(columns) < 2:
            return refused(self.name, reason or "it needs at least 2 columns that are no identifiers or texts")
        generator = tables.generator(self.name)
        rows = {part: drawn_rows(tables, part, MOST_TARGETS, generator) for part in (Part.REAL, Part.HOLDOUT)}
        if min(map(len, rows.values())) < LEAST_ROWS:
            return refused(self.name, f"it needs at least {LEAST_ROWS} training and held-out groups")
        rows[Part.SYNTHETIC] = np.sort(generator.permutation(tables.sizes[Part.SYNTHETIC])[:MOST_CANDIDATES])
        made = points(columns, rows)
        work = sum(len(rows[part]) for part in (Part.REAL, Part.HOLDOUT)) * len(rows[Part.SYNTHETIC]) * len(made.owners)
        some = int(np.clip(_MOST_WORK // work, _FEWEST_SECRETS, _MOST_SECRETS))
        secrets = np.sort(generator.permutation(len(columns))[:some]).tolist()
        attacks = dict[str, Attack]()
        for secret in secrets:
            others = [index for index in range(len(columns)) if index != secret]
            candidates, hits = made.of(Part.SYNTHETIC, others), dict[str, Rate]()
            for part in (Part.REAL, Part.HOLDOUT):
                guesses = nearest(candidates, made.of(part, others))[1][:, 0]
                hits[part] = _rate(columns[secret], rows[part], part, rows[Part.SYNTHETIC][guesses])
            naive = generator.choice(rows[Part.SYNTHETIC], len(rows[Part.REAL]))
            attacks[columns[secret].name] = Attack(
                training=hits[Part.REAL],
                control=hits[Part.HOLDOUT],
                baseline=_rate(columns[secret], rows[Part.REAL], Part.REAL, naive),
            )
        sizes = {part.value: len(each) for part, each in rows.items()}
        sampled = any(len(rows[part]) < size for part, size in tables.sizes.items()) or len(secrets) < len(columns)
        parts = tuple(
            attack.measure(f"attribute-inference-{index + 1}", sizes, (name,), sampled=sampled)
            for index, (name, attack) in enumerate(attacks.items())
        )
        mean = _mean(list(attacks.values()))
        return Evaluated(
            measures=(mean.measure(self.name, sizes, parts=parts, sampled=sampled),),
            findings=_findings(attacks),
            details={"mean": mean.rates, "columns": {name: attack.rates for name, attack in attacks.items()}},
        )


def build(context: BuildContext, options: None) -> AttributeInference:
    """Build the evaluation."""
    return AttributeInference()


def _findings(attacks: Mapping[str, Attack]) -> tuple[Finding, ...]:
    """One finding that names the columns at risk, and the rates of the worst."""
    risky = sorted((name for name, each in attacks.items() if each.is_defect), key=lambda name: -attacks[name].risk[0])
    if not risky:
        return ()
    others = f" (and {len(risky) - 1} other columns)" if len(risky) > 1 else ""
    what = f"Guessing {risky[0]!r}{others} from all other columns"
    return (attacks[risky[0]].finding("attribute-inference", what, tuple(risky)),)


def _rate(column: EvaluatedColumn, rows: Ints, part: Part, guesses: Ints) -> Rate:
    """How often the values of synthetic rows are those of rows of a part."""
    true, guessed = column.codes[part][rows], column.codes[Part.SYNTHETIC][guesses]
    right = true == guessed
    if column.positions is not None:
        values, others = column.numbers(part)[rows], column.numbers(Part.SYNTHETIC)[guesses]
        right |= np.abs(values - others) <= _TOLERANCE * np.abs(values)
    return Rate(int(right.sum()), len(right))


def _mean(attacks: list[Attack]) -> Attack:
    """The mean rates, as of one attack a row: guesses for the same row depend on each other."""

    def rate(rates: list[Rate]) -> Rate:
        return Rate(round(float(np.mean([each.hits for each in rates]))), rates[0].trials)

    return Attack(
        training=rate([each.training for each in attacks]),
        control=rate([each.control for each in attacks]),
        baseline=rate([each.baseline for each in attacks]),
    )
