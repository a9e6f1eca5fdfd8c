"""Whether conditions that a single synthetic row meets are met by a single training row (measure ``singling-out``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.evaluation import (
    Evaluated,
    EvaluatedColumn,
    EvaluationKind,
    EvaluationTables,
    Finding,
    Part,
    TableEvaluation,
)
from rowsmith_plugins.evaluations.privacy.attacks import MOST_RISK, Attack
from rowsmith_plugins.evaluations.privacy.leaks import LEAST_ROWS, refused, why_no_holdout
from rowsmith_plugins.evaluations.privacy.points import point_columns
from rowsmith_plugins.evaluations.privacy.row_hashes import units_of
from rowsmith_plugins.evaluations.rates import Rate

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["SinglingOut", "build"]

MOST_ATTEMPTS = 1_500
MOST_ATTACKS = 600
_LEAST_ATTACKS = 30
_WINDOW = 0.01
_RARER = 10.0
_MOST_CONDITIONS = 8

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@frozen(eq=False)
class _Column:
    """What conditions on a column look at.

    Attributes:
        values: Numbers, or the codes of labels, of each part's rows.
        known: The synthetic ones, sorted.
        numeric: Whether a condition is a window and not one label.
    """

    values: Mapping[Part, Floats]
    known: Floats
    numeric: bool

    def condition(self, row: int) -> tuple[float, float, float]:
        """What a synthetic row's value is between, and the share of synthetic rows that is."""
        value = float(self.values[Part.SYNTHETIC][row])
        first, last = (int(np.searchsorted(self.known, value, side)) for side in ("left", "right"))
        if self.numeric:
            reach = round(_WINDOW * len(self.known))
            low, high = self.known[max(first - reach, 0)], self.known[min(last + reach, len(self.known)) - 1]
            first, last = (int(np.searchsorted(self.known, *each)) for each in ((low, "left"), (high, "right")))
            return float(low), float(high), (last - first) / len(self.known)
        return value, value, (last - first) / len(self.known)


@frozen
class _Predicate:
    """Conditions that single out a synthetic row: for each column, its values' lower and upper bound."""

    conditions: tuple[tuple[int, float, float], ...]


class SinglingOut(TableEvaluation):
    """The risk that the synthetic table shows what singles out a person.

    A predicate is made of a synthetic row: its label, or a window of 1 % of the rows around its number, in columns in
    random order until so few rows would meet all conditions, were columns independent, that it is less than a tenth of
    one training row: only such light predicates count (Cohen & Nissim 2020, "Towards formalizing the GDPR's notion of
    singling out"). Those that a single synthetic row meets are tried on the training table and succeed where a single
    row (or group) meets them (Giomi et al. 2022, section 4.1). The control tries them on held-out rows, its rate
    scaled by the rows of both parts, as the chance of a light predicate to meet one row is; the baseline takes each
    condition from another synthetic row.
    """

    name = "singling-out"
    kind = EvaluationKind.PRIVACY
    explanation = "Whether an attacker finds conditions that hold for exactly one person in the training rows."
    needs_holdout = True

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Attack training and held-out rows."""
        reason, columns = why_no_holdout(tables), point_columns(tables)
        if reason or not columns:
            return refused(self.name, reason or "no column holds values that conditions can be about")
        units = {part: units_of(tables, part) for part in tables.sizes}
        count = {part: int(each.max()) + 1 for part, each in units.items()}
        if min(count.values()) < LEAST_ROWS:
            return refused(self.name, f"it needs at least {LEAST_ROWS} training, synthetic and held-out groups")
        looked = [_column(column, tables) for column in columns]
        generator = tables.generator(self.name)
        single = list[_Predicate]()
        for row in generator.permutation(tables.sizes[Part.SYNTHETIC])[:MOST_ATTEMPTS].tolist():
            made = _predicate(looked, generator, [row] * len(looked), _RARER * count[Part.REAL])
            if made is not None and _isolates(made, looked, Part.SYNTHETIC, units[Part.SYNTHETIC]):
                single.append(made)
            if len(single) == MOST_ATTACKS:
                break
        if len(single) < _LEAST_ATTACKS:
            return refused(
                self.name,
                f"only {len(single)} of {MOST_ATTEMPTS:,} synthetic rows are singled out by conditions that are rare "
                f"enough; it takes {_LEAST_ATTACKS}",
            )
        guessed = [
            _predicate(
                looked,
                generator,
                generator.integers(tables.sizes[Part.SYNTHETIC], size=len(looked)).tolist(),
                _RARER * count[Part.REAL],
            )
            for _ in single
        ]
        rates = {part: _rate(single, looked, part, units[part]) for part in (Part.REAL, Part.HOLDOUT)}
        attack = Attack(
            training=rates[Part.REAL],
            control=rates[Part.HOLDOUT].scaled(count[Part.REAL] / count[Part.HOLDOUT]),
            baseline=_rate([each for each in guessed if each is not None], looked, Part.REAL, units[Part.REAL]),
        )
        sizes = {part.value: size for part, size in tables.sizes.items()}
        findings = _findings(attack)
        return Evaluated(
            measures=(attack.measure(self.name, sizes, sampled=tables.sizes[Part.SYNTHETIC] > MOST_ATTEMPTS),),
            findings=findings,
            details={**attack.rates, "predicates": len(single)},
        )


def build(context: BuildContext, options: None) -> SinglingOut:
    """Build the evaluation."""
    return SinglingOut()


def _findings(attack: Attack) -> tuple[Finding, ...]:
    if not attack.is_defect:
        return ()
    what = f"Of conditions that one synthetic row alone meets, {attack.training.share:.1%} single out a training row"
    value, (low, high) = attack.risk
    return (
        Finding(
            defect="singling-out",
            message=f"{what}, where {attack.control.share:.1%} would a row that the model never saw: a risk of "
            f"{value:.2f} ({low:.2f} to {high:.2f})",
            share=value,
            excess=low / MOST_RISK,
        ),
    )


def _column(column: EvaluatedColumn, tables: EvaluationTables) -> _Column:
    values, numeric = dict[Part, Floats](), column.positions is not None
    for part in tables.sizes:
        codes = column.codes[part].astype(np.float64)
        numbers = column.numbers(part) if numeric else codes
        # Nulls and marks among numbers are conditions of their own, below all numbers.
        values[part] = np.where(np.isfinite(numbers), numbers, -1e300 * (codes + 3.0) / (len(column.labels) + 3.0))
    return _Column(values, np.sort(values[Part.SYNTHETIC]), numeric)


def _predicate(
    columns: Sequence[_Column], generator: np.random.Generator, rows: Sequence[int], rarer: float
) -> _Predicate | None:
    """Conditions of the values of synthetic rows, one row for each column; None where all together are too common."""
    conditions, weight = list[tuple[int, float, float]](), 1.0
    for index in generator.permutation(len(columns))[:_MOST_CONDITIONS].tolist():
        low, high, share = columns[index].condition(rows[index])
        conditions.append((index, low, high))
        weight *= share
        if weight * rarer <= 1.0:
            return _Predicate(tuple(conditions))
    return None


def _isolates(predicate: _Predicate, columns: Sequence[_Column], part: Part, units: Ints) -> bool:
    """Whether the rows that meet the conditions are those of one unit."""
    index, low, high = predicate.conditions[0]
    values = columns[index].values[part]
    rows = np.flatnonzero((values >= low) & (values <= high))
    for index, low, high in predicate.conditions[1:]:
        values = columns[index].values[part][rows]
        rows = rows[(values >= low) & (values <= high)]
    return len(rows) > 0 and bool((units[rows] == units[rows[0]]).all())


def _rate(predicates: Sequence[_Predicate], columns: Sequence[_Column], part: Part, units: Ints) -> Rate:
    return Rate(sum(_isolates(each, columns, part, units) for each in predicates), len(predicates))
