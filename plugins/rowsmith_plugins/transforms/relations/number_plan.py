"""Which columns of numbers are encoded, and by which of the formulas that hold.

Columns are taken in the order of the table, and follow from earlier ones where they can. A small difference of two
large columns is only computed if one of the two follows from the other: the sum follows from its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from attrs import evolve, field, frozen

from rowsmith_plugins.transforms.relations.axes import Ints, Mask, Numbers
from rowsmith_plugins.transforms.relations.candidates import Candidate
from rowsmith_plugins.transforms.relations.coded_numbers import Gap
from rowsmith_plugins.transforms.relations.evidence import Tested, is_certain, is_relation, rare_rows, tested
from rowsmith_plugins.transforms.relations.formulas import ROUNDINGS, Formula, constant

__all__ = ["Choice", "Plan"]

_RARE, _INCREMENT = 0.5, 0.1
_MOST_RULES = 12
_NARROW, _VERY_NARROW = 0.5, 0.1
_FEWEST_GAP_VALUES = 20
_ATOMS = 0.2
_BROKEN_BY_CHANCE = 0.05
_FEWEST_BROKEN = 30
_FEWEST_BOUND_ROWS = 200


@frozen
class Choice:
    """How a column is encoded.

    Attributes:
        rules: The formulas, the most frequent first.
        gap: The distance from another column that the other rows have; None for the value.
        above: Columns that the other rows' values are not below.
        below: Columns that they are not above.
    """

    rules: tuple[Formula, ...] = ()
    gap: Gap | None = None
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()

    @property
    def needs(self) -> frozenset[str]:
        """The columns that it needs."""
        names = {name for rule in self.rules for name in rule.operands}
        return frozenset(names | {*self.above, *self.below} | ({self.gap.of} if self.gap is not None else set()))


@frozen(eq=False)
class Plan:
    """The choices so far.

    Attributes:
        numbers: Some rows of all columns of numbers, by name, in the order of the table.
        zones: The zone of each.
        fixed: Columns that other encodings restore, and what these need.
        min_support: Least share of rows in which a formula holds.
        k: Least number of rows of a label.
        choices: The encoded columns.
    """

    numbers: dict[str, Numbers]
    zones: dict[str, str]
    fixed: dict[str, frozenset[str]]
    min_support: float
    k: int
    choices: dict[str, Choice] = field(factory=dict)

    def choose(self, candidates: Sequence[Candidate]) -> dict[str, Choice]:
        """Choose the encoding of each column from the candidates."""
        names = list(self.numbers)
        by_target: dict[str, list[Tested]] = {name: [] for name in names}
        for each in candidates:
            name = names[each.target]
            best = None if name in self.fixed else self._best_rounding(each.formula, self.numbers[name])
            if best is not None and not self._is_copy(best):
                by_target[name].append(best)
        exact = {name: self._exact(name, tests) for name, tests in by_target.items()}
        direct = {name: [each for each in found if _is_direct(each)] for name, found in exact.items()}
        for name in names:
            self._derive(name, [each for each in exact[name] if self._follows(each)], self._before(name))
            if not direct[name]:
                self._mix(name, [each for each in by_target[name] if self._follows(each.formula)], by_rules=True)
        for name in names:
            self._derive(name, [each for each in direct[name] if not self._waits(name, each)], names)
        for name in names:
            self._derive(name, exact[name], self._reachable(name))
            self._mix(name, by_target[name])
        for name in names:
            self._bound(name)
        return self.choices

    def _best_rounding(self, formula: Formula, own: Numbers) -> Tested:
        rounded = formula.form != "sum" or formula.factor != 1 or formula.divisor != 1
        options = [evolve(formula, rounding=each) for each in ROUNDINGS] if rounded else [formula]
        best, *others = (tested(each, self.numbers, own) for each in options)
        for each in others:
            if each.holds.sum() > best.holds.sum():
                best = each
        return best

    def _is_copy(self, test: Tested) -> bool:
        """Whether a column is seldom rounded where a formula says so: the other column is as round already."""
        formula = test.formula
        if formula.form != "sum" or formula.step == 1 or len(formula.operands) != 1:
            return False
        if (formula.factor, formula.divisor, formula.offset, formula.signs) != (1, 1, 0, (1,)):
            return False
        copied = tested(Formula("sum", formula.operands, (1,)), self.numbers, test.own).holds
        return bool((test.holds & copied).sum() > 0.5 * test.holds.sum())

    def _exact(self, name: str, tests: Iterable[Tested]) -> list[Formula]:
        """The formulas that give all values, the simplest first."""
        found = [each for each in tests if each.is_exact(max(0, self.k - 1)) and is_certain(each)]
        return [each.formula for each in sorted(found, key=lambda each: (_complexity(each.formula), -each.holds.sum()))]

    def _derive(self, name: str, formulas: Iterable[Formula], others: Iterable[str]) -> None:
        """Choose the first formula that may be used and needs only some of the columns."""
        allowed = set(others)
        for formula in formulas:
            if self._is_coded(name):
                return
            usable = set(formula.operands) <= allowed and not self._cycles(name, formula.operands)
            if usable and self._is_safe(name, formula):
                self.choices[name] = Choice((formula,))

    def _follows(self, formula: Formula) -> bool:
        """Whether it is a sum or product, or a difference of columns of which one follows from the other."""
        if _is_direct(formula):
            return True
        return formula.form == "sum" and (self._depends(*formula.operands) or self._depends(*formula.operands[::-1]))

    def _is_safe(self, name: str, formula: Formula) -> bool:
        """Whether a difference is no small one of two large numbers that do not follow from each other."""
        if formula.form != "sum" or self._follows(formula):
            return True
        first, second = formula.operands
        if self.numbers[first].axis.is_date:
            return False
        finest = max(self.numbers[each].axis.digits for each in (name, first, second))
        own, *others = (
            _spread(self.numbers[each]) * 10.0 ** (finest - self.numbers[each].axis.digits)
            for each in (name, first, second)
        )
        return own >= 0.5 * max(others)

    def _waits(self, name: str, formula: Formula) -> bool:
        """Whether the column is better encoded as a distance from the earlier one of two terms."""
        if formula.form != "sum" or len(formula.operands) != 2:
            return False
        before = self._before(name)
        first, second = formula.operands
        if (first in before) == (second in before):
            return False
        return self._gap(name, [first if first in before else second], self.numbers[name].known) is not None

    def _mix(self, name: str, tests: Sequence[Tested], *, by_rules: bool = False) -> None:
        """Choose formulas that hold in some rows, or a distance from another column."""
        if self._is_coded(name):
            return
        own = self.numbers[name]
        usable = [each for each in tests if self._is_usable(name, each.formula)]
        rules = self._greedy(own, usable)
        if by_rules and not rules:
            return
        gap = self._gap(name, self._reachable(name), own.known)
        # A copy of the column from which the distance is counted is the distance 0.
        if gap is None or rules != [Formula("sum", (gap.of,), (1,))]:
            held = [each.holds for each in usable if each.formula in rules]
            rest = own.known & ~np.logical_or.reduce([~own.known, *held])
            gap = self._gap(name, self._reachable(name), rest) if rules else gap
        else:
            rules = []
        if rules or gap is not None:
            self.choices[name] = Choice(tuple(rules), gap)

    def _is_usable(self, name: str, formula: Formula) -> bool:
        if self._cycles(name, formula.operands) or not self._is_safe(name, formula) or formula.offset:
            return False
        # What is rounded follows from the other column, never the other way round.
        return formula.step > 1 or set(formula.operands) <= set(self._reachable(name))

    def _reachable(self, name: str) -> list[str]:
        """Columns from which it may follow: earlier ones, and later ones that follow from others."""
        before = self._before(name)
        known = [each for each in self.numbers if each != name and (each in before or self._is_coded(each))]
        return [each for each in known if not self._cycles(name, [each])]

    def _greedy(self, own: Numbers, tests: Sequence[Tested]) -> list[Formula]:
        """Formulas that hold in the most rows that none before gives."""
        total = int(own.known.sum())
        # A relation of just this share has fewer rows by chance.
        least = self.min_support * total - 2 * np.sqrt(self.min_support * (1 - self.min_support) * total)
        tests = [each for each in tests if each.holds.sum() >= least]
        rest, rare = own.known.copy(), rare_rows(own)
        rules: list[tuple[int, Formula]] = []
        while len(rules) < _MOST_RULES:
            needed = max(self.k, int((_RARE if not rules else _INCREMENT) * least))
            order = sorted(tests, key=lambda each: (-int((each.holds & rest & rare).sum()), _complexity(each.formula)))
            best = next((each for each in order[:_MOST_RULES] if is_relation(each, rest, needed)), None)
            if best is None:
                break
            rules.append((int((best.holds & rest).sum()), best.formula))
            rest &= ~best.holds
        if not rules:
            return []
        values, counts = np.unique(own.units[rest & own.spelled], return_counts=True)
        often = counts >= max(least, self.k, 1)
        rules += [(int(rows), constant(int(value))) for value, rows in zip(values[often], counts[often], strict=True)]
        return [rule for _, rule in sorted(rules, key=lambda each: -each[0])]

    def _gap(self, name: str, others: Iterable[str], chosen: Mask) -> Gap | None:
        """The distance from the column to which it is nearest in some rows, if much nearer than its own values are."""
        own, rows = self.numbers[name], int(chosen.sum())
        if rows < _FEWEST_BOUND_ROWS or not own.spelled[chosen].all():
            return None
        units = own.units[chosen]
        values, counts = np.unique(units, return_counts=True)
        atoms = counts[counts >= 0.02 * rows].sum()
        if len(values) < _FEWEST_GAP_VALUES or atoms > _ATOMS * rows:
            return None
        found: list[tuple[float, Gap]] = []
        for other in others:
            each = self.numbers[other]
            if each.axis.is_date != own.axis.is_date or self.zones[other] != self.zones[name]:
                continue
            if each.axis.digits > own.axis.digits or not each.known[chosen].all():
                continue
            base = (each.units * 10 ** (own.axis.digits - each.axis.digits))[chosen]
            gaps = units - base
            apart = gaps != 0
            if not apart.any():
                continue
            one_sided = bool(gaps.min() >= 0 or gaps.max() <= 0)
            share = _width(gaps[apart]) / max(_width(units[apart]), 1e-9)
            if share >= (_NARROW if one_sided else _VERY_NARROW):
                continue
            if one_sided and not breaks_by_chance(units, base, bool(gaps.min() >= 0)):
                continue
            found.append((share, Gap(other)))
        return min(found, key=lambda each: each[0])[1] if found else None

    def _bound(self, name: str) -> None:
        """Choose columns that bound the values that follow from none."""
        choice, own = self.choices.get(name, Choice()), self.numbers[name]
        if name in self.fixed or choice.gap is not None:
            return
        rest = own.known.copy()
        for rule in choice.rules:
            rest &= ~tested(rule, self.numbers, own).holds
        above, below = (
            [other for other in self._reachable(name) if self._is_bound(own, other, rest, at_least)]
            for at_least in (True, False)
        )
        if above or below:
            chosen = (self._nearest(above, rest, at_least=True), self._nearest(below, rest, at_least=False))
            self.choices[name] = evolve(choice, above=chosen[0], below=chosen[1])

    def _is_bound(self, own: Numbers, other: str, rest: Mask, at_least: bool) -> bool:
        """Whether values are never below, or above, those of another column, although they could be."""
        each = self.numbers[other]
        comparable = each.axis.is_date == own.axis.is_date and self.zones[other] == self.zones[own.axis.name]
        rows = rest & each.known
        if not comparable or each.axis.digits > own.axis.digits or rows.sum() < _FEWEST_BOUND_ROWS:
            return False
        units, base = own.units[rows], each.units[rows] * 10 ** (own.axis.digits - each.axis.digits)
        broken = (units < base).any() if at_least else (units > base).any()
        return not broken and breaks_by_chance(units, base, at_least)

    def _nearest(self, others: Sequence[str], rest: Mask, *, at_least: bool) -> tuple[str, ...]:
        """The bounds without those that others imply."""

        def implies(first: str, second: str) -> bool:
            one, two = self.numbers[first], self.numbers[second]
            rows = rest & two.known
            if not one.known[rows].all():
                return False
            left, right = one.units[rows] / 10.0**one.axis.digits, two.units[rows] / 10.0**two.axis.digits
            return bool((left >= right).all() if at_least else (left <= right).all())

        found: list[str] = []
        for other in others:
            if not any(implies(each, other) for each in found):
                found = [each for each in found if not implies(other, each)] + [other]
        return tuple(found)

    def _before(self, name: str) -> set[str]:
        names = list(self.numbers)
        return set(names[: names.index(name)])

    def _is_coded(self, name: str) -> bool:
        return name in self.choices or name in self.fixed

    def _needs(self, name: str) -> frozenset[str]:
        return self.choices[name].needs if name in self.choices else self.fixed.get(name, frozenset())

    def _depends(self, name: str, other: str) -> bool:
        """Whether a column follows, perhaps by way of others, from another one."""
        seen, pending = set[str](), [name]
        while pending:
            for each in self._needs(pending.pop()) - seen:
                if each == other:
                    return True
                seen.add(each)
                pending.append(each)
        return False

    def _cycles(self, name: str, needs: Iterable[str]) -> bool:
        return any(each == name or self._depends(each, name) for each in needs)


def breaks_by_chance(units: Ints, others: Ints, at_least: bool) -> bool:
    """Whether an order of two columns would not hold if they were independent."""
    exchanged = np.random.default_rng(0).permutation(others)
    broken = units < exchanged if at_least else units > exchanged
    return int(broken.sum()) >= max(_FEWEST_BROKEN, _BROKEN_BY_CHANCE * len(units))


def _is_direct(formula: Formula) -> bool:
    """Whether it is neither a difference nor a ratio."""
    return formula.form != "ratio" and min(formula.signs, default=1) > 0


def _complexity(formula: Formula) -> tuple[int, int, int]:
    forms = ("constant", "sum", "product", "ratio")
    scaled = (formula.factor != 1) + (formula.divisor != 1) + (formula.step != 1) + (formula.offset != 0)
    return len(formula.operands), scaled + (min(formula.signs, default=1) < 0), forms.index(formula.form)


def _spread(numbers: Numbers) -> float:
    units = numbers.units[numbers.known]
    return _width(units) if len(units) else 0.0


def _width(units: Ints) -> float:
    return float(np.ptp(np.quantile(units, [0.05, 0.95]))) or float(np.std(units))
