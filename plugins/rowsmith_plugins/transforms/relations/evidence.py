"""Whether a formula that holds in some rows is a relation, or chance.

A formula must hold more often than by chance: than with the rows of the column exchanged at random, and than the same
formula one, two or three steps higher or lower. The latter separates relations from columns
that are only similar.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from attrs import frozen

from rowsmith_plugins.transforms.relations.axes import Ints, Mask, Numbers
from rowsmith_plugins.transforms.relations.formulas import Formula

__all__ = ["FEWEST_ROWS", "Tested", "is_certain", "is_relation", "rare_rows", "tested"]

FEWEST_ROWS = 50
"""Tables, or columns, of fewer rows have no relations."""

_FREQUENT = 0.02
_STEPS = (1, 2, 3)
_CERTAIN = 30.0
_ABOVE_CHANCE = 4.0
_FEWEST_HITS = 20
_FEWEST_VALUES = 8


@frozen(eq=False, slots=False)
class Tested:
    """A formula on some rows.

    Attributes:
        formula: The formula.
        own: The column that it may give.
        found: The number that it gives in each row.
        able: Rows in which it gives a number.
        holds: Rows in which it gives the value of the column.
    """

    formula: Formula
    own: Numbers
    found: Ints
    able: Mask
    holds: Mask

    def is_exact(self, allowed: int) -> bool:
        """Whether it gives the column: null where it gives no number, but for a few rows.

        Args:
            allowed: How many rows may differ.
        """
        return int((~self.own.missing & ~self.holds).sum()) <= allowed

    def by_chance(self, rows: Mask) -> int:
        """How many of some rows it would hold in by chance: the most of all comparisons."""
        return max(int(np.count_nonzero(each & rows)) for each in self._chance)

    @cached_property
    def _chance(self) -> list[Mask]:
        own, found = self.own, self.found
        order = np.random.default_rng(0).permutation(len(found))
        able = self.able & own.known
        step = max(self.formula.step, own.step)
        near = [able & (found + sign * count * step == own.units) for count in _STEPS for sign in (1, -1)]
        return [self.able & own.known[order] & (found == own.units[order]), *near]


def tested(formula: Formula, numbers: Mapping[str, Numbers], own: Numbers) -> Tested:
    """Evaluate a formula.

    Args:
        formula: The formula.
        numbers: The columns by name.
        own: The column that it may give.
    """
    found, able = formula.evaluate(numbers, own.axis, len(own.units))
    return Tested(formula, own, found, able, able & own.spelled & (found == own.units))


def is_relation(test: Tested, rows: Mask, needed: int) -> bool:
    """Whether a formula holds in enough more of some rows than by chance.

    Args:
        test: The formula.
        rows: Rows that no other formula gives.
        needed: Least number of these rows.
    """
    rows = rows & rare_rows(test.own)
    rare = test.holds & rows
    hits = int(rare.sum())
    if hits < max(needed, _FEWEST_HITS) or len(np.unique(test.own.units[rare])) < _FEWEST_VALUES:
        return False
    return hits >= _ABOVE_CHANCE * test.by_chance(rows)


def is_certain(test: Tested) -> bool:
    """Whether a formula that holds in all rows would not do so by chance."""
    rows = int(test.holds.sum())
    if rows < FEWEST_ROWS:
        return False
    share = min(max(test.by_chance(test.able), 0.5) / rows, 1.0)
    return rows * -np.log(share) > _CERTAIN if share < 1 else False


def rare_rows(own: Numbers) -> Mask:
    """Rows whose value is a number that few rows have."""
    return own.known & (own.counts < max(_FREQUENT * len(own.units), 2))
